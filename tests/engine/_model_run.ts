// Model runs with fast-check: a run is a setup, a choice of commands (each kind
// is on with probability one half) and up to 100 of them. A run that fails is
// made smaller and printed; the seed printed at the start replays it.

import fc from "npm:fast-check@^4";
import { amount, random, seed } from "../_amount.ts";
import { OPS } from "./_model_ops.ts";
import { drawSetup, ModelStore, stepRandom } from "./_model_store.ts";

const NAMES = Object.keys(OPS);

/** Kinds of commands that are on in a swarm. */
function enabled(swarm: number): string[] {
  const draw = random("swarm", swarm);
  return NAMES.filter((name) => name === "write" || draw.chance(0.5));
}

async function runOnce(
  number: number,
  swarm: number,
  steps: readonly (readonly [number, number])[],
): Promise<void> {
  const draw = random("setup", number);
  const setup = drawSetup(draw);
  const names = enabled(swarm);
  const run = await ModelStore.start(setup, draw);
  const trace: string[] = [];
  try {
    for (const [kind, step] of steps) {
      const name = names[kind % names.length];
      trace.push(name);
      await OPS[name](run, stepRandom(step));
    }
    trace.push("finish");
    await run.finish();
  } catch (error) {
    const { scheme, isSimulated, oracle: _, ...rest } = setup;
    const text = JSON.stringify({ scheme: scheme.name, isSimulated, ...rest });
    throw new Error(`${text}\n${trace.join(" ")}`, { cause: error });
  }
}

/** Runs the model `count` times (times the scale), from a stream of its own. */
export async function modelRuns(count: number, stream: number): Promise<void> {
  const number = fc.noShrink(fc.nat());
  const step = fc.tuple(fc.nat({ max: 10_000 }), number);
  const steps = fc.array(step, { minLength: 1, maxLength: 100, size: "max" });
  const property = fc.asyncProperty(number, number, steps, runOnce);
  await fc.assert(property, {
    seed: (seed + stream) | 0,
    numRuns: amount(count),
    interruptAfterTimeLimit: undefined,
  });
}
