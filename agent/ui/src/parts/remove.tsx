// A button that asks, then deletes.

import { useState } from "preact/hooks";
import { messageOf } from "../core/api";
import { Confirm } from "./dialog";
import { say } from "./notes";

interface Props {
  /** What the button says, also in the question. */
  verb: string;
  question: string;
  run: () => Promise<unknown>;
  done: string;
}

export function Remove({ verb, question, run, done }: Props) {
  const [asks, setAsks] = useState(false);
  const yes = async () => {
    setAsks(false);
    try {
      await run();
      say(done);
    } catch (error) {
      say(messageOf(error), true);
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => setAsks(true)}>
        {verb}
      </button>
      {asks && <Confirm title={`${verb}?`} text={question} verb={verb} onYes={() => void yes()} onNo={() => setAsks(false)} />}
    </>
  );
}
