// This module is browser compatible.

// What a proof is asked: keys and ranges, brought into one order that prover
// and verifier share. An item is a closed interval of keys; items are sorted
// and disjoint. A node is opened if and only if an item reaches into the part
// of the key space below it.

import { compareBytes, copyBytes, fail } from "./_bytes.ts";
import type { Scheme } from "./scheme.ts";

/** Keys from `gte` on and before `lt`; an open end where one is missing. */
export interface KeyRange {
  /** First key, if it exists; a key of the scheme. */
  readonly gte?: Uint8Array;
  /** First key past the range; a key of the scheme. */
  readonly lt?: Uint8Array;
}

/** What to prove: keys, ranges or both, in any order. */
export interface Query {
  /** Keys whose values, or whose absence, are proven. */
  readonly keys?: readonly Uint8Array[];
  /** Ranges of which every entry is proven, and that there are no others. */
  readonly ranges?: readonly KeyRange[];
}

/** One item of a query in order. Internal: for the prover and the verifier. */
export interface Item {
  /** Lower end, as if followed by zero bits. */
  readonly lo: Uint8Array;
  /** Upper end, as if followed by one bits. */
  hi: Uint8Array;
  /** Whether this is one key (`lo` = `hi`) and not a range. */
  readonly point: boolean;
  /** Whether the proof gives values, not just the hashes of values. */
  wanted: boolean;
}

/**
 * Copies a key and checks its length. Internal.
 *
 * @throws {ProofError} `key` when the length is not one of the scheme's, or
 * when it is in the all-zero stem (rule R4).
 */
export function copyKey(scheme: Scheme, key: unknown): Uint8Array {
  const out = copyBytes(key, scheme.keyBytesMax, "Key");
  if (out.length < scheme.keyBytesMin) {
    fail("key", `Key is too short: ${out.length} bytes`);
  }
  if (scheme.family === "eip7864" && isZeroStem(out)) {
    fail("zero-stem", "The all-zero stem proves nothing");
  }
  return out;
}

/** Whether the first 31 bytes are zero. Internal. */
export function isZeroStem(key: Uint8Array): boolean {
  return key.subarray(0, 31).every((byte) => !byte);
}

/** One key as an item. Internal. */
export function pointItem(key: Uint8Array, wanted: boolean): Item {
  return { lo: key, hi: key, point: true, wanted };
}

/** One range as an item. Internal. */
export function rangeItem(scheme: Scheme, { gte, lt }: KeyRange): Item {
  const { keyBytesMin: min, keyBytesMax: max } = scheme;
  const bound = (key: Uint8Array | undefined): Uint8Array => {
    const out = copyBytes(key ?? new Uint8Array(0), max, "Bound");
    if (key && out.length < min) fail("key", "Bound is too short");
    return out;
  };
  const lo = bound(gte);
  let hi = bound(lt);
  if (lt) {
    const first = gte ? lo : new Uint8Array(min);
    if (compareBytes(first, hi) >= 0) fail("query", "Range is empty");
    hi = before(hi, min < max);
  }
  return { lo, hi, point: false, wanted: true };
}

/** The closed upper end below the open end `lt`, which it may change. */
function before(lt: Uint8Array, variable: boolean): Uint8Array {
  let length = lt.length;
  if (variable && !lt[length - 1]) return lt.subarray(0, length - 1);
  while (!lt[length - 1]) length--;
  lt[length - 1]--;
  return lt.subarray(0, length);
}

/** Whether an interval that ends at `a` ends before one that ends at `b`. */
function endsBefore(a: Uint8Array, b: Uint8Array): boolean {
  const order = comparePrefix(a, b, 8 * b.length);
  return order < 0 || (order === 0 && a.length > b.length);
}

/** Sorts items and merges those that overlap. Internal. */
export function sortItems(items: Item[]): Item[] {
  items.sort((a, b) => compareBytes(a.lo, b.lo) || +a.point - +b.point);
  const out: Item[] = [];
  let last: Item | undefined;
  for (const item of items) {
    if (last && !last.point && reaches(last, item.lo)) {
      if (!item.point && endsBefore(last.hi, item.hi)) last.hi = item.hi;
    } else if (last?.point && item.point && !compareBytes(last.lo, item.lo)) {
      last.wanted ||= item.wanted;
    } else out.push(last = item);
  }
  return out;
}

/** Whether a range that starts no later than `key` reaches it. */
function reaches(range: Item, key: Uint8Array): boolean {
  return comparePrefix(range.hi, key, 8 * key.length) >= 0;
}

/** The items of a query, copied, checked, sorted and merged. Internal. */
export function queryItems(scheme: Scheme, query: Query): Item[] {
  const { keys = [], ranges = [] } = query;
  if (!Array.isArray(keys) || !Array.isArray(ranges)) {
    fail("query", "Keys and ranges must be arrays");
  }
  return sortItems([
    ...ranges.map((range) => rangeItem(scheme, range)),
    ...keys.map((key) => pointItem(copyKey(scheme, key), true)),
  ]);
}

/**
 * Compares the first `bits` bits of `bytes` and `path`, those before bit `from`
 * known to be equal; equal too where `bytes` ends first. Internal.
 */
export function comparePrefix(
  bytes: Uint8Array,
  path: Uint8Array,
  bits: number,
  from = 0,
): number {
  if (bits > 8 * bytes.length) bits = 8 * bytes.length;
  const full = bits >> 3;
  let i = from >> 3;
  for (; i < full; i++) {
    if (bytes[i] !== path[i]) return bytes[i] - path[i];
  }
  const shift = 8 - (bits & 7);
  return i > full || shift > 7 ? 0 : (bytes[i] >> shift) - (path[i] >> shift);
}

/**
 * Whether `item` reaches below the node at `path`, whose first `bits` bits
 * count; a point is known to share those before `from`. Internal.
 */
export function inside(
  item: Item,
  path: Uint8Array,
  bits: number,
  from: number,
): boolean {
  return item.point
    ? bits <= 8 * item.lo.length &&
      comparePrefix(item.lo, path, bits, from) === 0
    : comparePrefix(item.lo, path, bits) <= 0 &&
      comparePrefix(item.hi, path, bits) >= 0;
}

/**
 * First of `items[from..to)`, all inside the node at `path`, that does not
 * reach its left child; bit `depth` of `path` is 0. Internal.
 */
export function leftEnd(
  items: readonly Item[],
  from: number,
  to: number,
  path: Uint8Array,
  depth: number,
): number {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (inside(items[middle], path, depth + 1, depth)) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Sets bit `index` of `path` to `bit`. Internal. */
export function setBit(path: Uint8Array, index: number, bit: number): void {
  const mask = 0x80 >> (index & 7);
  if (bit) path[index >> 3] |= mask;
  else path[index >> 3] &= ~mask;
}

/** Ranges in order, those that overlap or touch made one. Internal. */
export function mergeRanges(ranges: readonly KeyRange[]): KeyRange[] {
  const none = new Uint8Array(0);
  const order = ranges.toSorted((a, b) =>
    compareBytes(a.gte ?? none, b.gte ?? none)
  );
  const out: KeyRange[] = [];
  for (const range of order) {
    const last = out.at(-1);
    if (!last || last.lt && compareBytes(last.lt, range.gte ?? none) < 0) {
      out.push(range);
    } else if (
      last.lt && (!range.lt || compareBytes(last.lt, range.lt) < 0)
    ) out[out.length - 1] = { gte: last.gte, lt: range.lt };
  }
  return out;
}
