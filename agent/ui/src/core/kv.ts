// Keys and values over the HTTP API. Every write compares the index first, so that nobody's change is lost.

import { address, type Answer, ApiError, get, write } from "./api";
import { fromBase64, toBase64 } from "./bytes";

export interface Entry {
  Key: string;
  Value: string | null;
  Flags: number;
  Session?: string;
  LockIndex: number;
  CreateIndex: number;
  ModifyIndex: number;
  CreateTime?: string;
  ModifyTime?: string;
  ExpireTime?: string;
}

/** The path of a key. Browsers take segments of one or two dots for folders, so such keys cannot be asked for from a page. */
export function kvPath(key: string): string {
  const parts = key.split("/");
  if (parts.some((part) => part === "." || part === "..")) {
    throw new ApiError(0, `A browser cannot ask for “${key}”, because “.” and “..” mean folders in addresses. Use: consul kv get '${key}'`);
  }
  return `/v1/kv/${parts.map(encodeURIComponent).join("/")}`;
}

export async function read(dc: string, key: string): Promise<Entry | undefined> {
  try {
    const answer: Answer<Entry[] | null> = await get(kvPath(key), { dc, consistent: true });
    return answer.data?.[0];
  } catch (error) {
    if (error instanceof ApiError && error.missing) return undefined;
    throw error;
  }
}

async function put(url: string, value: Uint8Array, secret: Record<string, string>): Promise<boolean> {
  const response = await fetch(url, { method: "PUT", headers: secret, body: new Blob([value as Uint8Array<ArrayBuffer>]), cache: "no-store" });
  const text = (await response.text()).trim();
  if (!response.ok) throw new ApiError(response.status, text);
  return text === "true";
}

/** Writes if the key is still at `index` (0: if there is none); tells whether it did. */
export async function putIf(dc: string, key: string, value: Uint8Array, flags: number, index: number, token: string): Promise<boolean> {
  return put(address(kvPath(key), { dc, cas: index, flags }), value, token ? { "X-Consul-Token": token } : {});
}

/** Deletes if the key is still at `index`. */
export async function removeIf(dc: string, key: string, index: number): Promise<boolean> {
  return write<boolean>("DELETE", kvPath(key), { dc, cas: index });
}

export async function removeTree(dc: string, prefix: string): Promise<void> {
  await write("DELETE", kvPath(prefix), { dc, recurse: true });
}

/** One key in the format of `consul kv export`. */
export interface Exported {
  key: string;
  flags: number;
  value: string;
}

export async function exportTree(dc: string, prefix: string): Promise<Exported[]> {
  try {
    const { data } = await get<Entry[]>(kvPath(prefix), { dc, recurse: true });
    return data.map((entry) => ({ key: entry.Key, flags: entry.Flags, value: entry.Value ?? "" }));
  } catch (error) {
    if (error instanceof ApiError && error.missing) return [];
    throw error;
  }
}

/** Reads a file of `consul kv export`, or throws an error that names what is wrong. */
export function parseExport(text: string): Exported[] {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(data)) throw new Error("This is not an export: it must be a list, as `consul kv export` writes it.");
  return data.map((row: unknown, at) => {
    const { key, flags, value } = (row ?? {}) as Partial<Exported>;
    if (typeof key !== "string" || key === "") throw new Error(`Entry ${at + 1} has no key.`);
    if (value !== undefined && value !== null && typeof value !== "string") throw new Error(`The value of ${key} is not base64 text.`);
    try {
      fromBase64(value);
    } catch {
      throw new Error(`The value of ${key} is not base64.`);
    }
    return { key, flags: typeof flags === "number" ? flags : 0, value: value ?? "" };
  });
}

const OPERATIONS = 64;
const BYTES = 300_000;

/** Writes the entries in transactions of at most 64; tells how many are done after each. */
export async function importAll(dc: string, entries: Exported[], progress: (done: number) => void): Promise<void> {
  let from = 0;
  while (from < entries.length) {
    let to = from;
    let bytes = 0;
    while (to < entries.length && to - from < OPERATIONS && (to === from || bytes + (entries[to]?.value.length ?? 0) < BYTES)) {
      bytes += entries[to]?.value.length ?? 0;
      to++;
    }
    const operations = entries.slice(from, to).map((e) => ({ KV: { Verb: "set", Key: e.key, Value: e.value, Flags: e.flags } }));
    await write("PUT", "/v1/txn", { dc }, operations);
    from = to;
    progress(from);
  }
}

export { fromBase64, toBase64 };
