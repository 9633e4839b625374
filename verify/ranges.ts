// This module is browser compatible.

// Ranges as they stand in a witness: in order, and apart from one another.

import { compareBytes } from "./_bytes.ts";
import type { KeyRange } from "./query.ts";

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
