// Addresses of the page: `<base><datacenter>/<page>/<segments>?<query>`.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { settings } from "./settings";

export interface Place {
  datacenter: string;
  /** The decoded segments below the datacenter. */
  path: string[];
  query: URLSearchParams;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads an address of the browser. */
export function place(url: URL): Place {
  const rest = url.pathname.startsWith(settings.base) ? url.pathname.slice(settings.base.length) : "";
  const segments = rest.split("/").filter((part) => part !== "");
  const [datacenter, ...path] = segments.map(decode);
  return { datacenter: datacenter ?? settings.datacenter, path, query: url.searchParams };
}

/** The address of a place. A `.` alone or twice would be taken for a folder by the browser, so such names go into the query. */
export function link(datacenter: string, path: string[], query: Record<string, string | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  const tail = search.toString();
  return settings.base + [datacenter, ...path].map(encodeURIComponent).join("/") + (tail ? `?${tail}` : "");
}

const MOVED = "concord:moved";
let guard: (() => boolean) | undefined;

/** Asks `mayLeave` before the page is left, while a form has unsaved text. */
export function guardLeaving(mayLeave: (() => boolean) | undefined): void {
  guard = mayLeave;
}

export function go(href: string, replace = false): void {
  if (guard && !guard()) return;
  guard = undefined;
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  dispatchEvent(new Event(MOVED));
  if (!replace) scrollTo(0, 0);
}

/** The place that is shown, following the browser. */
export function usePlace(): Place {
  const [href, setHref] = useState(location.href);
  useEffect(() => {
    const follow = () => setHref(location.href);
    addEventListener("popstate", follow);
    addEventListener(MOVED, follow);
    return () => {
      removeEventListener("popstate", follow);
      removeEventListener(MOVED, follow);
    };
  }, []);
  return place(new URL(href));
}

interface LinkProps {
  href: string;
  class?: string;
  "aria-current"?: "page" | undefined;
  children?: ComponentChildren;
}

/** A link inside the page, which does not load it anew. */
export function Link({ href, children, ...rest }: LinkProps) {
  const click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(href);
  };
  return (
    <a href={href} onClick={click} {...rest}>
      {children}
    </a>
  );
}
