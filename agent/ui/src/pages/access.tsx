// Access control: lists of tokens, policies and roles.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { settings } from "../core/settings";
import { when } from "../core/time";
import { List } from "../parts/list";
import { Await, matches, Page, Search } from "../parts/tools";
import { Explain } from "./explain";

export interface Named {
  ID: string;
  Name: string;
}

export interface Token {
  AccessorID: string;
  SecretID?: string;
  Description: string;
  Policies?: Named[] | null;
  Roles?: Named[] | null;
  ServiceIdentities?: { ServiceName: string; Datacenters?: string[] }[] | null;
  NodeIdentities?: { NodeName: string; Datacenter: string }[] | null;
  Local: boolean;
  CreateTime: string;
  ExpirationTime?: string;
  Legacy?: boolean;
}

export interface Policy {
  ID: string;
  Name: string;
  Description: string;
  Rules: string;
  Datacenters?: string[] | null;
}

export interface Role {
  ID: string;
  Name: string;
  Description: string;
  Policies?: Named[] | null;
  ServiceIdentities?: { ServiceName: string }[] | null;
  NodeIdentities?: { NodeName: string; Datacenter: string }[] | null;
}

const SECTIONS = [
  ["tokens", "Tokens"],
  ["policies", "Policies"],
  ["roles", "Roles"],
  ["explain", "Explain"],
] as const;

export function Access({ place }: { place: Place }) {
  const section = place.path[1] ?? "tokens";
  if (!settings.acls) {
    return (
      <Page title="Access control">
        <p class="empty">
          Access control is off: everybody who reaches this agent may do everything. Set <code>acl.enabled = true</code> on servers and clients, then run{" "}
          <code>consul acl bootstrap</code>.
        </p>
      </Page>
    );
  }
  return (
    <Page title="Access control">
      <nav class="tabs" aria-label="Sections">
        {SECTIONS.map(([name, title]) => (
          <Link key={name} href={link(place.datacenter, ["acls", name])} aria-current={name === section ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      {section === "tokens" && <Tokens place={place} />}
      {section === "policies" && <Policies place={place} />}
      {section === "roles" && <Roles place={place} />}
      {section === "explain" && <Explain />}
    </Page>
  );
}

interface ListingProps<T> {
  place: Place;
  noun: string;
  path: string;
  label: string;
  keyOf: (item: T) => string;
  text: (item: T) => string;
  row: (item: T) => ComponentChildren;
}

function Listing<T>({ place, noun, path, label, keyOf, text, row }: ListingProps<T>) {
  const [search, setSearch] = useState("");
  const live = useLive<T[]>(path, { dc: place.datacenter });
  return (
    <Await live={live}>
      {(all) => {
        const shown = all.filter((item) => matches(search, text(item)));
        return (
          <>
            <div class="tools">
              <Search label={`Search ${label}`} value={search} onInput={setSearch} />
              <Link class="button primary" href={link(place.datacenter, ["acls", noun, "new"])}>
                Create
              </Link>
            </div>
            <List label={label} items={shown} keyOf={keyOf} empty={all.length ? "Nothing fits the search." : `There are no ${label}.`} row={row} />
          </>
        );
      }}
    </Await>
  );
}

function Tokens({ place }: { place: Place }) {
  return (
    <Listing<Token>
      place={place}
      noun="tokens"
      path="/v1/acl/tokens"
      label="tokens"
      keyOf={(t) => t.AccessorID}
      text={(t) => [t.AccessorID, t.Description, ...(t.Policies ?? []).map((p) => p.Name), ...(t.Roles ?? []).map((r) => r.Name)].join(" ")}
      row={(t) => (
        <>
          <Link href={link(place.datacenter, ["acls", "tokens", t.AccessorID])}>{t.Description || t.AccessorID}</Link>
          <span class="side">
            {[...(t.Policies ?? []), ...(t.Roles ?? [])].map((p) => p.Name).join(", ")}
            {t.ExpirationTime ? ` · until ${when(t.ExpirationTime)}` : ""}
          </span>
          {t.Local && <span class="tag">local</span>}
        </>
      )}
    />
  );
}

function Policies({ place }: { place: Place }) {
  return (
    <Listing<Policy>
      place={place}
      noun="policies"
      path="/v1/acl/policies"
      label="policies"
      keyOf={(p) => p.ID}
      text={(p) => `${p.Name} ${p.Description} ${p.ID}`}
      row={(p) => (
        <>
          <Link href={link(place.datacenter, ["acls", "policies", p.ID])}>{p.Name}</Link>
          <span class="side">{p.Description}</span>
        </>
      )}
    />
  );
}

function Roles({ place }: { place: Place }) {
  return (
    <Listing<Role>
      place={place}
      noun="roles"
      path="/v1/acl/roles"
      label="roles"
      keyOf={(r) => r.ID}
      text={(r) => `${r.Name} ${r.Description} ${r.ID}`}
      row={(r) => (
        <>
          <Link href={link(place.datacenter, ["acls", "roles", r.ID])}>{r.Name}</Link>
          <span class="side">{(r.Policies ?? []).map((p) => p.Name).join(", ") || r.Description}</span>
        </>
      )}
    />
  );
}
