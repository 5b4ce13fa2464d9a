// One role.

import { useState } from "preact/hooks";
import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, type Place } from "../core/router";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Await, Field, Page } from "../parts/tools";
import type { Named, Policy, Role } from "./access";
import { Identities, nodeIdentities, nodeText, Pick, serviceIdentities, serviceText } from "./grants";

const EMPTY: Role = { ID: "", Name: "", Description: "" };

export function RolePage({ place, id }: { place: Place; id: string }) {
  const isNew = id === "new";
  const live = useLive<Role>(isNew ? undefined : `/v1/acl/role/${segment(id)}`, { dc: place.datacenter });
  return (
    <Page title={isNew ? "New role" : "Role"}>
      <Await live={isNew ? { data: EMPTY } : live}>{(found) => <Form key={found.ID} place={place} found={found} />}</Await>
    </Page>
  );
}

function Form({ place, found }: { place: Place; found: Role }) {
  const dc = place.datacenter;
  const [name, setName] = useState(found.Name);
  const [description, setDescription] = useState(found.Description);
  const [policies, setPolicies] = useState<Named[]>(found.Policies ?? []);
  const [services, setServices] = useState(serviceText(found.ServiceIdentities));
  const [nodes, setNodes] = useState(nodeText(found.NodeIdentities));
  const all = useLive<Policy[]>("/v1/acl/policies", { dc });
  const save = async () => {
    const body = {
      ...(found.ID ? { ID: found.ID } : {}),
      Name: name,
      Description: description,
      Policies: policies.map(({ ID }) => ({ ID })),
      ServiceIdentities: serviceIdentities(services),
      NodeIdentities: nodeIdentities(nodes, dc),
    };
    await write("PUT", found.ID ? `/v1/acl/role/${segment(found.ID)}` : "/v1/acl/role", { dc }, body);
    say("The role was saved.");
    go(link(dc, ["acls", "roles"]));
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Name">{(id) => <input id={id} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
      <Field label="Description">{(id) => <input id={id} value={description} onInput={(event) => setDescription(event.currentTarget.value)} />}</Field>
      <Pick label="Policies" all={all.data ?? []} chosen={policies} onChange={setPolicies} />
      <Identities services={services} nodes={nodes} onServices={setServices} onNodes={setNodes} />
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        {found.ID && (
          <Remove
            verb="Delete"
            question={`Every token with the role ${found.Name} loses its rights.`}
            run={async () => {
              await write("DELETE", `/v1/acl/role/${segment(found.ID)}`, { dc });
              go(link(dc, ["acls", "roles"]));
            }}
            done="The role was deleted."
          />
        )}
      </div>
    </form>
  );
}
