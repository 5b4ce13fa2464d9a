// Requests to the public HTTP API.

import { token } from "./token";

/** An answer that is not a success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
  /** The token does not allow it, or is not known. */
  get denied(): boolean {
    return this.status === 403 || this.status === 401;
  }
  get missing(): boolean {
    return this.status === 404;
  }
}

export interface Answer<T> {
  data: T;
  index: number;
}

export type Params = Record<string, string | number | boolean | undefined>;

/** The address of an endpoint with its parameters; `true` gives a parameter without a value, `false` and `undefined` none. */
export function address(path: string, params: Params = {}): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === false || value === "") continue;
    parts.push(value === true ? name : `${name}=${encodeURIComponent(value)}`);
  }
  return parts.length ? `${path}?${parts.join("&")}` : path;
}

function headers(): Record<string, string> {
  const secret = token();
  return secret ? { "X-Consul-Token": secret } : {};
}

async function send(method: string, url: string, body?: BodyInit, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    const init: RequestInit = { method, headers: headers(), cache: "no-store", credentials: "same-origin" };
    if (body !== undefined) init.body = body;
    if (signal) init.signal = signal;
    response = await fetch(url, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The agent does not answer. Is it running?");
  }
  if (!response.ok) {
    const text = (await response.text()).trim();
    throw new ApiError(response.status, text || `The agent answered ${response.status}.`);
  }
  return response;
}

/** GET with its index, so that a next call may wait for a change. */
export async function get<T>(path: string, params?: Params, signal?: AbortSignal): Promise<Answer<T>> {
  const response = await send("GET", address(path, params), undefined, signal);
  const index = Number(response.headers.get("X-Consul-Index") ?? 0);
  const text = await response.text();
  return { data: (text ? JSON.parse(text) : null) as T, index };
}

/** A write with a JSON body; gives the JSON of the answer, or `undefined` when it is empty. */
export async function write<T>(method: "PUT" | "POST" | "DELETE", path: string, params?: Params, body?: unknown): Promise<T> {
  const response = await send(method, address(path, params), body === undefined ? undefined : JSON.stringify(body));
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A body of bytes there and back: snapshots. */
export async function bytes(method: "GET" | "PUT", path: string, params?: Params, body?: Blob): Promise<Blob> {
  return (await send(method, address(path, params), body)).blob();
}

/** A name as one segment of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
