// This module is browser compatible.

// Uniqueness: of all well-formed trees with the right root, only the one that
// opens exactly what was asked passes. A node is opened when an item reaches
// it; beyond that one level where the writes of a witness move a node whose
// kind its hash does not tell. Stems follow rules of their own (_stems.ts).

import { fail } from "./_bytes.ts";
import { FROM, HASH, ROW, SIZE, TERMINAL, TO } from "./_tree.ts";
import type { PartialTree } from "./partial_tree.ts";
import { heldMax } from "./partial_tree.ts";

/**
 * Throws unless `tree` is the one encoding for its items. `needs` has a 1 for
 * each node whose kind the writes of a witness need to see. Internal.
 */
export function checkCanonical(tree: PartialTree, needs?: Uint8Array): void {
  const { rows, scheme: { rules, valueBytes } } = tree;
  for (let row = 0; row < rows.length; row += ROW) {
    const kind = rows[row];
    const asked = rows[row + FROM] < rows[row + TO];
    if (kind === HASH && asked) fail("unopened");
    if (rules.check || kind <= HASH) continue;
    if (!asked && !needs?.[row / ROW]) fail("unasked");
    if (kind !== TERMINAL || valueBytes) continue;
    if (rows[row + SIZE] > heldMax(tree, row)) fail("form");
  }
  rules.check?.(tree, needs);
}
