// All services with the health of their instances.

import { useState } from "preact/hooks";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { List } from "../parts/list";
import { Health, RANK, worstOf } from "../parts/status";
import { Await, matches, Page, Search, Select, Tags } from "../parts/tools";

interface Summary {
  Kind?: string;
  Name: string;
  Tags: string[] | null;
  Nodes: string[] | null;
  InstanceCount: number;
  ChecksPassing: number;
  ChecksWarning: number;
  ChecksCritical: number;
}

const STATES = [
  { value: "", text: "any health" },
  { value: "passing", text: "passing" },
  { value: "warning", text: "warning" },
  { value: "critical", text: "critical" },
  { value: "none", text: "no checks" },
];
const ORDERS = [
  { value: "health", text: "worst first" },
  { value: "name", text: "name" },
  { value: "instances", text: "most instances" },
];

function order(a: Summary, b: Summary, by: string): number {
  if (by === "health") return RANK[worstOf(a)] - RANK[worstOf(b)] || a.Name.localeCompare(b.Name);
  if (by === "instances") return b.InstanceCount - a.InstanceCount || a.Name.localeCompare(b.Name);
  return a.Name.localeCompare(b.Name);
}

export function Services({ place }: { place: Place }) {
  const [search, setSearch] = useState("");
  const [state, setState] = useState("");
  const [by, setBy] = useState("health");
  const live = useLive<Summary[]>("/v1/internal/ui/services", { dc: place.datacenter });
  return (
    <Page title="Services">
      <Await live={live}>
        {(all) => {
          const shown = all
            .filter((s) => matches(search, s.Name, s.Kind, ...(s.Tags ?? [])) && (!state || worstOf(s) === state))
            .sort((a, b) => order(a, b, by));
          return (
            <>
              <div class="tools">
                <Search label="Search by name or tag" value={search} onInput={setSearch} />
                <Select label="Health" value={state} choices={STATES} onChange={setState} />
                <Select label="Order" value={by} choices={ORDERS} onChange={setBy} />
              </div>
              <p class="count" role="status">{`${shown.length} of ${all.length} services`}</p>
              <List
                label="Services"
                items={shown}
                keyOf={(s) => s.Name}
                empty={all.length ? "No service fits the search." : "No services are registered yet, or your token may not see them."}
                row={(s) => (
                  <>
                    <Link href={link(place.datacenter, ["services", s.Name])}>{s.Name}</Link>
                    {s.Kind && <span class="tag">{s.Kind}</span>}
                    <Tags tags={s.Tags} />
                    <span class="side">{`${s.InstanceCount} ${s.InstanceCount === 1 ? "instance" : "instances"}`}</span>
                    <Health status={worstOf(s)} />
                  </>
                )}
              />
            </>
          );
        }}
      </Await>
    </Page>
  );
}
