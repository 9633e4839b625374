// What runs in processes of its own, by name: parts of bars, and loading a state. Run as
// a program, this file is such a process.

import type { SchemeName } from "@stemma/verify";
import type { BarContext, BarPart } from "./_bar.ts";
import { build } from "./_stores.ts";
import { bar1, bar2, bar4 } from "./commits.ts";
import { bar3, bar8 } from "./hashing.ts";
import { bar7 } from "./jam.ts";
import type { Task } from "./process.ts";
import { bar6 } from "./proofs.ts";
import { bar5 } from "./reads.ts";

/**
 * The parts of each bar. The one with 2^24 keys comes last: its files fill half of the
 * system's memory, and what came right behind it waited for memory to be found again.
 */
export const BARS: ReadonlyMap<number, readonly BarPart[]> = new Map([
  [1, bar1],
  [3, bar3],
  [4, bar4],
  [5, bar5],
  [6, bar6],
  [7, bar7],
  [8, bar8],
  [2, bar2],
]);

/** A step with its arguments; what it returns goes through JSON. */
type Step = (
  context: BarContext,
  ...args: readonly (string | number)[]
) => Promise<unknown>;

const STEPS: Readonly<Record<Task["name"], Step>> = {
  bar: (context, bar, part) =>
    BARS.get(bar as number)![part as number](context),
  load: (context, capacity, scheme) =>
    build(context, capacity as number, scheme as SchemeName),
};

async function main(): Promise<void> {
  const { name, context, arguments: args }: Task = JSON.parse(Deno.args[0]);
  const log = (text: string): void => console.error(`… ${text}`);
  const result = await STEPS[name]({ ...context, log }, ...args);
  console.log(JSON.stringify(result ?? null));
  Deno.exit(0);
}

if (import.meta.main) await main();
