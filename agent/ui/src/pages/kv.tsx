// Folders of keys.

import { useState } from "preact/hooks";
import { ApiError, messageOf } from "../core/api";
import { download } from "../core/bytes";
import { exportTree, importAll, kvPath, parseExport, removeTree } from "../core/kv";
import { useLive } from "../core/live";
import { go, link, Link, type Place } from "../core/router";
import { List } from "../parts/list";
import { say } from "../parts/notes";
import { Remove } from "../parts/remove";
import { Act, matches, Page, Problem, Search } from "../parts/tools";
import { KeyPage, NewKey } from "./key";

export function Kv({ place }: { place: Place }) {
  const key = place.query.get("key");
  const prefix = place.query.get("prefix") ?? "";
  if (place.query.has("new")) return <NewKey place={place} prefix={prefix} />;
  return key === null ? <Folder key={prefix} place={place} prefix={prefix} /> : <KeyPage key={key} place={place} name={key} />;
}

/** The way from the top to a key or folder. */
export function Crumbs({ place, name }: { place: Place; name: string }) {
  const parts = name.split("/");
  const leaf = parts.pop() ?? "";
  let prefix = "";
  return (
    <nav class="crumbs" aria-label="Folders">
      <Link href={link(place.datacenter, ["kv"])}>Keys</Link>
      {parts.map((part, i) => {
        prefix += `${part}/`;
        return (
          <span key={i}>
            / <Link href={link(place.datacenter, ["kv"], { prefix })}>{part || "(empty)"}</Link>
          </span>
        );
      })}
      {leaf && <span>/ {leaf}</span>}
    </nav>
  );
}

function pathOf(prefix: string): { path?: string; error?: unknown } {
  try {
    return { path: kvPath(prefix) };
  } catch (error) {
    return { error };
  }
}

function Folder({ place, prefix }: { place: Place; prefix: string }) {
  const dc = place.datacenter;
  const [search, setSearch] = useState("");
  const { path, error } = pathOf(prefix);
  const live = useLive<string[]>(path, { dc, keys: true, separator: "/" });
  const nothing = live.error instanceof ApiError && live.error.missing;
  const failed = error ?? (nothing ? undefined : live.error);
  const names = nothing ? [] : (live.data ?? []).filter((name) => name !== prefix);
  const shown = names.filter((name) => matches(search, name.slice(prefix.length)));
  const waits = !nothing && live.data === undefined && failed === undefined;
  const exportAll = async () => {
    const text = JSON.stringify(await exportTree(dc, prefix), null, 2);
    download(`${prefix.replaceAll("/", "-") || "keys"}.json`, new Blob([text], { type: "application/json" }));
  };
  return (
    <Page
      title="Key/value"
      actions={
        <>
          <Link class="button primary" href={link(dc, ["kv"], { prefix, new: "" })}>
            Create
          </Link>
          <Import dc={dc} />
          <Act run={exportAll}>Export</Act>
          {prefix && (
            <Remove
              verb="Delete folder"
              question={`Everything below ${prefix} is deleted.`}
              run={async () => {
                await removeTree(dc, prefix);
                go(link(dc, ["kv"]));
              }}
              done={`${prefix} was deleted.`}
            />
          )}
        </>
      }
    >
      <Crumbs place={place} name={prefix} />
      {failed !== undefined && <Problem error={failed} />}
      {waits && <p class="waiting">Loading…</p>}
      {!waits && failed === undefined && (
        <>
          <div class="tools">
            <Search label="Search in this folder" value={search} onInput={setSearch} />
          </div>
          <p class="count" role="status">{`${shown.length} of ${names.length}`}</p>
          <List
            label="Keys"
            items={shown}
            keyOf={(name) => name}
            height={44}
            empty={names.length ? "Nothing fits the search." : "There are no keys here."}
            row={(name) => {
              const isFolder = name.endsWith("/");
              return (
                <>
                  <Link href={link(dc, ["kv"], isFolder ? { prefix: name } : { key: name })}>{name.slice(prefix.length)}</Link>
                  <span class="side">{isFolder ? "folder" : ""}</span>
                </>
              );
            }}
          />
        </>
      )}
    </Page>
  );
}

function Import({ dc }: { dc: string }) {
  const [progress, setProgress] = useState("");
  const take = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    try {
      const entries = parseExport(await file.text());
      await importAll(dc, entries, (done) => setProgress(`${done} of ${entries.length}`));
      say(`${entries.length} keys were imported.`);
    } catch (error) {
      say(messageOf(error), true);
    } finally {
      setProgress("");
      input.value = "";
    }
  };
  return (
    <label class="button">
      {progress || "Import"}
      <input type="file" accept="application/json,.json" hidden onChange={(event) => void take(event.currentTarget)} />
    </label>
  );
}
