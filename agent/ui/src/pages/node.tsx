// One node: checks, services, round-trip times, the sessions that live on it.

import { segment } from "../core/api";
import { distance } from "../core/distance";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { type Check, Checks } from "../parts/checks";
import { List } from "../parts/list";
import { Health, worst } from "../parts/status";
import { Tabs } from "../parts/tabs";
import { Await, Facts, Meta, Page, Tags } from "../parts/tools";
import type { NodeRow, Spot } from "./nodes";
import { SessionList } from "./sessions";

interface NodeDetail {
  Node: NodeRow & { TaggedAddresses: Record<string, string> | null };
  Services: Record<string, { ID: string; Service: string; Tags: string[] | null; Port: number; Address: string }>;
}

export function NodePage({ place, name }: { place: Place; name: string }) {
  const dc = place.datacenter;
  const detail = useLive<NodeDetail | null>(`/v1/catalog/node/${segment(name)}`, { dc });
  const checks = useLive<Check[]>(`/v1/health/node/${segment(name)}`, { dc });
  return (
    <Page title={name} actions={checks.data && <Health status={worst(checks.data)} />}>
      <Await live={detail}>
        {(found) =>
          found === null ? (
            <p class="empty">This node is not in the catalog any more.</p>
          ) : (
            <>
              <Facts
                facts={[
                  ["Address", found.Node.Address],
                  ["ID", found.Node.ID],
                  ...Object.entries(found.Node.TaggedAddresses ?? {}).map(([tag, at]): [string, string] => [`Address ${tag}`, at]),
                ]}
              />
              <Tabs
                place={place}
                tabs={[
                  { name: "checks", title: "Checks", show: () => <Await live={checks}>{(all) => <Checks checks={all} />}</Await> },
                  { name: "services", title: "Services", show: () => <NodeServices place={place} detail={found} checks={checks.data ?? []} /> },
                  { name: "rtt", title: "Round-trip times", show: () => <Distances place={place} name={name} /> },
                  { name: "sessions", title: "Sessions", show: () => <SessionList place={place} node={name} /> },
                  { name: "meta", title: "Meta", show: () => <Meta title="Meta" meta={found.Node.Meta} /> },
                ]}
              />
            </>
          )
        }
      </Await>
    </Page>
  );
}

function NodeServices({ place, detail, checks }: { place: Place; detail: NodeDetail; checks: Check[] }) {
  const services = Object.values(detail.Services ?? {}).sort((a, b) => a.ID.localeCompare(b.ID));
  return (
    <List
      label="Services of the node"
      items={services}
      keyOf={(s) => s.ID}
      empty="No service runs here."
      row={(s) => (
        <>
          <Link href={link(place.datacenter, ["services", s.Service, detail.Node.Node, s.ID])}>{s.ID}</Link>
          <Tags tags={s.Tags} />
          <span class="side">{s.Port ? `port ${s.Port}` : ""}</span>
          <Health status={worst(checks.filter((c) => c.ServiceID === s.ID))} />
        </>
      )}
    />
  );
}

function Distances({ place, name }: { place: Place; name: string }) {
  const spots = useLive<Spot[]>("/v1/coordinate/nodes", { dc: place.datacenter });
  return (
    <Await live={spots}>
      {(all) => {
        const from = all.find((s) => s.Node === name);
        if (!from) return <p class="empty">The position of this node is not known yet.</p>;
        const rows = all
          .filter((s) => s.Node !== name && s.Segment === from.Segment)
          .map((s) => ({ node: s.Node, rtt: distance(from.Coord, s.Coord) }))
          .sort((a, b) => a.rtt - b.rtt);
        const at = (share: number) => rows[Math.min(rows.length - 1, Math.floor(share * rows.length))]?.rtt.toFixed(2);
        return (
          <>
            {rows.length > 0 && (
              <Facts
                facts={[
                  ["Nearest", `${at(0)} ms`],
                  ["Median", `${at(0.5)} ms`],
                  ["Farthest", `${at(1)} ms`],
                ]}
              />
            )}
            <List
              label="Round-trip times"
              items={rows}
              keyOf={(r) => r.node}
              height={44}
              empty="There is no other node."
              row={(r) => (
                <>
                  <Link href={link(place.datacenter, ["nodes", r.node])}>{r.node}</Link>
                  <span class="side">{r.rtt.toFixed(2)} ms</span>
                </>
              )}
            />
          </>
        );
      }}
    </Await>
  );
}
