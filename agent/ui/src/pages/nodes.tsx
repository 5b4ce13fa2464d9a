// All nodes with their health and their distance from the agent that serves the page.

import { useState } from "preact/hooks";
import { type Coordinate, distance } from "../core/distance";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import type { Check } from "../parts/checks";
import { List } from "../parts/list";
import { Health, RANK, worst } from "../parts/status";
import { Await, matches, Page, Search, Select } from "../parts/tools";

export interface NodeRow {
  ID: string;
  Node: string;
  Address: string;
  Meta: Record<string, string> | null;
}

export interface Spot {
  Node: string;
  Segment: string;
  Coord: Coordinate;
}

const ORDERS = [
  { value: "health", text: "worst first" },
  { value: "name", text: "name" },
  { value: "distance", text: "nearest first" },
];

interface Shown {
  node: NodeRow;
  checks: Check[];
  rtt: number | undefined;
}

function byNode(checks: Check[]): Map<string, Check[]> {
  const map = new Map<string, Check[]>();
  for (const check of checks) {
    const some = map.get(check.Node);
    if (some) some.push(check);
    else map.set(check.Node, [check]);
  }
  return map;
}

export function Nodes({ place }: { place: Place }) {
  const dc = place.datacenter;
  const [search, setSearch] = useState("");
  const [by, setBy] = useState("health");
  const nodes = useLive<NodeRow[]>("/v1/catalog/nodes", { dc });
  const checks = useLive<Check[]>("/v1/health/state/any", { dc });
  const spots = useLive<Spot[]>("/v1/coordinate/nodes", { dc });
  const self = useLive<{ Config: { NodeName: string } }>("/v1/agent/self", {}, 60_000);
  const leader = useLive<string>("/v1/status/leader", { dc });
  return (
    <Page title="Nodes">
      <Await live={nodes}>
        {(all) => {
          const map = byNode(checks.data ?? []);
          const from = spots.data?.find((s) => s.Node === self.data?.Config.NodeName)?.Coord;
          const rows: Shown[] = all.map((node) => {
            const to = spots.data?.find((s) => s.Node === node.Node)?.Coord;
            const isSelf = node.Node === self.data?.Config.NodeName;
            return { node, checks: map.get(node.Node) ?? [], rtt: from && to && !isSelf ? distance(from, to) : undefined };
          });
          const shown = rows
            .filter((r) => matches(search, r.node.Node, r.node.Address, JSON.stringify(r.node.Meta ?? {})))
            .sort((a, b) => order(a, b, by));
          return (
            <>
              <div class="tools">
                <Search label="Search by name, address or meta" value={search} onInput={setSearch} />
                <Select label="Order" value={by} choices={ORDERS} onChange={setBy} />
              </div>
              <p class="count" role="status">{`${shown.length} of ${all.length} nodes`}</p>
              <List
                label="Nodes"
                items={shown}
                keyOf={(r) => r.node.Node}
                empty={all.length ? "No node fits the search." : "No nodes, or your token may not see them."}
                row={(r) => (
                  <>
                    <Link href={link(dc, ["nodes", r.node.Node])}>{r.node.Node}</Link>
                    {leader.data?.startsWith(`${r.node.Address}:`) && <span class="tag">leader</span>}
                    <span class="side">{`${r.node.Address}${r.rtt === undefined ? "" : ` · ${r.rtt.toFixed(2)} ms`}`}</span>
                    <Health status={worst(r.checks)} />
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

function order(a: Shown, b: Shown, by: string): number {
  const name = a.node.Node.localeCompare(b.node.Node);
  if (by === "health") return RANK[worst(a.checks)] - RANK[worst(b.checks)] || name;
  if (by === "distance") return (a.rtt ?? Infinity) - (b.rtt ?? Infinity) || name;
  return name;
}
