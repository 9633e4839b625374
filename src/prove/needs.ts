// This module is browser compatible.

// Which nodes a witness must open beyond what was read and written, because
// the writes move them or depend on their kind (docs/proofs.md, "Survivors").
// A node must be shown when its sibling goes away; in the `eip7864` family also
// when a sibling comes to be, and there a terminal below it shows it. Decided
// bottom up over the nodes that the items reach; iterative.

import type { Item } from "@stemma/verify/encoding";
import { compareBytes, inside, leftEnd, setBit } from "@stemma/verify/encoding";
import { bitAt } from "@stemma/verify";
import type { ProvableTree } from "./tree.ts";

/** A write as an item: its key, and whether it sets a value. */
export interface WriteItem extends Item {
  /** False: the key is deleted. */
  readonly sets: boolean;
}

/** A node that items reach. */
interface Visit {
  readonly node: number;
  readonly top: number;
  readonly side: 0 | 1;
  readonly parent: Visit | undefined;
  /** The items that reach the node: a run of the list. */
  from: number;
  to: number;
  /** The writes among them: a run of theirs. */
  writesFrom: number;
  writesTo: number;
  /** Joins: depth; terminals: -1. */
  readonly join: number;
  /** Children that items reach. */
  left: Visit | undefined;
  right: Visit | undefined;
  /** Whether a write puts a new key beside what is there. */
  inserted: boolean;
  /** Whether nothing is left of the node. */
  empty: boolean;
  /** Whether a terminal below is open. */
  shown: boolean;
}

/**
 * The nodes whose kind `writes` need and that `items` do not show already.
 *
 * @param tree The version before the writes.
 * @param items Everything read or written, in order.
 * @param writes The writes, in order.
 * @returns Handles of nodes.
 */
export function findNeeds(
  tree: ProvableTree,
  items: readonly Item[],
  writes: readonly WriteItem[],
): Set<number> {
  const needs = new Set<number>(), { family } = tree.scheme;
  const mayNeed = family === "eip7864" ||
    family !== "nomt" && writes.some(({ sets }) => !sets);
  if (!mayNeed || tree.root() === 0) return needs;
  const visits = new Walk(tree, items, writes).run();
  for (let i = visits.length; i--;) decide(tree, visits[i], needs);
  return needs;
}

/** Lists the nodes that items reach, parents first. */
class Walk {
  readonly #tree: ProvableTree;
  readonly #items: readonly Item[];
  readonly #writes: readonly WriteItem[];
  readonly #path: Uint8Array;
  readonly #hasFixedKeys: boolean;
  readonly #visits: Visit[] = [];
  readonly #stack: Visit[] = [];

  constructor(
    tree: ProvableTree,
    items: readonly Item[],
    writes: readonly WriteItem[],
  ) {
    const { keyBytesMin, keyBytesMax } = tree.scheme;
    this.#tree = tree;
    this.#items = items;
    this.#writes = writes;
    this.#path = new Uint8Array(keyBytesMax);
    this.#hasFixedKeys = keyBytesMin === keyBytesMax;
  }

  run(): Visit[] {
    this.#visit(0, this.#items.length, 0, this.#writes.length);
    for (let visit = this.#stack.pop(); visit; visit = this.#stack.pop()) {
      this.#visits.push(visit);
      if (visit.top) setBit(this.#path, visit.top - 1, visit.side);
      if (visit.join < 0) this.#terminal(visit);
      else this.#join(visit);
    }
    return this.#visits;
  }

  /** Puts the root, or a child, on the stack if something reaches it. */
  #visit(
    from: number,
    to: number,
    writesFrom: number,
    writesTo: number,
    parent?: Visit,
    side: 0 | 1 = 0,
  ): Visit | undefined {
    if (from >= to) return undefined;
    const tree = this.#tree;
    const node = parent === undefined
      ? tree.root()
      : tree.child(parent.node, side);
    const visit: Visit = {
      node,
      top: parent === undefined ? 0 : parent.join + 1,
      side,
      parent,
      from,
      to,
      writesFrom,
      writesTo,
      join: tree.depth(node),
      left: undefined,
      right: undefined,
      inserted: false,
      empty: false,
      shown: false,
    };
    this.#stack.push(visit);
    return visit;
  }

  #terminal(visit: Visit): void {
    const key = this.#tree.key(visit.node), { writesFrom, writesTo } = visit;
    for (let i = writesFrom; i < writesTo; i++) {
      const { lo, sets } = this.#writes[i];
      if (sets) visit.inserted = true;
      else if (!compareBytes(lo, key)) visit.empty = true;
    }
    visit.empty &&= !visit.inserted;
  }

  #join(visit: Visit): void {
    this.#trim(visit);
    const { from, to, writesFrom, writesTo, join } = visit;
    if (from >= to) return;
    const items = this.#items, path = this.#path;
    setBit(path, join, 0);
    const middle = leftEnd(items, from, to, path, join);
    const cut = leftEnd(this.#writes, writesFrom, writesTo, path, join);
    setBit(path, join, 1);
    let start = middle;
    if (start > from && !items[start - 1].point) {
      start -= +inside(items[start - 1], path, join + 1);
    }
    visit.left = this.#visit(from, middle, writesFrom, cut, visit, 0);
    visit.right = this.#visit(start, to, cut, writesTo, visit, 1);
  }

  /** Lets go of what leaves the tree above a join; notes new keys among it. */
  #trim(visit: Visit): void {
    const { node, top, join } = visit, items = this.#items;
    if (top === join && this.#hasFixedKeys) return;
    if (top < join) {
      const key = this.#tree.someKey(node);
      for (let bit = top; bit < join; bit++) {
        setBit(this.#path, bit, bitAt(key, bit));
      }
    }
    const leaves = (item: Item): boolean => !this.#goesOn(item, join);
    while (visit.from < visit.to && leaves(items[visit.from])) visit.from++;
    while (visit.from < visit.to && leaves(items[visit.to - 1])) visit.to--;
    const writes = this.#writes;
    const isNew = ({ sets }: WriteItem): boolean => visit.inserted ||= sets;
    while (
      visit.writesFrom < visit.writesTo && leaves(writes[visit.writesFrom])
    ) isNew(writes[visit.writesFrom++]);
    while (
      visit.writesFrom < visit.writesTo && leaves(writes[visit.writesTo - 1])
    ) isNew(writes[--visit.writesTo]);
  }

  /** Whether an item, if it reaches the node, goes on below its join. */
  #goesOn(item: Item, join: number): boolean {
    return inside(item, this.#path, join) &&
      (!item.point || 8 * item.lo.length > join);
  }
}

/** Decides one node, its children being decided. */
function decide(tree: ProvableTree, visit: Visit, needs: Set<number>): void {
  const { join, left, right, node, parent } = visit;
  const stems = tree.scheme.family === "eip7864";
  if (join < 0) {
    visit.shown = true;
    return;
  }
  const isLeftGone = !!left?.empty, isRightGone = !!right?.empty;
  visit.shown = !!left?.shown || !!right?.shown;
  visit.empty = isLeftGone && isRightGone && !visit.inserted;
  if (stems && join >= 248) {
    visit.shown ||= !parent || parent.join < 248;
    return;
  }
  if (isLeftGone !== isRightGone) {
    const side = isLeftGone ? 1 : 0;
    const child = side === 0 ? left : right;
    if (stems ? !child?.shown : !child) {
      needs.add(tree.child(node, side));
      visit.shown = true;
    }
  }
  const isGone = isLeftGone && isRightGone;
  if (stems && visit.inserted && !visit.shown && !isGone) {
    needs.add(node);
    visit.shown = true;
  }
}
