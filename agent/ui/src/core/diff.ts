// Lines that differ between two texts, by the longest common subsequence.

export type Side = "same" | "old" | "new";
export interface Line {
  side: Side;
  text: string;
}

const LARGEST = 1_500;

/** The way from `before` to `after`. Texts of more than 1,500 lines are compared only at their ends. */
export function diff(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const same = (lines: string[]): Line[] => lines.map((text) => ({ side: "same", text }));
  const middle = compare(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return [...same(a.slice(0, head)), ...middle, ...same(a.slice(a.length - tail))];
}

function compare(a: string[], b: string[]): Line[] {
  if (a.length > LARGEST || b.length > LARGEST) {
    return [...a.map((text): Line => ({ side: "old", text })), ...b.map((text): Line => ({ side: "new", text }))];
  }
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ side: "same", text: a[i++] ?? "" });
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ side: "old", text: a[i++] ?? "" });
    } else {
      lines.push({ side: "new", text: b[j++] ?? "" });
    }
  }
  return lines;
}
