// A list of any length: only the rows in view are in the page.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props<T> {
  label: string;
  items: T[];
  keyOf: (item: T) => string;
  row: (item: T) => ComponentChildren;
  empty: ComponentChildren;
  /** Height of a row in pixels; all rows are equal. */
  height?: number;
}

const SPARE = 8;

/** Arrow keys, Home and End move between the first links of rows. */
export function List<T>({ label, items, keyOf, row, empty, height = 60 }: Props<T>) {
  const box = useRef<HTMLUListElement>(null);
  const [view, setView] = useState({ first: 0, count: 40 });
  const wanted = useRef<number | undefined>(undefined);

  useEffect(() => {
    const measure = () => {
      if (!box.current) return;
      const above = -box.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(above / height) - SPARE);
      const count = Math.ceil(innerHeight / height) + 2 * SPARE;
      setView((old) => (old.first === first && old.count === count ? old : { first, count }));
    };
    measure();
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [height]);

  const focus = (at: number) => {
    const link = box.current?.querySelector<HTMLElement>(`[data-at="${at}"] a`);
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
    return link !== null && link !== undefined;
  };
  useLayoutEffect(() => {
    if (wanted.current !== undefined && focus(wanted.current)) wanted.current = undefined;
  });

  const move = (event: KeyboardEvent) => {
    const current = (event.target as HTMLElement).closest<HTMLElement>("[data-at]")?.dataset["at"];
    if (current === undefined) return;
    const steps: Record<string, number> = { ArrowDown: Number(current) + 1, ArrowUp: Number(current) - 1, Home: 0, End: items.length - 1 };
    const next = steps[event.key];
    if (next === undefined || next < 0 || next >= items.length) return;
    event.preventDefault();
    if (focus(next)) return;
    wanted.current = next;
    const top = (box.current?.getBoundingClientRect().top ?? 0) + scrollY;
    scrollTo(0, top + next * height - innerHeight / 2);
  };

  if (items.length === 0) return <div class="empty">{empty}</div>;
  const first = Math.min(view.first, Math.max(0, items.length - view.count));
  const shown = items.slice(first, first + view.count);
  return (
    <ul class="list" aria-label={label} ref={box} onKeyDown={move} style={{ height: `${items.length * height}px` }}>
      {shown.map((item, i) => (
        <li
          key={keyOf(item)}
          data-at={first + i}
          aria-setsize={items.length}
          aria-posinset={first + i + 1}
          style={{ transform: `translateY(${(first + i) * height}px)`, height: `${height}px` }}
        >
          {row(item)}
        </li>
      ))}
    </ul>
  );
}
