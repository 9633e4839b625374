// Every call on storage fails, once and for ever, in every way that storage can
// fail: the error is typed, reads go on, writing is off unless only room was
// missing, and the store opened anew is the last state or the one in flight.

import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { seed } from "../_amount.ts";
import { fixStoreIds } from "./_explore.ts";
import { countCalls, type Kind, survive } from "./_failing.ts";
import { tinyOptions } from "./_run.ts";
import { workloads } from "./_workloads.ts";

const WORKS = workloads(
  "create, close, open",
  "checkpoints on demand",
  "rollbacks to nothing, across reopening",
  "killed after each commit",
  "overflow values",
  "queued commits",
  "the page file shrinks",
  "flushed every third commit",
);

const KINDS: readonly Kind[] = [
  "io",
  "full",
  "short-read",
  "short-write",
  "flush",
];

for (const work of WORKS) {
  const title = `commit() survives a failure of each call: ${work.name}`;
  Deno.test(title, async () => {
    const undo = fixStoreIds(seed);
    const options = { ...tinyOptions(cheapScheme), ...work.options };
    const program = { work, options, seed };
    try {
      const calls = await countCalls(program);
      for (const kind of KINDS) {
        for (let at = 1; at <= 2 * calls; at++) {
          const call = (at + 1) >> 1, sticky = at % 2 === 0;
          try {
            await survive({ ...program, at: call, kind, sticky });
          } catch (error) {
            const how = `${kind}${sticky ? " for ever" : ""} at call ${call}`;
            throw new Error(`seed ${seed}, ${how}: ${error}`, { cause: error });
          }
        }
      }
    } finally {
      undo();
    }
  });
}
