// This module is browser compatible.

// Uniqueness: of all well-formed trees with the right root, only the one that
// opens exactly what was asked passes. A node is opened when an item reaches
// it. Beyond that, one terminal (`eip7864`: the lowest present slot below) or
// one level is opened where a rule needs to see of what kind a node is, and
// only if nothing else shows it (rules R1, R2, R5 and the survivors of deletes).

import { fail } from "./_bytes.ts";
import {
  BRANCH,
  EMPTY,
  FROM,
  HASH,
  KIND,
  ROW,
  SIZE,
  TERMINAL,
  TO,
  VALUE_MAX,
} from "./_tree.ts";
import type { PartialTree } from "./partial_tree.ts";
import { hidesStem, isSlot, keyAt } from "./partial_tree.ts";
import { inside } from "./query.ts";

/** Nothing is opened below the node. */
const CLOSED = 0;
/** Its kind is shown, by what was asked or by what a rule needs. */
const SHOWN = 1;
/** Opened without having been asked for; a rule must need it. */
const EXTRA = 2;

/**
 * Throws unless `tree` is the one encoding for its items. `needs` has a 1 for
 * each node whose kind the writes of a witness need to see, and do see. Internal.
 */
export function checkCanonical(tree: PartialTree, needs?: Uint8Array): void {
  const { rows, scheme } = tree;
  const stems = scheme.family === "eip7864";
  const states = new Uint8Array(rows.length / ROW);
  for (let i = states.length; i--;) {
    const row = i * ROW;
    const kind = rows[row + KIND];
    const asked = rows[row + FROM] < rows[row + TO];
    if (kind === HASH) {
      if (asked) fail("unopened", "A node that was asked for is not opened");
    } else if (kind === BRANCH) {
      states[i] = branchState(tree, row, asked, states, needs);
    } else if (kind === TERMINAL) {
      states[i] = asked ? SHOWN : EXTRA;
      if (!stems) checkForm(tree, row);
    }
  }
  if (states[0] === EXTRA) fail("unasked", "A node is opened without need");
}

function branchState(
  tree: PartialTree,
  row: number,
  asked: boolean,
  states: Uint8Array,
  needs?: Uint8Array,
): number {
  const { rows, scheme } = tree;
  const stems = scheme.family === "eip7864";
  const left = row / ROW + 1;
  const right = rows[row + SIZE] / ROW;
  if (stems && isHidden(tree, row)) {
    if (!states[left]) fail("stem-as-branch", "A stem stands as a branch");
    states[left] = SHOWN;
  }
  if (needs?.[left]) states[left] = SHOWN;
  if (needs?.[right]) states[right] = SHOWN;
  const extra = +(states[left] === EXTRA) + +(states[right] === EXTRA);
  let state = asked ? SHOWN : EXTRA;
  if (stems) {
    state = Math.max(states[left], states[right]);
    if (
      extra && states[left] + states[right] > EXTRA ||
      states[right] === EXTRA && rows[row + ROW] !== EMPTY ||
      !asked && !extra
    ) fail("unasked", "A node is opened without need");
  } else if (extra) fail("unasked", "A node is opened without need");
  return state;
}

/** Rule R1 for the branch at `row` and whatever was asked below it. */
function isHidden(tree: PartialTree, row: number): boolean {
  const { rows, items } = tree;
  if (rows[row + ROW + FROM] < rows[row + ROW + TO]) return false;
  for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
    if (hidesStem(tree, row, items[i].lo, items[i].hi)) return true;
  }
  return false;
}

/** Values stand where they are wanted and not too long; else their hashes. */
function checkForm(tree: PartialTree, row: number): void {
  const { rows, items, scheme } = tree;
  if (scheme.valueBytes) return;
  const key = keyAt(tree, row);
  let max = scheme.family === "jam" ? 32 : -1;
  for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
    if (items[i].wanted && inside(items[i], key, 8 * key.length, 0)) {
      max = VALUE_MAX;
    }
  }
  if (rows[row + SIZE] > max) fail("form", "A value stands unasked");
}
