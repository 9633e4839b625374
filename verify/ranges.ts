// This module is browser compatible.

// For writers of proofs: ranges and items made disjoint, so that the items that
// reach a node are one run of a list, which halves on the way down.

import { compareBytes } from "./_bytes.ts";
import { comparePrefix, inside, type Item, type KeyRange } from "./query.ts";

/** Makes sorted items disjoint: those that overlap become one. Internal. */
export function mergeItems(items: readonly Item[]): Item[] {
  const out: Item[] = [];
  let last: Item | undefined;
  for (const item of items) {
    const { lo, hi, point, wanted, sets } = item;
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
      last.sets ||= sets;
    } else out.push(last = { lo, hi, point, wanted, sets });
  }
  return out;
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
    if (goesLeft(items[middle], path, depth)) from = middle + 1;
    else to = middle;
  }
  return from;
}

function goesLeft(item: Item, path: Uint8Array, depth: number): boolean {
  const { lo, point } = item;
  // What is inside the node has its path, so one bit of a key tells.
  return point && depth < 8 * lo.length
    ? (lo[depth >> 3] & 0x80 >> (depth & 7)) === 0
    : inside(item, path, depth + 1);
}

/** Ranges in order, those that overlap or touch made one. Internal. */
export function mergeRanges(ranges: readonly KeyRange[]): KeyRange[] {
  const none = new Uint8Array(0);
  const out: KeyRange[] = [];
  for (
    const range of ranges.toSorted((a, b) =>
      compareBytes(a.gte ?? none, b.gte ?? none)
    )
  ) {
    const last = out.at(-1);
    if (!last || last.lt && compareBytes(last.lt, range.gte ?? none) < 0) {
      out.push(range);
    } else if (
      last.lt && (!range.lt || compareBytes(last.lt, range.lt) < 0)
    ) out[out.length - 1] = { gte: last.gte, lt: range.lt };
  }
  return out;
}
