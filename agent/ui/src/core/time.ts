// Times for people.

const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function when(text: string | undefined): string {
  const date = text ? new Date(text) : undefined;
  return date && !Number.isNaN(date.getTime()) && date.getFullYear() > 1 ? FORMAT.format(date) : "—";
}

/** `3 days`, `2 hours`: the largest unit that fits. */
export function span(milliseconds: number): string {
  const units: [string, number][] = [
    ["year", 31_557_600_000],
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1000],
  ];
  for (const [name, length] of units) {
    const count = Math.floor(Math.abs(milliseconds) / length);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"}`;
  }
  return "less than a second";
}

/** Nanoseconds as the API has durations. */
export function duration(nanoseconds: number | undefined): string {
  return nanoseconds === undefined ? "—" : `${nanoseconds / 1e9} s`;
}
