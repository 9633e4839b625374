// This module is browser compatible.

// The classic form of a proof of one key: siblings and directions, for other
// verifiers. It carries none of the checks of the pruned tree.

import { fail } from "./_bytes.ts";
import { BRANCH, DEPTH, HASH, ROW, SIZE } from "./_tree.ts";
import { type PartialTree, stepRow } from "./partial_tree.ts";
import { copyKey } from "./query.ts";

/** One branching node on the path of a key. */
export interface PathStep {
  /** Depth at which the node parts its keys: the bit of the key that counts. */
  readonly depth: number;
  /** The side that the path takes: 0 left, 1 right. */
  readonly side: 0 | 1;
  /** Hash of the child on the other side, 32 bytes, a copy; may be zero. */
  readonly sibling: Uint8Array;
}

/** Path of a key, from the root down. */
export interface SiblingPath {
  /** Branching nodes, the root first. Slots of a stem: depth 248 and below. */
  readonly steps: readonly PathStep[];
  /** Hash of the node where the path ends, 32 bytes, a copy; may be zero. */
  readonly end: Uint8Array;
}

/**
 * Siblings and directions on the path of `key`.
 *
 * @param tree A verified partial tree that covers the key.
 * @param key A key of the scheme.
 * @returns The path from the root to where the key is, or would be.
 * @throws {ProofError} `not-covered` when the tree does not hold the path.
 *
 * @example The path in an empty tree
 * ```ts
 * import { decodePartial, nomtBlake3, toPath } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]);
 * const tree = decodePartial(nomtBlake3, new Uint8Array(32), proof);
 * assertEquals(toPath(tree, new Uint8Array(32)).steps, []);
 * ```
 */
export function toPath(tree: PartialTree, key: Uint8Array): SiblingPath {
  const { rows, hashes, scheme } = tree;
  const bytes = copyKey(scheme, key);
  const steps: PathStep[] = [];
  let row = 0;
  for (;;) {
    if (rows[row] === HASH) fail("not-covered");
    const next = (scheme.rules.step ?? stepRow)(tree, row, bytes);
    if (next < 0 || next === row) break;
    if (rows[row] === BRANCH) {
      const side = next === row + ROW ? 0 : 1;
      const other = side ? row + ROW : rows[row + SIZE];
      const sibling = hashes[other / ROW].slice();
      steps.push({ depth: rows[row + DEPTH], side, sibling });
    }
    row = next;
  }
  return { steps, end: hashes[row / ROW].slice() };
}
