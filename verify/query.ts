// This module is browser compatible.

// What a proof is asked: keys and ranges, brought into one order that prover
// and verifier share. An item is a closed interval of keys; items are sorted by
// their lower ends. A node is opened if and only if an item reaches into the
// part of the key space below it.

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
  /** For the prover of a step: whether it gives the key a value. */
  sets: boolean;
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
  return { lo: key, hi: key, point: true, wanted, sets: false };
}

/** One range as an item. Internal. */
export function rangeItem(scheme: Scheme, { gte, lt }: KeyRange): Item {
  const { keyBytesMin: min, keyBytesMax: max } = scheme;
  const bound = (key: Uint8Array): Uint8Array =>
    copyBytes(key, max, min, "key");
  const lo = bound(gte ?? new Uint8Array(min));
  let hi: Uint8Array = new Uint8Array(0);
  if (lt) {
    hi = bound(lt);
    if (compareBytes(lo, hi) >= 0) fail("query");
    let last = hi.length;
    if (min === max) { while (!hi[--last]--); }
    else if (!hi[--last]) hi = hi.subarray(0, last);
    else hi[last]--;
  }
  return { lo, hi, point: false, wanted: true, sets: false };
}

/** Puts items in order of their lower ends. Internal. */
export function sortItems(items: Item[]): Item[] {
  return items.sort((a, b) => compareBytes(a.lo, b.lo));
}

/** The items of a query, copied, checked and sorted. Internal. */
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

/** Sets bit `index` of `path` to `bit`. Internal. */
export function setBit(path: Uint8Array, index: number, bit: number): void {
  const mask = 0x80 >> (index & 7);
  path[index >> 3] = path[index >> 3] & ~mask | -bit & mask;
}
