// This module is browser compatible.

// What a verified partial tree holds of a range of keys: all of it, or a
// refusal. Reads the rows anew with the range as the only item.

import { compareBytes, fail } from "./_bytes.ts";
import {
  BRANCH,
  DEPTH,
  FROM,
  HASH,
  Parser,
  ROW,
  TERMINAL,
  TO,
} from "./_tree.ts";
import {
  keyAt,
  type PartialTree,
  type Present,
  presentAt,
} from "./partial_tree.ts";
import { hidesStem } from "./_stems.ts";
import { type KeyRange, rangeItem } from "./query.ts";

/**
 * Every entry of a range, in order of keys.
 *
 * @param tree A verified partial tree that covers the range.
 * @param range The range; everything when left out.
 * @returns Keys, which are copies, with their values.
 * @throws {ProofError} `not-covered` when an entry may be missing;
 * `stem-as-branch` when one may be hidden (rule R1).
 *
 * @example Nothing is in the empty tree
 * ```ts
 * import { decodePartial, entries, nomtBlake3 } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]);
 * const tree = decodePartial(nomtBlake3, new Uint8Array(32), proof);
 * assertEquals(entries(tree), []);
 * ```
 */
export function entries(
  tree: PartialTree,
  range: KeyRange = {},
): [key: Uint8Array, value: Present][] {
  const { scheme, data, start } = tree;
  const item = rangeItem(scheme, range);
  const { gte, lt } = range;
  const rows = new Parser(scheme, data, start, [item]).run();
  const out: [Uint8Array, Present][] = [];
  let stem = new Uint8Array(0);
  for (let row = 0; row < rows.length; row += ROW) {
    const kind = rows[row];
    if (rows[row + FROM] >= rows[row + TO]) continue;
    if (kind === HASH) fail("not-covered");
    if (
      kind === BRANCH && rows[row + ROW] === HASH &&
      scheme.rules.isSlot && hidesStem(tree, row, item.lo, item.hi)
    ) fail("stem-as-branch");
    if (kind !== TERMINAL) continue;
    let key = keyAt(tree, row).slice();
    if (scheme.rules.isSlot?.(rows, row)) {
      key = new Uint8Array(32);
      key.set(stem);
      key[31] = rows[row + DEPTH];
    } else if (scheme.rules.isSlot) {
      stem = key;
      continue;
    }
    const outside = gte && compareBytes(key, gte) < 0 ||
      lt && compareBytes(key, lt) >= 0;
    if (!outside) out.push([key, presentAt(tree, row)]);
  }
  return out;
}
