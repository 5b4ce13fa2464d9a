// Who may call whom.

import { useState } from "preact/hooks";
import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, Link, type Place } from "../core/router";
import { List } from "../parts/list";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Await, Field, matches, Page, Search, Select } from "../parts/tools";

export interface Intention {
  ID: string;
  SourceName: string;
  DestinationName: string;
  Action: string;
  Description: string;
  Precedence: number;
}

const ACTIONS = [
  { value: "allow", text: "allow" },
  { value: "deny", text: "deny" },
];

export function Intentions({ place }: { place: Place }) {
  const dc = place.datacenter;
  const [search, setSearch] = useState("");
  const live = useLive<Intention[]>("/v1/connect/intentions", { dc });
  return (
    <Page
      title="Intentions"
      actions={
        <Link class="button primary" href={link(dc, ["intentions", "new"])}>
          Create
        </Link>
      }
    >
      <Await live={live}>
        {(all) => {
          const shown = all.filter((i) => matches(search, i.SourceName, i.DestinationName, i.Action, i.Description));
          return (
            <>
              <div class="tools">
                <Search label="Search by service or description" value={search} onInput={setSearch} />
              </div>
              <List
                label="Intentions"
                items={shown}
                keyOf={(i) => i.ID}
                empty={all.length ? "No intention fits the search." : "There are no intentions; the default policy decides."}
                row={(i) => (
                  <>
                    <Link href={link(dc, ["intentions", i.ID])}>{`${i.SourceName} → ${i.DestinationName}`}</Link>
                    <span class="side">{i.Description}</span>
                    <span class={`health ${i.Action === "allow" ? "passing" : "critical"}`}>{i.Action}</span>
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

export function IntentionPage({ place, id }: { place: Place; id: string }) {
  const isNew = id === "new";
  const live = useLive<Intention>(isNew ? undefined : `/v1/connect/intentions/${segment(id)}`, { dc: place.datacenter });
  const empty: Intention = { ID: "", SourceName: "", DestinationName: "", Action: "allow", Description: "", Precedence: 0 };
  return (
    <Page title={isNew ? "New intention" : "Intention"}>
      <Await live={isNew ? { data: empty } : live}>{(found) => <Form key={found.ID} place={place} found={found} />}</Await>
    </Page>
  );
}

function Form({ place, found }: { place: Place; found: Intention }) {
  const dc = place.datacenter;
  const [value, setValue] = useState(found);
  const set = (change: Partial<Intention>) => setValue({ ...value, ...change });
  const save = async () => {
    const body = { SourceName: value.SourceName, DestinationName: value.DestinationName, SourceType: "consul", Action: value.Action, Description: value.Description };
    if (found.ID) await write("PUT", `/v1/connect/intentions/${segment(found.ID)}`, { dc }, body);
    else await write("POST", "/v1/connect/intentions", { dc }, body);
    say("The intention was saved.");
    go(link(dc, ["intentions"]));
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Source" hint="A service, or * for all.">
        {(id) => <input id={id} value={value.SourceName} onInput={(event) => set({ SourceName: event.currentTarget.value })} />}
      </Field>
      <Field label="Destination" hint="A service, or * for all.">
        {(id) => <input id={id} value={value.DestinationName} onInput={(event) => set({ DestinationName: event.currentTarget.value })} />}
      </Field>
      <Select label="Action" value={value.Action} choices={ACTIONS} onChange={(Action) => set({ Action })} />
      <Field label="Description">
        {(id) => <input id={id} value={value.Description} onInput={(event) => set({ Description: event.currentTarget.value })} />}
      </Field>
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        {found.ID && (
          <Remove
            verb="Delete"
            question={`The intention ${found.SourceName} → ${found.DestinationName} is deleted.`}
            run={async () => {
              await write("DELETE", `/v1/connect/intentions/${segment(found.ID)}`, { dc });
              go(link(dc, ["intentions"]));
            }}
            done="The intention was deleted."
          />
        )}
      </div>
    </form>
  );
}
