// This module is browser compatible.

// A verified pruned tree: what it shows of one root, and nothing more. Every
// node's hash was recomputed from its bytes; what a key's path does not reach
// is "not covered", never "absent".

import { compareBytes, fail } from "./_bytes.ts";
import {
  AT,
  BITS,
  BRANCH,
  DEPTH,
  FROM,
  HASH,
  KIND,
  parseTree,
  ROW,
  SIZE,
  TERMINAL,
  TO,
  VALUE_MAX,
} from "./_tree.ts";
import type { Item } from "./query.ts";
import { comparePrefix, copyKey } from "./query.ts";
import type { Scheme } from "./scheme.ts";
import { bitAt, packBits, ZERO } from "./scheme.ts";

/** A value that is proven to be stored under a key. */
export interface Present {
  /** Says that the key is there. */
  readonly status: "present";
  /** The value, a copy; `undefined` when the proof holds only its hash. */
  readonly value: Uint8Array | undefined;
  /** H(value), 32 bytes, a copy, when the proof holds only the hash. */
  readonly valueHash: Uint8Array | undefined;
  /**
   * Whether `value` is the stored one. For a key that the proof was asked for
   * only a value over 1 KiB can match a hash: shorter ones stand in the proof.
   */
  readonly matches: (value: Uint8Array) => boolean;
}

/** What a partial tree knows of a key. */
export type Verdict =
  | Present
  | { readonly status: "absent" }
  | { readonly status: "not covered" };

/**
 * The part of a tree that a proof opened. Made by `verify`, `verifyKey`,
 * `decodePartial` and `verifyWitness`.
 *
 * @example Ask for keys
 * ```ts
 * import { decodePartial, nomtBlake3 } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * // The proof of an empty tree: version, scheme, one byte of tags, no node.
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]);
 * const tree = decodePartial(nomtBlake3, new Uint8Array(32), proof);
 * assertEquals(tree.get(new Uint8Array(32)).status, "absent");
 * ```
 */
export class PartialTree {
  /** The scheme that it was verified under. */
  readonly scheme: Scheme;
  /** Bytes that the tree was read from. Internal. */
  readonly data: Uint8Array;
  /** Offset of the tree in them. Internal. */
  readonly start: number;
  /** What was asked, in order. Internal. */
  readonly items: readonly Item[];
  /** One row a node, in pre-order. Internal. */
  readonly rows: Int32Array;
  /** Hash of each node. Internal. */
  readonly hashes: Uint8Array[];

  /** Reads and hashes a tree. Internal: use `decodePartial`. */
  constructor(
    scheme: Scheme,
    data: Uint8Array,
    start: number,
    items: readonly Item[],
    nodesMax: number,
  ) {
    this.scheme = scheme;
    this.data = data;
    this.start = start;
    this.items = items;
    this.rows = parseTree(scheme, data, start, items, nodesMax);
    this.hashes = hashRows(this);
  }

  /** Root of the tree, 32 bytes, a copy. */
  get root(): Uint8Array {
    return this.hashes[0].slice();
  }

  /**
   * What the tree knows of `key`.
   *
   * @param key A key of the scheme.
   * @returns The value, or that the key is absent, or that the tree cannot say.
   * @throws {ProofError} `key` for a key that the scheme does not have;
   * `zero-stem` and `stem-as-branch` for absences that rules R4 and R1 refuse.
   */
  get(key: Uint8Array): Verdict {
    return lookUp(this, copyKey(this.scheme, key));
  }
}

/** Key, or stem, of the terminal at `row`; a view. Internal. */
export function keyAt({ rows, data }: PartialTree, row: number): Uint8Array {
  return data.subarray(rows[row + AT], valueAt(rows, row));
}

/** Offset of the value, or of its hash, at `row`. Internal. */
export function valueAt(rows: Int32Array, row: number): number {
  return rows[row + AT] + rows[row + BITS];
}

/** Whether the branch or leaf at `row` is of a stem's slot tree. Internal. */
export function isSlot({ scheme, rows }: PartialTree, row: number): boolean {
  return scheme.family === "eip7864" &&
    rows[row + DEPTH] > (rows[row + KIND] === BRANCH ? 247 : 248);
}

/**
 * Rule R1: whether the left child of the branch at `row` reads as the stem of
 * a key in [lo, hi], so that the "branch" may be that stem's node. Internal.
 */
export function hidesStem(
  { rows, hashes }: PartialTree,
  row: number,
  lo: Uint8Array,
  hi: Uint8Array,
): boolean {
  const left = hashes[row / ROW + 1];
  return !left[31] && rows[row + ROW] > 0 && rows[row + DEPTH] < 248 &&
    comparePrefix(lo, left, 248) <= 0 && comparePrefix(hi, left, 248) >= 0;
}

