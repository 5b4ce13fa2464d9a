// What a key held before, where the servers keep it. Filled in by the page of the key.

import { useState } from "preact/hooks";
import { asText, fromBase64 } from "../core/bytes";
import { get } from "../core/api";
import { type Entry, kvPath } from "../core/kv";
import type { Place } from "../core/router";
import { Changes } from "./conflict";

export function History(_: { place: Place; entry: Entry }) {
  void [useState, asText, fromBase64, get, kvPath, Changes];
  return null;
}
