// Why a token may or may not do something: which rule decided, and the smallest that would allow it.

import { useState } from "preact/hooks";
import { get } from "../core/api";
import { Code } from "../parts/code";
import { Act, Field, Select } from "../parts/tools";

const RESOURCES = ["key", "service", "node", "session", "event", "query", "agent", "intention", "operator", "keyring", "acl"].map((value) => ({ value, text: value }));
const LEVELS = ["read", "list", "write"].map((value) => ({ value, text: value }));

export function Explain() {
  const [resource, setResource] = useState("key");
  const [level, setLevel] = useState("read");
  const [name, setName] = useState("");
  const [answer, setAnswer] = useState<unknown>();
  const ask = async () => {
    setAnswer((await get("/v1/acl/explain", { resource, access: level, name })).data);
  };
  return (
    <section>
      <p>What may the token that this page uses do?</p>
      <div class="tools">
        <Select label="Resource" value={resource} choices={RESOURCES} onChange={setResource} />
        <Select label="Access" value={level} choices={LEVELS} onChange={setLevel} />
      </div>
      <Field label="Name" hint="Of the key, service, node and so on. Nothing for operator, keyring and acl.">
        {(id) => <input id={id} value={name} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <Act kind="primary" run={ask}>
        Explain
      </Act>
      {answer !== undefined && <Code text={JSON.stringify(answer, null, 2)} language="json" label="Explanation" />}
    </section>
  );
}
