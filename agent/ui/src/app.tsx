// The frame: datacenter, pages, token, theme.

import { useEffect, useRef, useState } from "preact/hooks";
import { useLive } from "./core/live";
import { go, link, Link, type Place, usePlace } from "./core/router";
import { settings } from "./core/settings";
import { Notes } from "./parts/notes";
import { Select } from "./parts/tools";
import { Access } from "./pages/access";
import { Cluster } from "./pages/cluster";
import { Entries, EntryPage } from "./pages/entries";
import { InstancePage } from "./pages/instance";
import { IntentionPage, Intentions } from "./pages/intentions";
import { Kv } from "./pages/kv";
import { NodePage } from "./pages/node";
import { Nodes } from "./pages/nodes";
import { PolicyPage } from "./pages/policy";
import { RolePage } from "./pages/role";
import { Service } from "./pages/service";
import { Services } from "./pages/services";
import { Sessions } from "./pages/sessions";
import { SignIn } from "./pages/sign-in";
import { TokenPage } from "./pages/token";

const PAGES = [
  ["services", "Services"],
  ["nodes", "Nodes"],
  ["kv", "Key/value"],
  ["sessions", "Sessions"],
  ["intentions", "Intentions"],
  ["config", "Config"],
  ["acls", "Access"],
  ["cluster", "Cluster"],
] as const;

function Shown({ place }: { place: Place }) {
  const [page, a, b, c] = place.path;
  switch (page) {
    case undefined:
    case "services":
      if (a !== undefined && b !== undefined && c !== undefined) return <InstancePage place={place} name={a} node={b} id={c} />;
      return a === undefined ? <Services place={place} /> : <Service key={a} place={place} name={a} />;
    case "nodes":
      return a === undefined ? <Nodes place={place} /> : <NodePage key={a} place={place} name={a} />;
    case "kv":
      return <Kv place={place} />;
    case "sessions":
      return <Sessions place={place} />;
    case "intentions":
      return a === undefined ? <Intentions place={place} /> : <IntentionPage key={a} place={place} id={a} />;
    case "config":
      return a === undefined ? <Entries place={place} /> : <EntryPage key={`${a}/${b}`} place={place} kind={a} name={b} />;
    case "acls":
      if (a === "tokens" && b !== undefined) return <TokenPage key={b} place={place} id={b} />;
      if (a === "policies" && b !== undefined) return <PolicyPage key={b} place={place} id={b} />;
      if (a === "roles" && b !== undefined) return <RolePage key={b} place={place} id={b} />;
      return <Access place={place} />;
    case "cluster":
      return <Cluster place={place} />;
    default:
      return (
        <p class="empty">
          There is no such page. <Link href={link(place.datacenter, ["services"])}>See the services</Link>
        </p>
      );
  }
}

export function App() {
  const place = usePlace();
  const main = useRef<HTMLElement>(null);
  const where = place.path.join("/") || "services";
  useEffect(() => {
    document.title = `${[...place.path].reverse().join(" · ") || "services"} – Concord`;
    // A new page is read from its beginning by screen readers; the first one as the browser does it.
    if (document.activeElement !== document.body) main.current?.focus({ preventScroll: true });
  }, [where, place.datacenter]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Go to the content
      </a>
      <header class="top">
        <Link class="name" href={link(place.datacenter, ["services"])}>
          Concord
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(([name, title]) => (
            <Link key={name} href={link(place.datacenter, [name])} aria-current={(place.path[0] ?? "services") === name ? "page" : undefined}>
              {title}
            </Link>
          ))}
        </nav>
        <Datacenters place={place} />
        <Theme />
        {settings.acls && <SignIn place={place} />}
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Shown place={place} />
      </main>
      <footer>{`Concord ${settings.version}`}</footer>
      <Notes />
    </>
  );
}

function Datacenters({ place }: { place: Place }) {
  const live = useLive<string[]>("/v1/catalog/datacenters", {}, 30_000);
  const names = [...new Set([place.datacenter, ...(live.data ?? [])])];
  const choices = names.map((value) => ({ value, text: value }));
  return <Select label="Datacenter" value={place.datacenter} choices={choices} onChange={(dc) => go(link(dc, place.path.slice(0, 1)))} />;
}

const THEMES = [
  { value: "", text: "as the system" },
  { value: "light", text: "light" },
  { value: "dark", text: "dark" },
];
const KEY = "concord:theme";

function stored(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function Theme() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme) document.documentElement.dataset["theme"] = theme;
    else delete document.documentElement.dataset["theme"];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  }, [theme]);
  return <Select label="Theme" value={theme} choices={THEMES} onChange={setTheme} />;
}
