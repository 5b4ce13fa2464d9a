// One instance of a service: its checks with their outputs, addresses, meta, upstreams.

import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, Link, type Place } from "../core/router";
import { Checks } from "../parts/checks";
import { Remove } from "../parts/remove";
import { Health, worst } from "../parts/status";
import { Await, Facts, Meta, Page, Tags } from "../parts/tools";
import { type Instance, reach } from "./instances";

interface Props {
  place: Place;
  name: string;
  node: string;
  id: string;
}

export function InstancePage({ place, name, node, id }: Props) {
  const live = useLive<Instance[]>(`/v1/health/service/${segment(name)}`, { dc: place.datacenter });
  const here = live.data?.find((i) => i.Node.Node === node && i.Service.ID === id);
  const deregister = async () => {
    await write("PUT", "/v1/catalog/deregister", { dc: place.datacenter }, { Datacenter: place.datacenter, Node: node, ServiceID: id });
    go(link(place.datacenter, ["services", name]));
  };
  return (
    <Page
      title={id}
      actions={
        here && (
          <>
            <Health status={worst(here.Checks)} />
            <Remove
              verb="Deregister"
              question={`${id} is taken out of the catalog. If the agent on ${node} still has it registered, it comes back within a minute; deregister it there.`}
              run={deregister}
              done={`${id} was deregistered.`}
            />
          </>
        )
      }
    >
      <Await live={live}>{() => (here ? <Details place={place} here={here} /> : <p class="empty">This instance is not registered any more.</p>)}</Await>
    </Page>
  );
}

function Details({ place, here }: { place: Place; here: Instance }) {
  const { Service, Node } = here;
  const tagged = Object.entries(Service.TaggedAddresses ?? {}).map(([tag, at]): [string, string] => [tag, `${at.Address}:${at.Port}`]);
  const upstreams = Service.Proxy?.Upstreams ?? [];
  return (
    <>
      <Facts
        facts={[
          ["Service", <Link href={link(place.datacenter, ["services", Service.Service])}>{Service.Service}</Link>],
          ["Node", <Link href={link(place.datacenter, ["nodes", Node.Node])}>{Node.Node}</Link>],
          ["Address", reach(here)],
          ["Kind", Service.Kind || "service"],
          ["Tags", <Tags tags={Service.Tags} />],
          ["Weights", Service.Weights ? `${Service.Weights.Passing} passing, ${Service.Weights.Warning} warning` : "—"],
        ]}
      />
      <h2>Checks</h2>
      <Checks checks={here.Checks} />
      {tagged.length > 0 && (
        <>
          <h2>Tagged addresses</h2>
          <Facts facts={tagged} />
        </>
      )}
      <Meta title="Meta" meta={Service.Meta} />
      {upstreams.length > 0 && (
        <>
          <h2>Upstreams</h2>
          <Facts facts={upstreams.map((u) => [u.DestinationName, `local port ${u.LocalBindPort ?? "—"}`])} />
        </>
      )}
    </>
  );
}