/** {@linkcode PartialTree.get} of a key already copied. Internal. */
function lookUp(tree: PartialTree, key: Uint8Array): Verdict {
  const { rows, scheme } = tree;
  const stems = scheme.family === "eip7864";
  let row = 0;
  let hidden = false;
  for (;;) {
    const kind = rows[row];
    if (kind === HASH) return { status: "not covered" };
    if (kind === BRANCH && isOnPath(tree, row, key)) {
      const turn = bitAt(key, rows[row + DEPTH]);
      if (stems && turn && rows[row + ROW] === HASH) {
        hidden ||= hidesStem(tree, row, key, key);
      }
      row = turn ? rows[row + SIZE] : row + ROW;
    } else if (kind === TERMINAL && isSlot(tree, row)) {
      return present(tree, row);
    } else if (
      kind === TERMINAL &&
      !compareBytes(keyAt(tree, row), stems ? key.subarray(0, 31) : key)
    ) {
      if (!stems) return present(tree, row);
      row += ROW;
    } else {
      if (hidden) fail("stem-as-branch", "A stem stands as a branch");
      return { status: "absent" };
    }
  }
}

/** Whether `key` shares the prefix of the branch at `row` and outlasts it. Internal. */
export function isOnPath(
  { rows, data }: PartialTree,
  row: number,
  key: Uint8Array,
): boolean {
  const bits = rows[row + BITS];
  const depth = rows[row + DEPTH];
  const at = rows[row + AT];
  return 8 * key.length > depth && !(bits && compareBytes(
    packBits(key, depth - bits, bits),
    data.subarray(at, at + ((bits + 7) >> 3)),
  ));
}

/** The verdict that the terminal or slot leaf at `row` gives. */
function present(
  { rows, data, items, scheme }: PartialTree,
  row: number,
): Present {
  const at = valueAt(rows, row);
  const size = rows[row + SIZE];
  const found = data.slice(at, at + (size < 0 ? 32 : size));
  if (size >= 0) {
    return {
      status: "present",
      value: found,
      valueHash: undefined,
      matches: (value) => !compareBytes(value, found),
    };
  }
  let min = scheme.family === "jam" ? 32 : -1;
  for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
    if (items[i].wanted) min = VALUE_MAX;
  }
  return {
    status: "present",
    value: undefined,
    valueHash: found,
    matches: (value) =>
      value.length > min && !compareBytes(scheme.hash(value), found),
  };
}

/** Hash of every node, children before parents; checks what pairs up. */
function hashRows(tree: PartialTree): Uint8Array[] {
  const { scheme, rows, data } = tree;
  const hashes: Uint8Array[] = new Array(rows.length / ROW);
  const stems = scheme.family === "eip7864";
  let opened = false;
  for (let row = rows.length - ROW, i = hashes.length; i--; row -= ROW) {
    const kind = rows[row];
    const at = rows[row + AT];
    let hash = ZERO;
    if (kind === HASH) hash = data.subarray(at, at + 32);
    else if (kind === BRANCH) hash = hashBranch(tree, row, hashes);
    else if (kind === TERMINAL) {
      if (!stems) {
        const value = valueAt(rows, row);
        const size = rows[row + SIZE];
        hash = scheme.terminal(
          data.subarray(at, value),
          data.subarray(value, value + (size < 0 ? 32 : size)),
          size < 0,
        );
      } else if (isSlot(tree, row)) {
        hash = scheme.hash(data.subarray(at, at + 32));
        opened = true;
      } else {
        if (!opened) fail("stem-unopened", "A stem opens no present slot");
        hash = scheme.terminal(data.subarray(at, at + 31), hashes[i + 1], true);
        opened = false;
      }
    }
    hashes[i] = hash;
  }
  return hashes;
}

/** Hash of the branch at `row`. */
function hashBranch(
  tree: PartialTree,
  row: number,
  hashes: Uint8Array[],
): Uint8Array {
  const { scheme, rows, data } = tree;
  const right = rows[row + SIZE];
  const leftHash = hashes[row / ROW + 1];
  const rightHash = hashes[right / ROW];
  const leftKind = rows[row + ROW];
  const rightKind = rows[right];
  if (!leftKind || !rightKind) {
    const kind = leftKind || rightKind;
    if (!kind) fail("empty", "A branch has no child");
    const only = leftKind ? leftHash : rightHash;
    if (
      !isSlot(tree, row) &&
      (kind === TERMINAL || scheme.family === "nomt" && only[0] > 127)
    ) fail("lone-terminal", "A terminal has no sibling");
  }
  const bits = rows[row + BITS];
  return scheme.branch(
    leftHash,
    rightHash,
    bits ? data.subarray(rows[row + AT]) : ZERO,
    bits,
    0,
  );
}
