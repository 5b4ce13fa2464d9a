// Data that follows the cluster: one blocking query after another, as any client of the API would do it.

import { useEffect, useState } from "preact/hooks";
import { get, type Params } from "./api";
import { onToken } from "./token";

export interface Live<T> {
  /** The newest answer; stays while the agent is away. */
  data?: T;
  /** Why there is no newer one. */
  error?: unknown;
}

const WAIT = "55s";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

function pause(time: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, time);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}

/** Follows one endpoint until `signal` ends it. Endpoints without an index are asked again every `every` milliseconds. */
export async function follow<T>(
  path: string,
  params: Params,
  signal: AbortSignal,
  tell: (live: Live<T>) => void,
  every: number,
): Promise<void> {
  let index = 0;
  let wait = FIRST_PAUSE;
  let data: T | undefined;
  while (!signal.aborted) {
    try {
      const answer = await get<T>(path, index ? { ...params, index, wait: WAIT } : params, signal);
      if (signal.aborted) return;
      // An index that went back means another history: begin anew.
      const blocks = answer.index > 0;
      if (answer.index !== index || !blocks) {
        data = answer.data;
        tell({ data });
      }
      index = answer.index < index ? 0 : answer.index;
      wait = FIRST_PAUSE;
      if (!blocks) await pause(every, signal);
    } catch (error) {
      if (signal.aborted) return;
      index = 0;
      tell(data === undefined ? { error } : { data, error });
      await pause(wait, signal);
      wait = Math.min(wait * 2, LONGEST_PAUSE);
    }
  }
}

/** The state of an endpoint while the component that asks is shown. `undefined` as path asks for nothing. */
export function useLive<T>(path: string | undefined, params: Params = {}, every = 5_000): Live<T> {
  const [live, setLive] = useState<Live<T>>({});
  const [era, setEra] = useState(0);
  const key = JSON.stringify([path, params]);
  useEffect(() => onToken(() => setEra((n) => n + 1)), []);
  useEffect(() => {
    setLive({});
    if (path === undefined) return undefined;
    const stop = new AbortController();
    void follow<T>(path, params, stop.signal, setLive, every);
    return () => stop.abort();
  }, [key, era]);
  return live;
}
