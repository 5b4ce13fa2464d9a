// One service: its instances, who calls whom, its intentions.

import { useState } from "preact/hooks";
import { segment } from "../core/api";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { dashboardOf } from "../core/settings";
import { List } from "../parts/list";
import { Health, RANK, worst } from "../parts/status";
import { Tabs } from "../parts/tabs";
import { Await, matches, Page, Search, Tags } from "../parts/tools";
import { type Instance, reach } from "./instances";
import { Topology } from "./topology";

export function Service({ place, name }: { place: Place; name: string }) {
  const live = useLive<Instance[]>(`/v1/health/service/${segment(name)}`, { dc: place.datacenter });
  const dashboard = dashboardOf(name, place.datacenter);
  const kind = live.data?.[0]?.Service.Kind;
  return (
    <Page
      title={name}
      actions={
        <>
          {kind && <span class="tag">{kind}</span>}
          {dashboard && (
            <a class="button" href={dashboard} target="_blank" rel="noopener noreferrer">
              Dashboard
            </a>
          )}
        </>
      }
    >
      <Tabs
        place={place}
        tabs={[
          { name: "instances", title: "Instances", show: () => <Instances place={place} name={name} live={live} /> },
          { name: "topology", title: "Topology", show: () => <Topology place={place} name={name} instances={live.data ?? []} /> },
          { name: "tags", title: "Tags", show: () => <AllTags instances={live.data ?? []} /> },
        ]}
      />
    </Page>
  );
}

function Instances({ place, name, live }: { place: Place; name: string; live: { data?: Instance[]; error?: unknown } }) {
  const [search, setSearch] = useState("");
  return (
    <Await live={live}>
      {(all) => {
        const shown = all
          .filter((i) => matches(search, i.Service.ID, i.Node.Node, reach(i), ...(i.Service.Tags ?? [])))
          .sort((a, b) => RANK[worst(a.Checks)] - RANK[worst(b.Checks)] || a.Service.ID.localeCompare(b.Service.ID) || a.Node.Node.localeCompare(b.Node.Node));
        return (
          <>
            <div class="tools">
              <Search label="Search by instance, node, address or tag" value={search} onInput={setSearch} />
            </div>
            <p class="count" role="status">{`${shown.length} of ${all.length} instances`}</p>
            <List
              label="Instances"
              items={shown}
              keyOf={(i) => `${i.Node.Node}/${i.Service.ID}`}
              empty={all.length ? "No instance fits the search." : `There is no service ${name} now. It may have been deregistered.`}
              row={(i) => (
                <>
                  <Link href={link(place.datacenter, ["services", name, i.Node.Node, i.Service.ID])}>{i.Service.ID}</Link>
                  <Tags tags={i.Service.Tags} />
                  <span class="side">{`${i.Node.Node} · ${reach(i)}`}</span>
                  <Health status={worst(i.Checks)} />
                </>
              )}
            />
          </>
        );
      }}
    </Await>
  );
}

function AllTags({ instances }: { instances: Instance[] }) {
  const counts = new Map<string, number>();
  for (const instance of instances) for (const tag of instance.Service.Tags ?? []) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  if (!counts.size) return <p class="empty">No instance has a tag.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Tag</th>
          <th scope="col">Instances</th>
        </tr>
      </thead>
      <tbody>
        {[...counts].sort().map(([tag, count]) => (
          <tr key={tag}>
            <td>{tag}</td>
            <td>{count}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
