// The token of the person at the page: entered, or got by login through an OIDC auth method.

import { useEffect, useState } from "preact/hooks";
import { get, messageOf, write } from "../core/api";
import { go, link, type Place } from "../core/router";
import { settings } from "../core/settings";
import { onToken, setToken, token } from "../core/token";
import { Dialog } from "../parts/dialog";
import { say } from "../parts/notes";
import { Act, Field } from "../parts/tools";
import type { Token } from "./access";

const WAITING = "concord:oidc";

export function SignIn({ place }: { place: Place }) {
  const [open, setOpen] = useState(false);
  const [has, setHas] = useState(token() !== "");
  useEffect(() => onToken(() => setHas(token() !== "")), []);
  useEffect(() => void finish(place), []);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {has ? "Token ✓" : "Token"}
      </button>
      {open && <Enter place={place} onClose={() => setOpen(false)} has={has} />}
    </>
  );
}

function Enter({ place, onClose, has }: { place: Place; onClose: () => void; has: boolean }) {
  const [secret, setSecret] = useState("");
  const [method, setMethod] = useState("");
  const use = async () => {
    const old = token();
    setToken(secret.trim());
    try {
      const self = await get<Token>("/v1/acl/token/self", { dc: place.datacenter });
      say(`You are ${self.data.Description || self.data.AccessorID}.`);
      onClose();
    } catch (error) {
      setToken(old);
      throw error;
    }
  };
  return (
    <Dialog title="Token" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <Field label="Secret ID" hint="Kept in this browser until you sign out; sent only to this agent.">
          {(id) => <input id={id} type="password" autocomplete="off" value={secret} onInput={(event) => setSecret(event.currentTarget.value)} />}
        </Field>
        <div class="actions">
          {has && (
            <Act
              run={async () => {
                setToken("");
                onClose();
              }}
              done="You signed out."
            >
              Sign out
            </Act>
          )}
          <Act kind="primary" disabled={secret.trim() === ""} run={use}>
            Use this token
          </Act>
        </div>
        <Field label="Or sign in with an OIDC auth method" hint="Its name; the provider of your organisation then asks who you are.">
          {(id) => <input id={id} value={method} autocomplete="off" onInput={(event) => setMethod(event.currentTarget.value)} />}
        </Field>
        <div class="actions">
          <Act disabled={method.trim() === ""} run={() => begin(place, method.trim())}>
            Sign in
          </Act>
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const back = () => `${location.origin}${settings.base}oidc/callback`;

async function begin(place: Place, method: string): Promise<void> {
  const nonce = [...crypto.getRandomValues(new Uint8Array(20))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const { AuthURL } = await write<{ AuthURL: string }>("POST", "/v1/acl/oidc/auth-url", { dc: place.datacenter }, { AuthMethod: method, RedirectURI: back(), ClientNonce: nonce });
  if (!/^https?:\/\//i.test(AuthURL)) throw new Error("The auth method has no address to sign in at.");
  sessionStorage.setItem(WAITING, JSON.stringify({ nonce, method, dc: place.datacenter }));
  location.assign(AuthURL);
}

/** Comes back from the provider with a code in the address, which is taken out of it at once. */
async function finish(place: Place): Promise<void> {
  if (place.datacenter !== "oidc" || place.path[0] !== "callback") return;
  const code = place.query.get("code") ?? "";
  const state = place.query.get("state") ?? "";
  go(link(settings.datacenter, ["services"]), true);
  try {
    const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null") as { nonce: string; method: string; dc: string } | null;
    sessionStorage.removeItem(WAITING);
    if (!waiting || !code) throw new Error(place.query.get("error_description") ?? "The sign-in was not finished. Begin again.");
    const body = { AuthMethod: waiting.method, State: state, Code: code, ClientNonce: waiting.nonce };
    const made = await write<Token>("POST", "/v1/acl/oidc/callback", { dc: waiting.dc }, body);
    setToken(made.SecretID ?? "");
    say("You are signed in.");
  } catch (error) {
    say(messageOf(error), true);
  }
}
