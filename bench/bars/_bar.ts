// A bar: something measured, a bound, and whether it holds. Ratios within one run,
// so that the machine's mood cancels out.

/** One measured bar. */
export interface Result {
  /** Number in the list of bars. */
  readonly bar: number;
  readonly what: string;
  /** `undefined` when it could not be measured. */
  readonly value: number | undefined;
  readonly bound: number;
  /** Whether the value must reach the bound, or stay below it. */
  readonly atLeast: boolean;
  readonly unit: string;
  /** How it came about. */
  readonly note: string;
}

/** What a bar needs to be measured. */
export interface BarContext {
  /** Small sizes: 2^16 instead of 2^20 keys. For a look, not for a verdict. */
  readonly isQuick: boolean;
  /** Whether the bars on 2^24 keys run. */
  readonly isNightly: boolean;
  /** Folder for stores. */
  readonly directory: string;
  readonly seed: number;
  /** Tells the user what is going on. */
  log(text: string): void;
}

/** What of a bar is measured together, in a process of its own. */
export type BarPart = (context: BarContext) => Promise<Result[]>;

/** Whether a result is good; `undefined` when not measured. */
export function holds(
  { value, bound, atLeast }: Result,
): boolean | undefined {
  if (value === undefined) return undefined;
  return atLeast ? value >= bound : value <= bound;
}

/** Exponent of the large size. */
export function large(context: BarContext): number {
  return context.isQuick ? 16 : 20;
}
