// The token of the person at the page. It is kept in the browser's storage of this origin and sent as a header, never in an address.

const KEY = "concord:token";
const listeners = new Set<() => void>();

export function token(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function setToken(value: string): void {
  try {
    if (value) localStorage.setItem(KEY, value);
    else localStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden; then the page works without a token.
  }
  listeners.forEach((tell) => tell());
}

/** Calls `tell` when the token changes; gives what ends that. */
export function onToken(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}
