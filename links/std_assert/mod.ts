// The assertions of @std/assert that the tests use, with std's signatures and
// messages in front of node:assert. A development link only: nothing that is
// published imports it. It exists because not every machine reaches JSR.

import nodeAssert, { AssertionError } from "node:assert";

export { AssertionError };

/** A class whose instances can be thrown. */
export type ErrorClass<E extends Error = Error> = abstract new (
  ...args: never
) => E;

function suffix(message?: string): string {
  return message === undefined ? "" : `: ${message}`;
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    const hex = value.subarray(0, 64).toHex();
    return `Uint8Array(${value.length}) ${hex}${value.length > 64 ? "…" : ""}`;
  }
  return Deno.inspect(value);
}

function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Throws unless `expr` is truthy. */
export function assert(expr: unknown, message = ""): asserts expr {
  if (!expr) throw new AssertionError({ message });
}

/** Throws unless `expr` is falsy. */
export function assertFalse(
  expr: unknown,
  message?: string,
): asserts expr is false {
  if (expr) throw new AssertionError({ message: message ?? "Expected falsy" });
}

/** Throws always. */
export function fail(message?: string): never {
  throw new AssertionError({ message: `Failed assertion${suffix(message)}` });
}

/** Throws always: for code that must not be reached. */
export function unreachable(message?: string): never {
  throw new AssertionError({ message: `Unreachable${suffix(message)}` });
}

/** Throws unless both are deeply and strictly equal. */
export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  if (actual instanceof Uint8Array && expected instanceof Uint8Array) {
    if (bytesEqual(actual, expected)) return;
    throw new AssertionError({
      message: `Values are not equal${suffix(message)}: actual ${
        show(actual)
      }, expected ${show(expected)}`,
    });
  }
  nodeAssert.deepStrictEqual(actual, expected, message);
}

/** Throws when both are deeply and strictly equal. */
export function assertNotEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Throws unless both are the same by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  nodeAssert.strictEqual(actual, expected, message);
}

/** Throws when both are the same by `Object.is`. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  nodeAssert.notStrictEqual(actual, expected, message);
}

/** Throws when `actual` is null or undefined. */
export function assertExists<T>(
  actual: T,
  message?: string,
): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError({
      message: `Expected a value, got ${actual}${suffix(message)}`,
    });
  }
}

/** Throws unless `actual` is an instance of `type`. */
export function assertInstanceOf<T>(
  actual: unknown,
  type: abstract new (...args: never) => T,
  message = "",
): asserts actual is T {
  if (actual instanceof type) return;
  throw new AssertionError({
    message: `Expected an instance of ${type.name}, got ${show(actual)}${
      suffix(message)
    }`,
  });
}

function compare(
  holds: boolean,
  words: string,
  actual: unknown,
  expected: unknown,
  message?: string,
): void {
  if (holds) return;
  throw new AssertionError({
    message: message ?? `Expect ${show(actual)} ${words} ${show(expected)}`,
  });
}

/** Throws unless `actual > expected`. */
export function assertGreater<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  compare(actual > expected, ">", actual, expected, message);
}

/** Throws unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  compare(actual >= expected, ">=", actual, expected, message);
}

/** Throws unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  compare(actual < expected, "<", actual, expected, message);
}

/** Throws unless `actual <= expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  compare(actual <= expected, "<=", actual, expected, message);
}

/** Throws unless `actual` is within `tolerance` of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  const within = tolerance ?? Math.abs(expected) * 1e-7;
  const holds = Object.is(actual, expected) ||
    Math.abs(actual - expected) <= within;
  compare(holds, "to be close to", actual, expected, message);
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  message?: string,
): void {
  compare(actual.includes(expected), "to include", actual, expected, message);
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void {
  compare(expected.test(actual), "to match", actual, expected, message);
}

/** Throws when `actual` matches `expected`. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void {
  compare(!expected.test(actual), "not to match", actual, expected, message);
}

/** Throws unless `error` is an error of the class with the text in its message. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  message?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError({
      message: `Expected an Error, got ${show(error)}${suffix(message)}`,
    });
  }
  if (errorClass !== undefined && !(error instanceof errorClass)) {
    throw new AssertionError({
      message: `Expected ${errorClass.name}, got ${show(error)}${
        suffix(message)
      }`,
    });
  }
  const matches = msgMatches === undefined ||
    (typeof msgMatches === "string"
      ? error.message.includes(msgMatches)
      : msgMatches.test(error.message));
  compare(matches, "to be said by", msgMatches, error.message, message);
}

/** Runs `fn`, which must throw; returns what it threw. */
export function assertThrows(fn: () => unknown, message?: string): unknown;
/** Runs `fn`, which must throw an `errorClass`; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  message?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClassOrMessage?: ErrorClass<E> | string,
  msgIncludes?: string,
  message?: string,
): E | unknown {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error ?? new AssertionError({ message: "Threw nothing" });
  }
  return settle(thrown, "throw", errorClassOrMessage, msgIncludes, message);
}

/** Calls `fn`, whose promise must reject; returns the reason. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  message?: string,
): Promise<unknown>;
/** Calls `fn`, whose promise must reject with an `errorClass`; returns it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  message?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClassOrMessage?: ErrorClass<E> | string,
  msgIncludes?: string,
  message?: string,
): Promise<E | unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError({
      message: `Function threw when expected to reject: ${show(error)}`,
    });
  }
  let reason: unknown;
  try {
    await promise;
  } catch (error) {
    reason = error ?? new AssertionError({ message: "Rejected with nothing" });
  }
  return settle(reason, "reject", errorClassOrMessage, msgIncludes, message);
}

function settle<E extends Error>(
  thrown: unknown,
  verb: string,
  errorClassOrMessage?: ErrorClass<E> | string,
  msgIncludes?: string,
  message?: string,
): unknown {
  const said = typeof errorClassOrMessage === "string"
    ? errorClassOrMessage
    : message;
  if (thrown === undefined) {
    throw new AssertionError({
      message: `Expected function to ${verb}${suffix(said)}`,
    });
  }
  if (typeof errorClassOrMessage === "function") {
    assertIsError(thrown, errorClassOrMessage, msgIncludes, message);
  }
  return thrown;
}
