// Small parts that every page has.

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { ApiError, messageOf } from "../core/api";
import { say } from "./notes";

export function Page({ title, actions, children }: { title: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>{title}</h1>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

export function Problem({ error, children }: { error: unknown; children?: ComponentChildren }) {
  const denied = error instanceof ApiError && error.denied;
  return (
    <div class="problem" role="alert">
      <strong>{denied ? "Your token does not allow this." : "This cannot be shown now."}</strong>
      <p>{messageOf(error)}</p>
      {denied && <p>Choose “Token” above and enter one with the rights that are needed.</p>}
      {children}
    </div>
  );
}

/** Data, or why there is none, or that it is on its way. Old data stays with a note when newer cannot be had. */
export function Await<T>({ live, children }: { live: { data?: T; error?: unknown }; children: (data: T) => ComponentChildren }) {
  if (live.data === undefined) return live.error === undefined ? <p class="waiting">Loading…</p> : <Problem error={live.error} />;
  return (
    <>
      {live.error !== undefined && (
        <div class="stale" role="status">
          Not up to date: {messageOf(live.error)} Trying again.
        </div>
      )}
      {children(live.data)}
    </>
  );
}

export function Search({ value, onInput, label }: { value: string; onInput: (text: string) => void; label: string }) {
  return (
    <input
      class="search"
      type="search"
      placeholder={label}
      aria-label={label}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

export interface Choice {
  value: string;
  text: string;
}

export function Select({ label, value, choices, onChange }: { label: string; value: string; choices: Choice[]; onChange: (value: string) => void }) {
  return (
    <label class="select">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: (id: string) => ComponentChildren }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id)}
      {hint && <small>{hint}</small>}
    </div>
  );
}

/** A button for a write: cannot be pressed twice, tells how it went. */
export function Act({
  run,
  done,
  children,
  kind = "",
  disabled = false,
}: {
  run: () => Promise<unknown>;
  done?: string;
  children: ComponentChildren;
  kind?: "" | "primary" | "danger";
  disabled?: boolean;
}) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    try {
      const kept = (await run()) === false;
      if (done && !kept) say(done);
    } catch (error) {
      say(messageOf(error), true);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" class={kind} disabled={busy || disabled} aria-busy={busy} onClick={() => void press()}>
      {children}
    </button>
  );
}

export function Tags({ tags }: { tags: string[] | null | undefined }) {
  if (!tags?.length) return null;
  return (
    <span class="tags">
      {tags.map((tag) => (
        <span class="tag" key={tag}>
          {tag}
        </span>
      ))}
    </span>
  );
}

/** Names and values side by side. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === "" || value === undefined ? "—" : value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Meta({ meta, title }: { meta: Record<string, string> | null | undefined; title: string }) {
  const rows = Object.entries(meta ?? {});
  if (!rows.length) return null;
  return (
    <section>
      <h2>{title}</h2>
      <Facts facts={rows} />
    </section>
  );
}

/** Does a text hold every word of a search? */
export function matches(search: string, ...texts: (string | undefined)[]): boolean {
  const all = texts.join(" ").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
