// Who calls whom, as far as it is known: from the upstreams of proxies, and from intentions that allow it.

import { segment } from "../core/api";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { Problem } from "../parts/tools";
import type { Instance } from "./instances";
import type { Intention } from "./intentions";

interface Proxies {
  data?: Instance[];
  error?: unknown;
}

/** Services that the proxies of a service name as upstreams. */
export function upstreams(proxies: Instance[]): string[] {
  const names = proxies.flatMap((p) => p.Service.Proxy?.Upstreams ?? []).map((u) => u.DestinationName);
  return [...new Set(names)].sort();
}

/** Services whose proxies name this one. */
export function downstreams(name: string, proxies: Instance[]): string[] {
  const calls = (p: Instance) => (p.Service.Proxy?.Upstreams ?? []).some((u) => u.DestinationName === name);
  const names = proxies.filter(calls).map((p) => p.Service.Proxy?.DestinationServiceName ?? p.Service.Service);
  return [...new Set(names)].sort();
}

export function Topology({ place, name, instances }: { place: Place; name: string; instances: Instance[] }) {
  const dc = place.datacenter;
  const own: Proxies = useLive<Instance[]>(`/v1/health/connect/${segment(name)}`, { dc });
  const all: Proxies = useLive<Instance[]>("/v1/health/services", { dc, filter: 'Service.Kind == "connect-proxy"' });
  const intentions = useLive<Intention[]>("/v1/connect/intentions", { dc });
  const proxies = [...(own.data ?? []), ...instances.filter((i) => i.Service.Kind === "connect-proxy")];
  const callers = downstreams(name, all.data ?? []);
  const called = upstreams(proxies);
  const rules = (intentions.data ?? []).filter((i) => i.DestinationName === name || i.SourceName === name);
  const failed = own.error ?? all.error;
  return (
    <section>
      {failed !== undefined && <Problem error={failed} />}
      <div class="topology">
        <Names place={place} names={callers} label={`Services that call ${name}`} none="No known caller" />
        <div class="self">{name}</div>
        <Names place={place} names={called} label={`Services that ${name} calls`} none="Calls nothing that is known" />
      </div>
      <p class="dim">Known from the upstreams of registered proxies. Calls that go past a proxy are not seen.</p>
      <h2>Intentions</h2>
      {rules.length === 0 && <p class="empty">None names this service.</p>}
      <ul>
        {rules.map((rule) => (
          <li key={rule.ID}>
            <Link href={link(dc, ["intentions", rule.ID])}>{`${rule.SourceName} → ${rule.DestinationName}`}</Link>: {rule.Action}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Names({ place, names, label, none }: { place: Place; names: string[]; label: string; none: string }) {
  return (
    <ul aria-label={label}>
      {names.length === 0 && <li class="dim">{none}</li>}
      {names.map((name) => (
        <li key={name}>
          <Link href={link(place.datacenter, ["services", name])}>{name}</Link>
        </li>
      ))}
    </ul>
  );
}
