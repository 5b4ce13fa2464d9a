// What a token or a role is given: policies, roles, services and nodes it speaks for.

import { Field } from "../parts/tools";
import type { Named } from "./access";

interface PickProps {
  label: string;
  all: Named[];
  chosen: Named[];
  onChange: (chosen: Named[]) => void;
}

/** Names to choose from, as check boxes: any number of them, by keyboard too. */
export function Pick({ label, all, chosen, onChange }: PickProps) {
  const has = (item: Named) => chosen.some((c) => c.ID === item.ID);
  return (
    <fieldset class="field">
      <legend>{label}</legend>
      {all.length === 0 && <p class="dim">There are none.</p>}
      {all.map((item) => (
        <label class="inline" key={item.ID}>
          <input
            type="checkbox"
            checked={has(item)}
            onChange={() => onChange(has(item) ? chosen.filter((c) => c.ID !== item.ID) : [...chosen, { ID: item.ID, Name: item.Name }])}
          />
          {item.Name}
        </label>
      ))}
    </fieldset>
  );
}

interface IdentitiesProps {
  services: string;
  nodes: string;
  onServices: (text: string) => void;
  onNodes: (text: string) => void;
}

export function Identities({ services, nodes, onServices, onNodes }: IdentitiesProps) {
  return (
    <>
      <Field label="Service identities" hint="Names of services, separated by spaces: the token may register and discover them.">
        {(id) => <input id={id} value={services} onInput={(event) => onServices(event.currentTarget.value)} />}
      </Field>
      <Field label="Node identities" hint="As node:datacenter, separated by spaces.">
        {(id) => <input id={id} value={nodes} onInput={(event) => onNodes(event.currentTarget.value)} />}
      </Field>
    </>
  );
}

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);

export function serviceIdentities(text: string): { ServiceName: string }[] {
  return words(text).map((ServiceName) => ({ ServiceName }));
}

export function nodeIdentities(text: string, datacenter: string): { NodeName: string; Datacenter: string }[] {
  return words(text).map((word) => {
    const at = word.lastIndexOf(":");
    return at < 0 ? { NodeName: word, Datacenter: datacenter } : { NodeName: word.slice(0, at), Datacenter: word.slice(at + 1) };
  });
}

export function serviceText(list: { ServiceName: string }[] | null | undefined): string {
  return (list ?? []).map((s) => s.ServiceName).join(" ");
}

export function nodeText(list: { NodeName: string; Datacenter: string }[] | null | undefined): string {
  return (list ?? []).map((n) => `${n.NodeName}:${n.Datacenter}`).join(" ");
}
