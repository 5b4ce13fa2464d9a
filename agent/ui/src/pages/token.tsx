// One token. Its secret is shown only when asked for.

import { useState } from "preact/hooks";
import { segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, type Place } from "../core/router";
import { when } from "../core/time";
import { setToken } from "../core/token";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Await, Facts, Field, Page } from "../parts/tools";
import type { Named, Policy, Role, Token } from "./access";
import { Identities, nodeIdentities, nodeText, Pick, serviceIdentities, serviceText } from "./grants";

const EMPTY: Token = { AccessorID: "", Description: "", Local: false, CreateTime: "" };

export function TokenPage({ place, id }: { place: Place; id: string }) {
  const isNew = id === "new";
  const live = useLive<Token>(isNew ? undefined : `/v1/acl/token/${segment(id)}`, { dc: place.datacenter });
  return (
    <Page title={isNew ? "New token" : "Token"}>
      <Await live={isNew ? { data: EMPTY } : live}>{(found) => <Form key={found.AccessorID} place={place} found={found} />}</Await>
    </Page>
  );
}

function Form({ place, found }: { place: Place; found: Token }) {
  const dc = place.datacenter;
  const [description, setDescription] = useState(found.Description);
  const [policies, setPolicies] = useState<Named[]>(found.Policies ?? []);
  const [roles, setRoles] = useState<Named[]>(found.Roles ?? []);
  const [services, setServices] = useState(serviceText(found.ServiceIdentities));
  const [nodes, setNodes] = useState(nodeText(found.NodeIdentities));
  const [local, setLocal] = useState(found.Local);
  const [ttl, setTtl] = useState("");
  const allPolicies = useLive<Policy[]>("/v1/acl/policies", { dc });
  const allRoles = useLive<Role[]>("/v1/acl/roles", { dc });
  const save = async () => {
    const body = {
      ...(found.AccessorID ? { AccessorID: found.AccessorID } : { Local: local }),
      Description: description,
      Policies: policies.map(({ ID }) => ({ ID })),
      Roles: roles.map(({ ID }) => ({ ID })),
      ServiceIdentities: serviceIdentities(services),
      NodeIdentities: nodeIdentities(nodes, dc),
      ...(ttl && !found.AccessorID ? { ExpirationTTL: ttl } : {}),
    };
    const path = found.AccessorID ? `/v1/acl/token/${segment(found.AccessorID)}` : "/v1/acl/token";
    const saved = await write<Token>("PUT", path, { dc }, body);
    say("The token was saved.");
    go(link(dc, ["acls", "tokens", saved.AccessorID]));
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      {found.AccessorID && (
        <Facts
          facts={[
            ["Accessor ID", found.AccessorID],
            ["Secret ID", <Secret secret={found.SecretID ?? ""} />],
            ["Made", when(found.CreateTime)],
            ["Ends", found.ExpirationTime ? when(found.ExpirationTime) : "never"],
            ["Valid in", found.Local ? "this datacenter" : "all datacenters"],
          ]}
        />
      )}
      <Field label="Description">{(id) => <input id={id} value={description} onInput={(event) => setDescription(event.currentTarget.value)} />}</Field>
      <Pick label="Policies" all={allPolicies.data ?? []} chosen={policies} onChange={setPolicies} />
      <Pick label="Roles" all={allRoles.data ?? []} chosen={roles} onChange={setRoles} />
      <Identities services={services} nodes={nodes} onServices={setServices} onNodes={setNodes} />
      {!found.AccessorID && (
        <>
          <label class="inline">
            <input type="checkbox" checked={local} onChange={() => setLocal(!local)} />
            Only in this datacenter
          </label>
          <Field label="Ends after" hint="For example 8h. Empty: never.">
            {(id) => <input id={id} value={ttl} onInput={(event) => setTtl(event.currentTarget.value)} />}
          </Field>
        </>
      )}
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        {found.AccessorID && <Known place={place} found={found} />}
      </div>
    </form>
  );
}

function Known({ place, found }: { place: Place; found: Token }) {
  const dc = place.datacenter;
  return (
    <>
      <Act
        run={async () => {
          const copy = await write<Token>("PUT", `/v1/acl/token/${segment(found.AccessorID)}/clone`, { dc }, { Description: `${found.Description} (copy)` });
          go(link(dc, ["acls", "tokens", copy.AccessorID]));
        }}
        done="This is the copy."
      >
        Copy
      </Act>
      {found.SecretID && (
        <Act run={async () => setToken(found.SecretID ?? "")} done="This page uses the token now.">
          Use here
        </Act>
      )}
      <Remove
        verb="Delete"
        question="Whoever uses this token loses its rights at once."
        run={async () => {
          await write("DELETE", `/v1/acl/token/${segment(found.AccessorID)}`, { dc });
          go(link(dc, ["acls", "tokens"]));
        }}
        done="The token was deleted."
      />
    </>
  );
}

function Secret({ secret }: { secret: string }) {
  const [shown, setShown] = useState(false);
  if (!secret) return <>hidden</>;
  return (
    <>
      {shown ? <code>{secret}</code> : "••••••••"}{" "}
      <button type="button" onClick={() => setShown(!shown)}>
        {shown ? "Hide" : "Show"}
      </button>
    </>
  );
}
