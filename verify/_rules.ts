// This module is browser compatible.

// What a family of schemes adds to the reading of proofs. Families whose paths
// are plain (`nomt`, `jam`) need next to nothing; the rest lies beside its
// scheme, so that a bundle carries the rules of the schemes in it and no more.

import type { Parser } from "./_tree.ts";
import type { PartialTree } from "./partial_tree.ts";

/** Rules of one family; each hook stands in for the plain behaviour. */
export interface Rules {
  /** Longest value that every leaf holds itself; -1: none. */
  readonly embedMax: number;
  /** Whether the top bit of a hash tells terminals from branches. */
  readonly tagged?: boolean;
  /** Checks a key that is asked for. */
  readonly key?: (key: Uint8Array) => void;
  /** Reads what stands in a branch besides its children; checks its depth. */
  readonly branch?: (parser: Parser, row: number) => void;
  /** Reads a terminal; false when a slot tree follows. */
  readonly terminal?: (parser: Parser, row: number) => boolean;
  /** Checks an empty or hashed child. */
  readonly leaf?: (parser: Parser, row: number, kind: number) => void;
  /** Hash of the terminal at `row`, those of the rows after it being known. */
  readonly hash?: (tree: PartialTree, row: number) => Uint8Array;
  /** Whether `row` is part of a slot tree, where leaves do not move up. */
  readonly isSlot?: (rows: Int32Array, row: number) => boolean;
  /** Where the path of `key` goes on from `row`; see `stepRow`. */
  readonly step?: (tree: PartialTree, row: number, key: Uint8Array) => number;
  /** Refuses an absence of `key` that the tree cannot carry. */
  readonly absent?: (tree: PartialTree, key: Uint8Array) => void;
  /** Throws unless the tree opens what its items and `needs` ask, no more. */
  readonly check?: (tree: PartialTree, needs?: Uint8Array) => void;
}
