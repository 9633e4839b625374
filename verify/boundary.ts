// This module is browser compatible.

// Range proofs in the form that JAM nodes exchange: the 64-byte nodes on the
// paths to both ends of a range of keys ("boundary nodes"). Whoever has the
// entries of the range rebuilds everything between them.

import { fail } from "./_bytes.ts";
import { jamBranchNode, jamLeafNode } from "./_jam.ts";
import { BRANCH, HASH, ROW, SIZE, TERMINAL } from "./_tree.ts";
import { keyAt, type PartialTree, stepRow, valueOf } from "./partial_tree.ts";
import { copyKey } from "./query.ts";

/**
 * The nodes on the paths to `first` and `last`, each once, parents before
 * children and left before right.
 *
 * @param tree A verified partial tree of a `jam` scheme that covers both keys.
 * @param first First key of the range, 31 bytes.
 * @param last Last key of the range, 31 bytes.
 * @returns Nodes of 64 bytes, fresh.
 * @throws {ProofError} `not-covered` when the tree does not hold both paths;
 * `scheme` when it is of another family.
 *
 * @example The empty tree has none
 * ```ts
 * import { boundaryNodes, decodePartial, jamBlake2b } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 3, 0, 0, 0, 1, 0]);
 * const tree = decodePartial(jamBlake2b, new Uint8Array(32), proof);
 * const key = new Uint8Array(31);
 * assertEquals(boundaryNodes(tree, key, key), []);
 * ```
 */
export function boundaryNodes(
  tree: PartialTree,
  first: Uint8Array,
  last: Uint8Array,
): Uint8Array[] {
  const { rows, hashes, scheme } = tree;
  if (scheme.family !== "jam") fail("scheme");
  const onPath = new Set<number>();
  for (const key of [first, last]) {
    const bytes = copyKey(scheme, key);
    let row = 0;
    for (let next = 0; next >= 0; row = next) {
      if (rows[next] === HASH) fail("not-covered");
      onPath.add(row = next);
      next = stepRow(tree, row, bytes);
      if (next === row) break;
    }
  }
  const out: Uint8Array[] = [];
  for (const row of [...onPath].sort((a, b) => a - b)) {
    if (rows[row] === BRANCH) {
      const right = rows[row + SIZE] / ROW;
      out.push(jamBranchNode(hashes[row / ROW + 1], hashes[right]));
    } else if (rows[row] === TERMINAL) {
      const hashed = rows[row + SIZE] < 0;
      const value = valueOf(tree, row);
      out.push(jamLeafNode(scheme.hash, keyAt(tree, row), value, hashed));
    }
  }
  return out;
}
