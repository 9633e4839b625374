// A process is killed anywhere in its work, and the next one goes on from what
// the machine still has in its cache, flushed or not; then the power fails. What
// the second process builds on must not be lost with it.

import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { amount, random, seed } from "../_amount.ts";
import { explore, fixStoreIds } from "./_explore.ts";
import { countCalls } from "./_failing.ts";
import { tinyOptions } from "./_run.ts";
import { killedAt, workloads } from "./_workloads.ts";

const WORKS = workloads(
  "create, close, open",
  "checkpoints by count",
  "rollbacks to a root, over checkpoints",
  "log segments are used again",
  "the page file shrinks",
);
/** Calls of each workload at which the process is killed. */
const KILLS = 60;

for (const work of WORKS) {
  Deno.test(`open() finds one state after a kill and a power loss: ${work.name}`, async () => {
    const draw = random(`killed: ${work.name}`);
    const options = { ...tinyOptions(cheapScheme), ...work.options };
    const undo = fixStoreIds(seed);
    const calls = await countCalls({ work, options, seed }).finally(undo);
    for (let n = 0; n < amount(KILLS); n++) {
      await explore(killedAt(work, 1 + draw.int(calls)), {
        seed: seed + n,
        options,
        directory: n % 4 === 3 ? "opfs" : "sync",
        asyncFlush: n % 4 === 1,
        backgroundFlush: n % 2 === 0,
        perCall: 2,
        nestedOneIn: 0,
      });
    }
  });
}
