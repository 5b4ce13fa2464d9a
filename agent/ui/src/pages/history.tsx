// What a key held before, where the servers keep it, and the way back to it.

import { useState } from "preact/hooks";
import { ApiError } from "../core/api";
import { asText, fromBase64, size } from "../core/bytes";
import { type Entry, kvPath, putIf } from "../core/kv";
import { useLive } from "../core/live";
import type { Place } from "../core/router";
import { when } from "../core/time";
import { token } from "../core/token";
import { Act } from "../parts/tools";
import { Changes } from "./conflict";

interface Version extends Entry {
  Deleted?: boolean;
}

export function History({ place, entry }: { place: Place; entry: Entry }) {
  const live = useLive<Version[]>(kvPath(entry.Key), { dc: place.datacenter, history: true });
  const past = (live.data ?? []).filter((version) => version.ModifyIndex !== entry.ModifyIndex);
  return (
    <section>
      <h2>Past versions</h2>
      {past.length === 0 && (
        <p class="dim">
          None is known. Servers keep them with <code>limits.kv_history_versions</code>.
        </p>
      )}
      <ul class="checks">
        {past.map((version) => (
          <Past key={version.ModifyIndex} place={place} now={entry} version={version} />
        ))}
      </ul>
    </section>
  );
}

function Past({ place, now, version }: { place: Place; now: Entry; version: Version }) {
  const [open, setOpen] = useState(false);
  const data = fromBase64(version.Value);
  const text = asText(data);
  const current = asText(fromBase64(now.Value));
  const bringBack = async () => {
    const done = await putIf(place.datacenter, now.Key, data, version.Flags, now.ModifyIndex, token());
    if (!done) throw new ApiError(409, "The key was changed meanwhile. Look at it again.");
  };
  return (
    <li>
      <div class="row">
        <strong>{`Index ${version.ModifyIndex}`}</strong>
        <span class="dim">
          {version.Deleted ? "deleted" : size(data.length)}
          {version.ModifyTime ? ` · ${when(version.ModifyTime)}` : ""}
        </span>
        {!version.Deleted && text !== undefined && current !== undefined && (
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide" : "Compare with now"}
          </button>
        )}
        {!version.Deleted && (
          <Act run={bringBack} done="The key holds this version again.">
            Bring back
          </Act>
        )}
      </div>
      {open && <Changes before={text ?? ""} after={current ?? ""} />}
    </li>
  );
}
