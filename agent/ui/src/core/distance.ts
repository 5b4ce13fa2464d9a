// Round-trip times between network coordinates (Vivaldi, as Serf keeps them).

export interface Coordinate {
  Vec: number[];
  Error: number;
  Adjustment: number;
  Height: number;
}

/** Milliseconds between two places, as `consul rtt` estimates them. */
export function distance(a: Coordinate, b: Coordinate): number {
  const squares = a.Vec.reduce((sum, x, i) => sum + (x - (b.Vec[i] ?? 0)) ** 2, 0);
  const raw = Math.sqrt(squares) + a.Height + b.Height;
  const adjusted = raw + a.Adjustment + b.Adjustment;
  return (adjusted > 0 ? adjusted : raw) * 1000;
}
