// One key: first to read, then to edit, always against the index that was read.

import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../core/api";
import { asHex, asText, download, fromBase64, fromText, size } from "../core/bytes";
import { guess, LARGEST, type Language } from "../core/highlight";
import { type Entry, kvPath, putIf, read, removeIf } from "../core/kv";
import { useLive } from "../core/live";
import { go, guardLeaving, link, Link, type Place } from "../core/router";
import { when } from "../core/time";
import { token } from "../core/token";
import { Code, Editor } from "../parts/code";
import { Dialog } from "../parts/dialog";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, Facts, Field, Page, Problem, Select } from "../parts/tools";
import { Conflict } from "./conflict";
import { Crumbs } from "./kv";
import { History } from "./history";

const LANGUAGES = ["text", "json", "yaml", "hcl"].map((value) => ({ value, text: value }));

function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}

export function KeyPage({ place, name }: { place: Place; name: string }) {
  const dc = place.datacenter;
  const [edits, setEdits] = useState<Entry | undefined>();
  const live = useLive<Entry[]>(pathOf(name), { dc });
  const gone = live.error instanceof ApiError && live.error.missing;
  const entry = gone ? undefined : live.data?.[0];
  return (
    <Page
      title={name.slice(parentOf(name).length) || name}
      actions={
        entry &&
        !edits && (
          <>
            <button type="button" class="primary" disabled={asText(fromBase64(entry.Value)) === undefined} onClick={() => setEdits(entry)}>
              Edit
            </button>
            <Act run={async () => download(name.split("/").pop() || "value", new Blob([fromBase64(entry.Value) as Uint8Array<ArrayBuffer>]))}>
              Download
            </Act>
            <Remove
              verb="Delete"
              question={`${name} is deleted, if nobody changed it meanwhile.`}
              run={async () => {
                if (!(await removeIf(dc, name, entry.ModifyIndex))) throw new ApiError(409, "The key was changed meanwhile. Look at it again before you delete it.");
                go(link(dc, ["kv"], { prefix: parentOf(name) }));
              }}
              done={`${name} was deleted.`}
            />
          </>
        )
      }
    >
      <Crumbs place={place} name={name} />
      {!entry && !gone && live.error !== undefined && <Problem error={live.error} />}
      {gone && <p class="empty">There is no key {name}. It may have been deleted.</p>}
      {entry && !edits && <View place={place} entry={entry} />}
      {edits && <Edit place={place} entry={edits} onDone={() => setEdits(undefined)} />}
    </Page>
  );
}

function pathOf(name: string): string | undefined {
  try {
    return kvPath(name);
  } catch {
    return undefined;
  }
}

function View({ place, entry }: { place: Place; entry: Entry }) {
  const data = fromBase64(entry.Value);
  const text = asText(data);
  const guessed = text === undefined ? "text" : guess(text, entry.Key);
  const [language, setLanguage] = useState<Language | undefined>();
  const [whole, setWhole] = useState(false);
  const long = text !== undefined && text.length > LARGEST && !whole;
  return (
    <>
      <Facts
        facts={[
          ["Size", size(data.length)],
          ["Flags", String(entry.Flags)],
          ["Index", `${entry.ModifyIndex} (created at ${entry.CreateIndex})`],
          ...(entry.Session ? ([["Locked by", <Link href={link(place.datacenter, ["sessions"])}>{entry.Session}</Link>]] as [string, preact.ComponentChildren][]) : []),
          ...(entry.ExpireTime ? ([["Expires", when(entry.ExpireTime)]] as [string, string][]) : []),
        ]}
      />
      {text === undefined ? (
        <>
          <p class="dim">This value is not text. It can be downloaded, and replaced with consul kv put.</p>
          <Code text={asHex(data)} language="text" label="Bytes of the value" />
        </>
      ) : (
        <>
          <div class="tools">
            <Select label="Shown as" value={language ?? guessed} choices={LANGUAGES} onChange={(value) => setLanguage(value as Language)} />
            {long && (
              <button type="button" onClick={() => setWhole(true)}>
                Show all {size(data.length)}
              </button>
            )}
          </div>
          <Code text={long ? `${text.slice(0, LARGEST)}\n…` : text} language={language ?? guessed} label="Value" />
        </>
      )}
      <History place={place} entry={entry} />
    </>
  );
}

function Edit({ place, entry, onDone }: { place: Place; entry: Entry; onDone: () => void }) {
  const before = asText(fromBase64(entry.Value)) ?? "";
  const [base, setBase] = useState({ text: before, index: entry.ModifyIndex });
  const [text, setText] = useState(before);
  const [flags, setFlags] = useState(String(entry.Flags));
  const [theirs, setTheirs] = useState<Entry | null | undefined>();
  useEffect(() => {
    const changed = text !== base.text;
    guardLeaving(changed ? () => confirm("Leave without saving the change?") : undefined);
    const warn = (event: BeforeUnloadEvent) => changed && event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => {
      removeEventListener("beforeunload", warn);
      guardLeaving(undefined);
    };
  }, [text, base]);
  const save = async () => {
    if (await putIf(place.datacenter, entry.Key, fromText(text), Number(flags) || 0, base.index, token())) {
      say("Saved.");
      onDone();
      return;
    }
    setTheirs((await read(place.datacenter, entry.Key)) ?? null);
  };
  const settle = (merged: string, over: Entry | null) => {
    setBase({ text: over ? (asText(fromBase64(over.Value)) ?? "") : "", index: over?.ModifyIndex ?? 0 });
    setText(merged);
    setTheirs(undefined);
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Value">{(id) => <Editor id={id} value={text} onInput={setText} rows={20} />}</Field>
      <Field label="Flags" hint="A number that applications may use as they like.">
        {(id) => <input id={id} inputMode="numeric" pattern="[0-9]*" value={flags} onInput={(event) => setFlags(event.currentTarget.value)} />}
      </Field>
      <div class="actions">
        <Act kind="primary" run={save}>
          Save
        </Act>
        <button type="button" onClick={onDone}>
          Cancel
        </button>
      </div>
      {theirs !== undefined && (
        <Dialog title="Somebody else changed this key" onClose={() => setTheirs(undefined)}>
          <Conflict base={base.text} mine={text} theirs={theirs} onSettle={settle} onBack={() => setTheirs(undefined)} />
        </Dialog>
      )}
    </form>
  );
}

export function NewKey({ place, prefix }: { place: Place; prefix: string }) {
  const dc = place.datacenter;
  const [name, setName] = useState(prefix);
  const [text, setText] = useState("");
  const create = async () => {
    if (name === "" || name === prefix) throw new ApiError(0, "Enter the name of the key.");
    const created = await putIf(dc, name, fromText(name.endsWith("/") ? "" : text), 0, 0, token());
    if (!created) throw new ApiError(409, `There is a key ${name} already. Open it to edit it.`);
    say(`${name} was created.`);
    go(link(dc, ["kv"], name.endsWith("/") ? { prefix: name } : { key: name }));
  };
  return (
    <Page title="New key">
      <Crumbs place={place} name={prefix} />
      <form onSubmit={(event) => event.preventDefault()}>
        <Field label="Key" hint="A name that ends in / makes a folder.">
          {(id) => <input id={id} value={name} autocomplete="off" spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        {!name.endsWith("/") && <Field label="Value">{(id) => <Editor id={id} value={text} onInput={setText} />}</Field>}
        <div class="actions">
          <Act kind="primary" run={create}>
            Create
          </Act>
          <Link class="button" href={link(dc, ["kv"], { prefix })}>
            Cancel
          </Link>
        </div>
      </form>
    </Page>
  );
}
