// This module is browser compatible.

// Rules of the EIP-7864 family. Its nodes are untagged, so hashes alone do not
// tell a stem from a branch or a slot node: R1, R2, R4 and R5 of docs/proofs.md
// make up for that. A stem row is followed by the rows of its slot tree.

import { compareBytes, fail } from "./_bytes.ts";
import type { Rules } from "./_rules.ts";
import type { Parser } from "./_tree.ts";
import {
  AT,
  BRANCH,
  DEPTH,
  EMPTY,
  FROM,
  HASH,
  ROW,
  SIZE,
  TERMINAL,
  TO,
} from "./_tree.ts";
import { keyAt, type PartialTree, stepRow, valueOf } from "./partial_tree.ts";
import { comparePrefix } from "./query.ts";

/** Bits of a stem. */
const STEM = 248;

/** Rules of EIP-7864. */
export const stemRules: Rules = {
  embedMax: -1,
  key: checkStem,
  branch({ depth, rows }, row) {
    if (depth === STEM && !followsStem(rows, row)) fail("depth");
  },
  terminal: readTerminal,
  hash: hashTerminal,
  isSlot,
  step,
  absent: checkAbsence,
  check: checkStems,
};

/** R4: the all-zero stem proves nothing. */
function checkStem(key: Uint8Array): void {
  if (key.subarray(0, 31).every((byte) => !byte)) fail("zero-stem");
}

/** Whether the row before is a stem, so that `row` is the slot tree's top. */
function followsStem(rows: Int32Array, row: number): boolean {
  return rows[row - ROW] === TERMINAL && rows[row - ROW + DEPTH] <= STEM;
}

/** Whether `row` is a branch, leaf or empty part of a slot tree. */
function isSlot(rows: Int32Array, row: number): boolean {
  return rows[row + DEPTH] > STEM - +(rows[row] === BRANCH);
}

function readTerminal(parser: Parser, row: number): boolean {
  const { rows, depth, path } = parser;
  if (depth > STEM || followsStem(rows, row)) {
    if (depth < 256) fail("depth");
    rows[row + AT] = parser.take(32);
    rows[row + SIZE] = 32;
    rows[row + DEPTH] = depth + path[31];
    return true;
  }
  const stem = parser.key(row, 31);
  checkStem(stem);
  path.set(stem);
  parser.depth = STEM;
  return false;
}

/** R2: a stem opens a present slot, by its value, down all eight levels. */
function hashTerminal(tree: PartialTree, row: number): Uint8Array {
  const { rows, scheme, hashes } = tree;
  if (isSlot(rows, row)) return scheme.hash(valueOf(tree, row));
  let leaf = row + ROW;
  while (leaf < rows.length && rows[leaf] !== TERMINAL) leaf += ROW;
  if (!(rows[leaf + DEPTH] > STEM)) fail("stem-unopened");
  return scheme.terminal(keyAt(tree, row), hashes[row / ROW + 1], true);
}

function step(tree: PartialTree, row: number, key: Uint8Array): number {
  if (tree.rows[row] !== TERMINAL) return stepRow(tree, row, key);
  if (isSlot(tree.rows, row)) return row;
  return compareBytes(keyAt(tree, row), key.subarray(0, 31)) ? -1 : row + ROW;
}

/** R1 for an absent key: no branch on its path may be the node of its stem. */
function checkAbsence(tree: PartialTree, key: Uint8Array): void {
  const { rows } = tree;
  for (let row = 0, next = 0; next >= 0; row = next) {
    next = step(tree, row, key);
    if (
      rows[row] === BRANCH && next === rows[row + SIZE] &&
      rows[row + ROW] === HASH && hidesStem(tree, row, key, key)
    ) fail("stem-as-branch");
  }
}

/**
 * R1: whether the left child of the branch at `row` reads as the stem of a key
 * in [lo, hi], so that the "branch" may be the node of that stem.
 */
export function hidesStem(
  { rows, hashes }: PartialTree,
  row: number,
  lo: Uint8Array,
  hi: Uint8Array,
): boolean {
  const left = hashes[row / ROW + 1];
  return !left[31] && rows[row + ROW] > EMPTY && !isSlot(rows, row) &&
    comparePrefix(lo, left, STEM) <= 0 && comparePrefix(hi, left, STEM) >= 0;
}

/** A terminal below is open, by what was asked or what a rule needs. */
const SHOWN = 1;
/** Only the lowest one is, and nothing so far asks for it. */
const EXTRA = 2;

/**
 * Beyond what was asked a terminal is opened only where a rule needs one and
 * none is: in a stem (R2), beside a left child that reads as a stem that was
 * asked for (R1), in a node that writes move or join (R5, `needs`). It is the
 * lowest: every turn to the right has an empty left sibling.
 */
function checkStems(tree: PartialTree, needs?: Uint8Array): void {
  const { rows } = tree;
  const states = new Uint8Array(rows.length / ROW);
  for (let i = states.length; i--;) {
    const row = i * ROW;
    const asked = rows[row + FROM] < rows[row + TO];
    if (rows[row] === TERMINAL) states[i] = asked ? SHOWN : EXTRA;
    if (rows[row] === BRANCH) {
      const right = rows[row + SIZE];
      if (reachesHidden(tree, row)) {
        if (!states[i + 1]) fail("stem-as-branch");
        states[i + 1] = SHOWN;
      }
      const [l, r] = [states[i + 1], states[right / ROW]];
      states[i] = Math.max(l, r);
      if (
        l && r && l + r > SHOWN + SHOWN ||
        r === EXTRA && rows[row + ROW] !== EMPTY ||
        !asked && states[i] !== EXTRA
      ) fail("unasked");
    }
    if (needs?.[i]) states[i] = SHOWN;
  }
  if (states[0] === EXTRA) fail("unasked");
}

/** Whether R1 asks to see the left child of the branch at `row`. */
function reachesHidden(tree: PartialTree, row: number): boolean {
  const { rows, items } = tree;
  if (rows[row + ROW + FROM] < rows[row + ROW + TO]) return false;
  for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
    if (hidesStem(tree, row, items[i].lo, items[i].hi)) return true;
  }
  return false;
}
