// Measures the bars and says which hold.

import type { BarContext, Result } from "./_bar.ts";
import { holds } from "./_bar.ts";
import { runStep } from "./process.ts";
import { BARS } from "./steps.ts";

export type { BarContext, Result } from "./_bar.ts";
export { holds } from "./_bar.ts";

/** Measures bars one after another; all of them unless some are named. */
export async function measureBars(
  context: BarContext,
  only: readonly number[],
  each: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [bar, parts] of BARS) {
    if (only.length > 0 && !only.includes(bar)) continue;
    for (const part of parts.keys()) {
      const more = await runStep<Result[]>("bar", context, bar, part);
      results.push(...more);
      more.forEach(each);
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
