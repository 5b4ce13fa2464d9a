// Health in colour, sign and word, so that no one of the three is needed alone.

export type Status = "passing" | "warning" | "critical" | "maintenance" | "none";

const SIGNS: Record<Status, string> = { passing: "✓", warning: "!", critical: "✕", maintenance: "⏸", none: "–" };
const WORDS: Record<Status, string> = {
  passing: "passing",
  warning: "warning",
  critical: "critical",
  maintenance: "in maintenance",
  none: "no checks",
};

export interface CheckLike {
  CheckID: string;
  Status: string;
}

/** The worst of some checks. */
export function worst(checks: CheckLike[]): Status {
  if (checks.some((c) => c.CheckID === "_node_maintenance" || c.CheckID.startsWith("_service_maintenance:"))) return "maintenance";
  for (const status of ["critical", "warning", "passing"] as const) {
    if (checks.some((c) => c.Status === status)) return status;
  }
  return "none";
}

/** The worst of counts. */
export function worstOf(counts: { ChecksPassing: number; ChecksWarning: number; ChecksCritical: number }): Status {
  if (counts.ChecksCritical > 0) return "critical";
  if (counts.ChecksWarning > 0) return "warning";
  return counts.ChecksPassing > 0 ? "passing" : "none";
}

export const RANK: Record<Status, number> = { critical: 0, maintenance: 1, warning: 2, none: 3, passing: 4 };

export function Health({ status, text }: { status: Status; text?: string }) {
  return (
    <span class={`health ${status}`}>
      <span aria-hidden="true">{SIGNS[status]}</span> {text ?? WORDS[status]}
    </span>
  );
}
