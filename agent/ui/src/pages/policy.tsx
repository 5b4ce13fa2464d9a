// One policy and its rules.

import { useState } from "preact/hooks";
import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, type Place } from "../core/router";
import { Editor } from "../parts/code";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Await, Field, Page } from "../parts/tools";
import type { Policy } from "./access";

const EMPTY: Policy = { ID: "", Name: "", Description: "", Rules: "" };
const MANAGEMENT = "00000000-0000-0000-0000-000000000001";

export function PolicyPage({ place, id }: { place: Place; id: string }) {
  const isNew = id === "new";
  const live = useLive<Policy>(isNew ? undefined : `/v1/acl/policy/${segment(id)}`, { dc: place.datacenter });
  return (
    <Page title={isNew ? "New policy" : "Policy"}>
      <Await live={isNew ? { data: EMPTY } : live}>{(found) => <Form key={found.ID} place={place} found={found} />}</Await>
    </Page>
  );
}

function Form({ place, found }: { place: Place; found: Policy }) {
  const dc = place.datacenter;
  const [value, setValue] = useState(found);
  const set = (change: Partial<Policy>) => setValue({ ...value, ...change });
  const save = async () => {
    const path = found.ID ? `/v1/acl/policy/${segment(found.ID)}` : "/v1/acl/policy";
    const { Name, Description, Rules, Datacenters } = value;
    await write("PUT", path, { dc }, { ...(found.ID ? { ID: found.ID } : {}), Name, Description, Rules, Datacenters });
    say("The policy was saved.");
    go(link(dc, ["acls", "policies"]));
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Name" hint="Letters, digits, - and _.">
        {(id) => <input id={id} value={value.Name} onInput={(event) => set({ Name: event.currentTarget.value })} />}
      </Field>
      <Field label="Description">
        {(id) => <input id={id} value={value.Description} onInput={(event) => set({ Description: event.currentTarget.value })} />}
      </Field>
      <Field label="Rules" hint='For example: key_prefix "app/" { policy = "write" }'>
        {(id) => <Editor id={id} value={value.Rules} onInput={(Rules) => set({ Rules })} />}
      </Field>
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        {found.ID && found.ID !== MANAGEMENT && (
          <Remove
            verb="Delete"
            question={`Every token and role with the policy ${found.Name} loses its rights.`}
            run={async () => {
              await write("DELETE", `/v1/acl/policy/${segment(found.ID)}`, { dc });
              go(link(dc, ["acls", "policies"]));
            }}
            done="The policy was deleted."
          />
        )}
      </div>
    </form>
  );
}
