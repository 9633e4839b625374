// This module is browser compatible.

// What the proof encoder asks of a version of a tree. Handles stand for nodes
// of the path-compressed tree: terminals, and joins of two subtrees.

import type { Scheme } from "@stemma/verify";

/** One version of a path-compressed tree, as the proof encoder reads it. */
export interface ProvableTree {
  /** How the tree is hashed. */
  readonly scheme: Scheme;
  /** Handle of the topmost node; 0 when the tree is empty. */
  root(): number;
  /**
   * Depth at which the children of a join part; -1 for a terminal. In the
   * `eip7864` family terminals are single values and joins at depth 248 and
   * below part slots of one stem.
   */
  depth(node: number): number;
  /** Handle of a child of a join. */
  child(node: number, side: 0 | 1): number;
  /**
   * Writes the hash of a node, 32 bytes: of a terminal its hash; of a join its
   * hash lifted to one below its parent's depth, or to 0 (`eip8297`: with the
   * prefix from there). In the `eip7864` family a node whose parent join is at
   * depth 248 or below gives its slot hash lifted to one below the parent's
   * depth, and the topmost node of a stem the hash of the stem.
   */
  hash(node: number, out: Uint8Array, at: number): void;
  /** Key of a terminal; a view, valid until the next call. */
  key(node: number): Uint8Array;
  /** Key of any terminal below a node; a view, valid until the next call. */
  someKey(node: number): Uint8Array;
  /** Bytes of a terminal's value. */
  valueLength(node: number): number;
  /** Value of a terminal; a view, valid until the next call. */
  value(node: number): Uint8Array;
  /** H(value) of a terminal, 32 bytes; a view, valid until the next call. */
  valueHash(node: number): Uint8Array;
}

/** Key of the lowest terminal below `node`, a copy. */
export function lowestKey(tree: ProvableTree, node: number): Uint8Array {
  while (tree.depth(node) >= 0) node = tree.child(node, 0);
  return tree.key(node).slice();
}
