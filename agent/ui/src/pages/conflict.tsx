// Three ways on one key: what was read, what somebody else wrote since, and what is about to be written.

import { asText, fromBase64 } from "../core/bytes";
import { diff } from "../core/diff";
import type { Entry } from "../core/kv";

interface Props {
  base: string;
  mine: string;
  /** `null`: the key was deleted. */
  theirs: Entry | null;
  onSettle: (text: string, over: Entry | null) => void;
  onBack: () => void;
}

export function Conflict({ base, mine, theirs, onSettle, onBack }: Props) {
  const other = theirs ? asText(fromBase64(theirs.Value)) : "";
  return (
    <>
      <p>{theirs ? "Nothing was written. These are the two changes since you began:" : "The key was deleted since you began. Nothing was written."}</p>
      <div class="sides">
        <section>
          <h3>Their change</h3>
          {other === undefined ? <p>The value is not text any more.</p> : <Changes before={base} after={other} />}
        </section>
        <section>
          <h3>Your change</h3>
          <Changes before={base} after={mine} />
        </section>
      </div>
      <p class="dim">“Go on with …” takes you back to the editor. It writes nothing until you save.</p>
      <div class="actions">
        <button type="button" onClick={onBack}>
          Back
        </button>
        <button type="button" disabled={other === undefined} onClick={() => onSettle(other ?? "", theirs)}>
          Go on with theirs
        </button>
        <button type="button" class="primary" onClick={() => onSettle(mine, theirs)}>
          Go on with mine
        </button>
      </div>
    </>
  );
}

export function Changes({ before, after }: { before: string; after: string }) {
  const signs = { same: " ", old: "-", new: "+" };
  return (
    <pre class="code diff" tabIndex={0}>
      {diff(before, after).map((line, i) => (
        <span key={i} class={line.side}>{`${signs[line.side]} ${line.text}`}</span>
      ))}
    </pre>
  );
}
