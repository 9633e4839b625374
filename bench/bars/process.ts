// Runs a step of the bars in a process of its own: a store that comes after others in
// one process pays for the memory they have left and for what V8 has learnt from them.
// The process's own end is `steps.ts`.

import { programArguments } from "../measure.ts";
import type { BarContext } from "./_bar.ts";

/** What a process is told. */
export interface Task {
  readonly name: "bar" | "load";
  readonly context: Omit<BarContext, "log">;
  readonly arguments: readonly (string | number)[];
}

/** Runs a step and returns what it does; progress goes to stderr. */
export async function runStep<T>(
  name: Task["name"],
  context: BarContext,
  ...args: readonly (string | number)[]
): Promise<T> {
  const { isQuick, isNightly, directory, seed } = context;
  const task: Task = {
    name,
    context: { isQuick, isNightly, directory, seed },
    arguments: args,
  };
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: programArguments(import.meta.resolve("./steps.ts"), task),
    stderr: "inherit",
  }).output();
  if (!success) {
    throw new Error(`Cannot measure: the process of ${name} failed`);
  }
  const result: T = JSON.parse(new TextDecoder().decode(stdout));
  return result;
}
