// This module is browser compatible.
/**
 * The conformance suite's own assertions, so that it needs no library where it
 * runs.
 *
 * @module
 */
import { StemmaError } from "@stemma/verify";

/** Fails with `message` unless `condition`. */
export function expect(condition: boolean, message: string): void {
  if (!condition) throw new StemmaError("conformance", message);
}

/** Fails unless both are the same value. */
export function expectEqual<T extends string | number | boolean>(
  actual: T,
  expected: T,
  what: string,
): void {
  expect(actual === expected, `${what} is ${actual}: expected ${expected}`);
}

/**
 * Fails unless `call` throws or rejects with a storage error of that code, or
 * with that built-in class.
 */
export async function expectError(
  call: () => unknown,
  wanted: string | typeof TypeError | typeof RangeError,
  what: string,
): Promise<void> {
  let thrown: unknown;
  try {
    await call();
  } catch (error) {
    thrown = error;
  }
  const name = typeof wanted === "string" ? `code "${wanted}"` : wanted.name;
  if (thrown === undefined) {
    throw new StemmaError("conformance", `${what} did not throw ${name}`);
  }
  const fits = typeof wanted === "string"
    ? thrown instanceof StemmaError && thrown.code === wanted
    : thrown instanceof wanted;
  if (fits) return;
  const message = `${what} threw ${thrown}: expected ${name}`;
  throw new StemmaError("conformance", message, { cause: thrown });
}

/** Bytes without zeros that differ from seed to seed and place to place. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[i] = (state >>> 24) || 1;
  }
  return bytes;
}
