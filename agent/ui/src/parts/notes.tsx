// What just happened, said once at the lower edge and to screen readers.

import { useEffect, useState } from "preact/hooks";

interface Note {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN = 6_000;
let notes: Note[] = [];
let count = 0;
let tell: (notes: Note[]) => void = () => {};

function drop(id: number): void {
  notes = notes.filter((note) => note.id !== id);
  tell(notes);
}

export function say(text: string, bad = false): void {
  const id = ++count;
  notes = [...notes.slice(-3), { id, text, bad }];
  tell(notes);
  if (!bad) setTimeout(() => drop(id), SHOWN);
}

/** The place of the notes; failures stay until they are closed. */
export function Notes() {
  const [shown, setShown] = useState(notes);
  useEffect(() => {
    tell = setShown;
    return () => {
      tell = () => {};
    };
  }, []);
  return (
    <div class="notes" role="status" aria-live="polite">
      {shown.map((note) => (
        <div key={note.id} class={note.bad ? "note bad" : "note"}>
          <span>{note.text}</span>
          <button type="button" aria-label="Close this note" onClick={() => drop(note.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
