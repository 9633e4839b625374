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
  EMPTY,
  FROM,
  HASH,
  Parser,
  ROW,
  SIZE,
  TERMINAL,
  TO,
  VALUE_MAX,
} from "./_tree.ts";
import type { Item } from "./query.ts";
import { copyKey, inside } from "./query.ts";
import type { Scheme } from "./scheme.ts";
import { bitAt, ZERO } from "./scheme.ts";

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
export interface PartialTree {
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
  /** Hash of each node; the first is the root. Internal. */
  readonly hashes: readonly Uint8Array[];
  /**
   * What the tree knows of `key`: the value, or that the key is absent, or
   * that the tree cannot say. Throws `ProofError`: `input` or `key` for what is
   * no key of the scheme, `zero-stem` and `stem-as-branch` for absences that
   * rules R4 and R1 refuse.
   */
  readonly get: (key: Uint8Array) => Verdict;
}

/** Reads the tree at `start` of `data` and hashes it. Internal. */
export function readTree(
  scheme: Scheme,
  data: Uint8Array,
  start: number,
  items: readonly Item[],
): PartialTree {
  const hashes: Uint8Array[] = [];
  const tree: PartialTree = {
    scheme,
    data,
    start,
    items,
    rows: new Parser(scheme, data, start, items).run(),
    hashes,
    get: (key) => lookUp(tree, copyKey(scheme, key)),
  };
  hashRows(tree, hashes);
  return tree;
}

/** Key, or stem, of the terminal at `row`; a view. Internal. */
export function keyAt({ rows, data }: PartialTree, row: number): Uint8Array {
  return data.subarray(rows[row + AT], valueAt(rows, row));
}

/** Offset of the value, or of its hash, at `row`. Internal. */
export function valueAt(rows: Int32Array, row: number): number {
  return rows[row + AT] + rows[row + BITS];
}

/** The value, or its hash, of the terminal at `row`; a view. Internal. */
export function valueOf({ rows, data }: PartialTree, row: number): Uint8Array {
  const at = valueAt(rows, row);
  const size = rows[row + SIZE];
  return data.subarray(at, at + (size < 0 ? 32 : size));
}

/** `PartialTree.get` of a key that was checked. Internal. */
export function lookUp(tree: PartialTree, key: Uint8Array): Verdict {
  const { rows, scheme: { rules } } = tree;
  let row = 0;
  for (;;) {
    if (rows[row] === HASH) return { status: "not covered" };
    const next = (rules.step ?? stepRow)(tree, row, key);
    if (next === row) return presentAt(tree, row);
    if (next < 0) {
      rules.absent?.(tree, key);
      return { status: "absent" };
    }
    row = next;
  }
}

/**
 * Where the path of `key` goes on from `row`: a child; `row` itself, the
 * terminal of `key`; -1, nowhere. Internal.
 */
export function stepRow(
  tree: PartialTree,
  row: number,
  key: Uint8Array,
): number {
  const { rows } = tree;
  if (rows[row] === BRANCH) {
    return bitAt(key, rows[row + DEPTH]) ? rows[row + SIZE] : row + ROW;
  }
  return rows[row] && !compareBytes(keyAt(tree, row), key) ? row : -1;
}

/** The verdict that the terminal or slot leaf at `row` gives. Internal. */
export function presentAt(tree: PartialTree, row: number): Present {
  const { rows, scheme } = tree;
  const bytes = valueOf(tree, row).slice();
  const held = rows[row + SIZE] >= 0;
  const max = heldMax(tree, row);
  return {
    status: "present",
    value: held ? bytes : undefined,
    valueHash: held ? undefined : bytes,
    matches: (value) =>
      held
        ? !compareBytes(value, bytes)
        : value.length > max && !compareBytes(scheme.hash(value), bytes),
  };
}

/** Longest value that would stand at `row`, and not its hash. Internal. */
export function heldMax(tree: PartialTree, row: number): number {
  const { rows, items, scheme } = tree;
  const key = keyAt(tree, row);
  for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
    if (items[i].wanted && inside(items[i], key, 8 * key.length)) {
      return VALUE_MAX;
    }
  }
  return scheme.rules.embedMax;
}

/** Hash of every node, children before parents. */
function hashRows(tree: PartialTree, hashes: Uint8Array[]): void {
  const { rows, data, scheme: { rules } } = tree;
  hashes.length = rows.length / ROW;
  for (let row = rows.length; row;) {
    row -= ROW;
    const kind = rows[row];
    const at = rows[row + AT];
    let hash = ZERO;
    if (kind === HASH) {
      hash = data.subarray(at, at + 32);
      if (!compareBytes(hash, ZERO)) fail("zero-hash");
    } else if (kind === BRANCH) hash = hashBranch(tree, row);
    else if (kind) hash = (rules.hash ?? hashTerminal)(tree, row);
    hashes[row / ROW] = hash;
  }
}

function hashTerminal(tree: PartialTree, row: number): Uint8Array {
  const hashed = tree.rows[row + SIZE] < 0;
  return tree.scheme.terminal(keyAt(tree, row), valueOf(tree, row), hashed);
}

/** Hash of the branch at `row`; its children must not fit in less. */
function hashBranch(tree: PartialTree, row: number): Uint8Array {
  const { scheme: { rules, branch }, rows, data, hashes } = tree;
  const next = rows[row + SIZE];
  const [left, right] = [hashes[row / ROW + 1], hashes[next / ROW]];
  const [l, r] = [rows[row + ROW], rows[next]];
  if (
    (!l || !r) && !(l + r && rules.isSlot?.(rows, row)) &&
    (l + r === EMPTY || l + r === TERMINAL ||
      rules.tagged && (left[0] | right[0]) > 127)
  ) fail("lone");
  const bits = rows[row + BITS];
  // Where no bit counts any bytes will do; making a view takes its time.
  const prefix = bits ? data.subarray(rows[row + AT]) : left;
  return branch(left, right, prefix, bits, 0);
}
