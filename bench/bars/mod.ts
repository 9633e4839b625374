// Measures the bars and says which hold.

import type { BarContext, Result } from "./_bar.ts";
import { holds } from "./_bar.ts";
import { bar1, bar2, bar4 } from "./commits.ts";
import { bar3, bar8 } from "./hashing.ts";
import { bar7 } from "./jam.ts";
import { bar6 } from "./proofs.ts";
import { bar5 } from "./reads.ts";

export type { BarContext, Result } from "./_bar.ts";
export { holds } from "./_bar.ts";

const BARS: readonly [number, (context: BarContext) => Promise<Result[]>][] = [
  [1, bar1],
  [2, bar2],
  [3, bar3],
  [4, bar4],
  [5, bar5],
  [6, bar6],
  [7, bar7],
  [8, bar8],
];

/** Measures bars one after another; all of them unless some are named. */
export async function measureBars(
  context: BarContext,
  only: readonly number[],
  each: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [number, measure] of BARS) {
    if (only.length > 0 && !only.includes(number)) continue;
    for (const result of await measure(context)) {
      results.push(result);
      each(result);
    }
  }
  return results;
}

/** One line about a result, and one on how it came about. */
export function describe(result: Result): string {
  const { bar, what, value, bound, atLeast, unit, note } = result;
  const good = holds(result);
  const verdict = good === undefined ? "absent" : good ? "ok" : "SHORT";
  const digits = (number: number): string =>
    Math.abs(number) >= 100 ? number.toFixed(0) : number.toFixed(2);
  const measured = value === undefined ? "-" : digits(value);
  return `${bar}  ${verdict.padEnd(6)} ${measured.padStart(7)} ${
    `(${atLeast ? ">=" : "<="} ${bound} ${unit})`.padEnd(16)
  } ${what}\n` + `${" ".repeat(10)}${note}`;
}
