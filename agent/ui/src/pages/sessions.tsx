// Sessions and what they hold.

import { useState } from "preact/hooks";
import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { link, Link, type Place } from "../core/router";
import { List } from "../parts/list";
import { Remove } from "../parts/remove";
import { Await, matches, Page, Search } from "../parts/tools";

export interface Session {
  ID: string;
  Name: string;
  Node: string;
  TTL: string;
  Behavior: string;
  LockDelay: number;
  NodeChecks: string[] | null;
  Checks?: string[] | null;
}

export function Sessions({ place }: { place: Place }) {
  return (
    <Page title="Sessions and locks">
      <p class="dim">A session that is invalidated lets go of its locks; with behavior “delete” its keys are deleted.</p>
      <SessionList place={place} />
    </Page>
  );
}

export function SessionList({ place, node }: { place: Place; node?: string }) {
  const [search, setSearch] = useState("");
  const dc = place.datacenter;
  const live = useLive<Session[]>(node === undefined ? "/v1/session/list" : `/v1/session/node/${segment(node)}`, { dc });
  return (
    <Await live={live}>
      {(all) => {
        const shown = all.filter((s) => matches(search, s.Name, s.ID, s.Node));
        return (
          <>
            <div class="tools">
              <Search label="Search by name, ID or node" value={search} onInput={setSearch} />
            </div>
            <List
              label="Sessions"
              items={shown}
              keyOf={(s) => s.ID}
              empty={all.length ? "No session fits the search." : "There are no sessions."}
              row={(s) => (
                <>
                  <span class="grow">
                    {s.Name || "(no name)"} <span class="dim">{s.ID}</span>
                  </span>
                  {node === undefined && <Link href={link(dc, ["nodes", s.Node])}>{s.Node}</Link>}
                  <span class="side">{`${s.TTL ? `TTL ${s.TTL}` : "no TTL"} · ${s.Behavior} · lock-delay ${s.LockDelay / 1e9} s`}</span>
                  <Remove
                    verb="Invalidate"
                    question={`Session ${s.Name || s.ID} ends and lets go of its locks. Its holder is not asked.`}
                    run={() => write("PUT", `/v1/session/destroy/${segment(s.ID)}`, { dc })}
                    done="The session was invalidated."
                  />
                </>
              )}
            />
          </>
        );
      }}
    </Await>
  );
}
