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
  point: boolean;
  /** Whether the proof gives values, not just the hashes of values. */
  wanted: boolean;
}

/**
 * Copies a key and checks its length. Internal.
 *
 * @throws {ProofError} `key` when the length is not one of the scheme's;
 * `zero-stem` (rule R4).
 */
export function copyKey(scheme: Scheme, key: unknown): Uint8Array {
  const out = copyBytes(key, scheme.keyBytesMax, scheme.keyBytesMin, "key");
  scheme.rules.key?.(out);
  return out;
}

/** One key as an item. Internal. */
export function pointItem(key: Uint8Array, wanted: boolean): Item {
  return { lo: key, hi: key, point: true, wanted };
}

/** One range as an item. Internal. */
export function rangeItem(scheme: Scheme, { gte, lt }: KeyRange): Item {
  const { keyBytesMin: min, keyBytesMax: max } = scheme;
  const bound = (key: Uint8Array): Uint8Array =>
    copyBytes(key, max, min, "key");
  const none = new Uint8Array(min);
  const lo = gte ? bound(gte) : none;
  let hi: Uint8Array = none.subarray(0, 0);
  if (lt) {
    hi = bound(lt);
    if (compareBytes(lo, hi) >= 0) fail("query");
    let length = hi.length;
    if (min < max && !hi[length - 1]) length--;
    else {
      while (!hi[length - 1]) length--;
      hi[length - 1]--;
    }
    hi = hi.subarray(0, length);
  }
  return { lo, hi, point: false, wanted: true };
}

/** Sorts items and merges those that overlap. Internal. */
export function sortItems(items: Item[]): Item[] {
  const out: Item[] = [];
  let last: Item | undefined;
  for (const item of items.sort((a, b) => compareBytes(a.lo, b.lo))) {
    const { lo, hi, point, wanted } = item;
    if (
      last &&
      (last.point
        ? !compareBytes(last.lo, lo)
        : comparePrefix(last.hi, lo, 8 * lo.length) >= 0)
    ) {
      const order = comparePrefix(last.hi, hi, 8 * hi.length) ||
        hi.length - last.hi.length;
      if (!point && (last.point || order < 0)) last.hi = hi;
      last.point &&= point;
      last.wanted ||= wanted;
    } else out.push(last = item);
  }
  return out;
}

/** The items of a query, copied, checked, sorted and merged. Internal. */
export function queryItems(scheme: Scheme, query: Query): Item[] {
  const { keys = [], ranges = [] } = query;
  return sortItems([
    ...ranges.map((range) => rangeItem(scheme, range)),
    ...keys.map((key) => pointItem(copyKey(scheme, key), true)),
  ]);
}

/**
 * Compares the first `bits` bits of `bytes` and `path`; equal too where `bytes`
 * ends first. Internal.
 */
export function comparePrefix(
  bytes: Uint8Array,
  path: Uint8Array,
  bits: number,
): number {
  for (let i = 0; i < bytes.length && 8 * i < bits; i++) {
    const shift = Math.max(0, 8 * i + 8 - bits);
    const order = (bytes[i] >> shift) - (path[i] >> shift);
    if (order) return order;
  }
  return 0;
}

/**
 * Whether `item` ends before the node at `path`, whose first `bits` bits count:
 * before every key that may stand there. Internal.
 */
export function endsBefore(
  { hi, point }: Item,
  path: Uint8Array,
  bits: number,
): boolean {
  const order = comparePrefix(hi, path, bits);
  return order < 0 || !order && point && bits > 8 * hi.length;
}

/** Whether `item` reaches below the node at `path`. Internal. */
export function inside(item: Item, path: Uint8Array, bits: number): boolean {
  return comparePrefix(item.lo, path, bits) <= 0 &&
    !endsBefore(item, path, bits);
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
    if (inside(items[middle], path, depth + 1)) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Sets bit `index` of `path` to `bit`. Internal. */
export function setBit(path: Uint8Array, index: number, bit: number): void {
  const mask = 0x80 >> (index & 7);
  path[index >> 3] = path[index >> 3] & ~mask | -bit & mask;
}
