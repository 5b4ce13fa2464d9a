// Text to read, with colours where they help, and text to edit without any.

import { highlight, type Language } from "../core/highlight";

export function Code({ text, language, label }: { text: string; language: Language; label: string }) {
  return (
    <pre class="code" tabIndex={0} role="region" aria-label={label}>
      {highlight(text, language).map((token, i) => (
        token.kind === "plain" ? token.text : <span key={i} class={`t-${token.kind}`}>{token.text}</span>
      ))}
    </pre>
  );
}

interface EditorProps {
  id: string;
  value: string;
  onInput: (text: string) => void;
  label?: string;
  rows?: number;
}

/** A plain text area: a value of a megabyte stays quick. */
export function Editor({ id, value, onInput, label, rows = 16 }: EditorProps) {
  return (
    <textarea
      id={id}
      class="editor"
      spellcheck={false}
      autocomplete="off"
      rows={rows}
      aria-label={label}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}
