// This module is browser compatible.
//
// The parts of `node:assert` that the project's assertions stand on.

/** What a failed assertion throws. */
export class AssertionError extends Error {
  constructor({ message }: { message: string }) {
    super(message);
    this.name = "AssertionError";
  }
}

/** Whether two values have the same structure. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    return sameList(Array.from(a as Uint8Array), Array.from(b as Uint8Array));
  }
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size &&
      [...a].every(([key, value]) => b.has(key) && same(value, b.get(key)));
  }
  if (a instanceof Set && b instanceof Set) {
    return a.size === b.size && [...a].every((item) => b.has(item));
  }
  if (Array.isArray(a) && Array.isArray(b)) return sameList(a, b);
  if (a instanceof Error && b instanceof Error && a.message !== b.message) {
    return false;
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) =>
      Object.hasOwn(b, key) &&
      same(a[key as keyof typeof a], b[key as keyof typeof b])
    );
}

function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i]));
}

function check(holds: boolean, what: string, message?: string): void {
  if (!holds) {
    throw new AssertionError({
      message: message ? `${what}: ${message}` : what,
    });
  }
}

function show(value: unknown): string {
  return value instanceof Uint8Array ? value.toHex() : String(
    typeof value === "object" ? JSON.stringify(value) : value,
  ).slice(0, 500);
}

function deepStrictEqual(a: unknown, b: unknown, message?: string): void {
  check(same(a, b), `Not equal: ${show(a)} and ${show(b)}`, message);
}

function notDeepStrictEqual(a: unknown, b: unknown, message?: string): void {
  check(!same(a, b), `Equal: ${show(a)}`, message);
}

function strictEqual(a: unknown, b: unknown, message?: string): void {
  check(Object.is(a, b), `Not the same: ${show(a)} and ${show(b)}`, message);
}

function notStrictEqual(a: unknown, b: unknown, message?: string): void {
  check(!Object.is(a, b), `The same: ${show(a)}`, message);
}

const assertions = {
  deepStrictEqual,
  notDeepStrictEqual,
  strictEqual,
  notStrictEqual,
};

export { assertions as default };
