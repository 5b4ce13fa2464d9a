// Health checks with their outputs.

import type { Status } from "./status";
import { Health } from "./status";

export interface Check {
  Node: string;
  CheckID: string;
  Name: string;
  Status: string;
  Notes: string;
  Output: string;
  ServiceID: string;
  ServiceName: string;
  Type?: string;
}

const ORDER = ["critical", "warning", "passing"];

export function Checks({ checks }: { checks: Check[] }) {
  if (checks.length === 0) return <p class="empty">No checks.</p>;
  const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.Status) - ORDER.indexOf(b.Status) || a.Name.localeCompare(b.Name));
  return (
    <ul class="checks">
      {sorted.map((check) => (
        <li key={check.CheckID}>
          <div class="row">
            <Health status={check.Status as Status} />
            <strong>{check.Name || check.CheckID}</strong>
            <span class="dim">
              {check.CheckID}
              {check.Type ? ` · ${check.Type}` : ""}
              {check.ServiceName ? "" : " · of the node"}
            </span>
          </div>
          {check.Notes && <p>{check.Notes}</p>}
          {check.Output && (
            <pre class="output" tabIndex={0} role="region" aria-label={`Output of ${check.Name || check.CheckID}`}>
              {check.Output}
            </pre>
          )}
        </li>
      ))}
    </ul>
  );
}
