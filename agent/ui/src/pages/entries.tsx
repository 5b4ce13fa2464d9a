// Config entries: read, write as JSON with a compare, delete.

import { useState } from "preact/hooks";
import { ApiError, segment, write } from "../core/api";
import { useLive } from "../core/live";
import { go, link, Link, type Place } from "../core/router";
import { Editor } from "../parts/code";
import { List } from "../parts/list";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Await, Field, Page, Select } from "../parts/tools";

interface ConfigEntry {
  Kind: string;
  Name: string;
  CreateIndex?: number;
  ModifyIndex?: number;
}

const KINDS = ["service-defaults", "service-resolver", "service-router", "service-splitter", "proxy-defaults", "ingress-gateway", "terminating-gateway"];
const CHOICES = KINDS.map((value) => ({ value, text: value }));

export function Entries({ place }: { place: Place }) {
  const dc = place.datacenter;
  const kind = place.query.get("kind") ?? "service-defaults";
  const live = useLive<ConfigEntry[]>(`/v1/config/${segment(kind)}`, { dc });
  return (
    <Page
      title="Config entries"
      actions={
        <Link class="button primary" href={link(dc, ["config", kind, ""], { new: "" })}>
          Create
        </Link>
      }
    >
      <div class="tools">
        <Select label="Kind" value={kind} choices={CHOICES} onChange={(next) => go(link(dc, ["config"], { kind: next }))} />
      </div>
      <Await live={live}>
        {(all) => (
          <List
            label="Config entries"
            items={all}
            keyOf={(e) => e.Name}
            empty={`There is no ${kind}.`}
            row={(e) => (
              <>
                <Link href={link(dc, ["config", kind, e.Name])}>{e.Name}</Link>
                <span class="side">{`index ${e.ModifyIndex}`}</span>
              </>
            )}
          />
        )}
      </Await>
    </Page>
  );
}

export function EntryPage({ place, kind, name }: { place: Place; kind: string; name: string | undefined }) {
  const live = useLive<ConfigEntry>(name === undefined ? undefined : `/v1/config/${segment(kind)}/${segment(name)}`, { dc: place.datacenter });
  const start: ConfigEntry = { Kind: kind, Name: kind === "proxy-defaults" ? "global" : "" };
  return (
    <Page title={name ?? `New ${kind}`}>
      <Await live={name === undefined ? { data: start } : live}>
        {(found) => <Form key={found.Name} place={place} found={found} isNew={name === undefined} />}
      </Await>
    </Page>
  );
}

function Form({ place, found, isNew }: { place: Place; found: ConfigEntry; isNew: boolean }) {
  const dc = place.datacenter;
  const { CreateIndex: _, ModifyIndex: index, ...content } = found;
  const [text, setText] = useState(JSON.stringify(content, null, 2));
  const save = async () => {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      throw new ApiError(0, `This is not JSON: ${(error as Error).message}`);
    }
    const written = await write<boolean>("PUT", "/v1/config", { dc, cas: isNew ? 0 : (index ?? 0) }, body);
    if (!written) throw new ApiError(409, "The entry was changed meanwhile. Open it again and repeat your change.");
    say("The entry was saved.");
    go(link(dc, ["config"], { kind: found.Kind }));
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Entry as JSON">{(id) => <Editor id={id} value={text} onInput={setText} rows={22} />}</Field>
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        {!isNew && (
          <Remove
            verb="Delete"
            question={`${found.Kind} ${found.Name} is deleted.`}
            run={async () => {
              await write("DELETE", `/v1/config/${segment(found.Kind)}/${segment(found.Name)}`, { dc });
              go(link(dc, ["config"], { kind: found.Kind }));
            }}
            done="The entry was deleted."
          />
        )}
      </div>
    </form>
  );
}
