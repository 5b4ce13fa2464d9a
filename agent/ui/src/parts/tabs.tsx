// Sections of a page, chosen in the address so that they can be linked.

import type { ComponentChildren } from "preact";
import { link, Link, type Place } from "../core/router";

export interface Tab {
  name: string;
  title: string;
  show: () => ComponentChildren;
}

export function Tabs({ place, tabs }: { place: Place; tabs: Tab[] }) {
  const name = place.query.get("tab");
  const current = tabs.find((tab) => tab.name === name) ?? tabs[0];
  return (
    <>
      <nav class="tabs" aria-label="Sections">
        {tabs.map((tab) => (
          <Link
            key={tab.name}
            href={link(place.datacenter, place.path, { ...Object.fromEntries(place.query), tab: tab.name })}
            aria-current={tab === current ? "page" : undefined}
          >
            {tab.title}
          </Link>
        ))}
      </nav>
      {current?.show()}
    </>
  );
}
