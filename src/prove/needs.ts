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
  readonly items: readonly [from: number, to: number];
  readonly writes: readonly [from: number, to: number];
  readonly side: number;
  readonly parent: Visit | undefined;
  /** Joins: depth; terminals: -1. */
  join: number;
  /** Children that items reach. */
  readonly children: [Visit?, Visit?];
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
  const needs = new Set<number>();
  if (tree.scheme.family === "nomt" || tree.root() === 0) return needs;
  const visits = new Walk(tree, items, writes).run();
  for (let i = visits.length; i--;) decide(tree, visits[i], needs);
  return needs;
}

/** Lists the nodes that items reach, parents first. */
class Walk {
  readonly #path: Uint8Array;
  readonly #visits: Visit[] = [];

  constructor(
    readonly tree: ProvableTree,
    readonly items: readonly Item[],
    readonly writes: readonly WriteItem[],
  ) {
    this.#path = new Uint8Array(tree.scheme.keyBytesMax);
  }

  run(): Visit[] {
    const stack: Visit[] = [];
    const { items, writes } = this;
    const all = [[0, items.length], [0, writes.length]] as const;
    if (items.length) {
      stack.push(this.#visit(this.tree.root(), 0, all[0], all[1], 0));
    }
    while (stack.length) {
      const visit = stack.pop()!;
      this.#visits.push(visit);
      if (visit.top) setBit(this.#path, visit.top - 1, visit.side);
      if (visit.join < 0) this.#terminal(visit);
      else this.#join(visit, stack);
    }
    return this.#visits;
  }

  #visit(
    node: number,
    top: number,
    items: readonly [number, number],
    writes: readonly [number, number],
    side: number,
    parent?: Visit,
  ): Visit {
    return {
      node,
      top,
      items,
      writes,
      side,
      parent,
      join: this.tree.depth(node),
      children: [],
      inserted: false,
      empty: false,
      shown: false,
    };
  }

  #terminal(visit: Visit): void {
    const key = this.tree.key(visit.node);
    for (let i = visit.writes[0]; i < visit.writes[1]; i++) {
      const { lo, sets } = this.writes[i];
      const same = !compareBytes(lo, key);
      if (sets) visit.inserted = true;
      else if (same) visit.empty = true;
    }
    visit.empty &&= !visit.inserted;
  }

  #join(visit: Visit, stack: Visit[]): void {
    const { node, top, join } = visit;
    const path = this.#path;
    if (top < join) {
      const key = this.tree.someKey(node);
      for (let bit = top; bit < join; bit++) setBit(path, bit, bitAt(key, bit));
    }
    const items = this.#trimmed(this.items, visit.items, join);
    const writes = this.#trimmed(this.writes, visit.writes, join);
    for (let i = visit.writes[0]; i < visit.writes[1]; i++) {
      if (i >= writes[0] && i < writes[1]) continue;
      visit.inserted ||= this.writes[i].sets;
    }
    if (items[0] >= items[1]) return;
    setBit(path, join, 0);
    const middle = leftEnd(this.items, items[0], items[1], path, join);
    const cut = leftEnd(this.writes, writes[0], writes[1], path, join);
    setBit(path, join, 1);
    let start = middle;
    if (start > items[0] && !this.items[start - 1].point) {
      start -= +inside(this.items[start - 1], path, join + 1);
    }
    const sides = [
      [[items[0], middle], [writes[0], cut]],
      [[start, items[1]], [cut, writes[1]]],
    ] as const;
    for (const side of [0, 1] as const) {
      const [reached, written] = sides[side];
      if (reached[0] >= reached[1]) continue;
      const child = this.tree.child(node, side);
      const next = this.#visit(child, join + 1, reached, written, side, visit);
      visit.children[side] = next;
      stack.push(next);
    }
  }

  /** The items of a run that go on below the join at `depth`. */
  #trimmed(
    items: readonly Item[],
    [from, to]: readonly [number, number],
    depth: number,
  ): [number, number] {
    const passes = ({ lo, point }: Item): boolean =>
      !point || 8 * lo.length > depth;
    const path = this.#path;
    const goes = (item: Item): boolean =>
      inside(item, path, depth) && passes(item);
    while (from < to && !goes(items[from])) from++;
    while (from < to && !goes(items[to - 1])) to--;
    return [from, to];
  }
}

/** Decides one node, its children being decided. */
function decide(tree: ProvableTree, visit: Visit, needs: Set<number>): void {
  const { join, children, node, parent } = visit;
  const stems = tree.scheme.family === "eip7864";
  if (join < 0) {
    visit.shown = true;
    return;
  }
  const [left, right] = children;
  const gone = [!!left?.empty, !!right?.empty];
  visit.shown = !!left?.shown || !!right?.shown;
  visit.empty = gone[0] && gone[1] && !visit.inserted;
  if (stems && join >= 248) {
    visit.shown ||= !parent || parent.join < 248;
    return;
  }
  if (gone[0] !== gone[1]) {
    const side = gone[0] ? 1 : 0;
    const child = children[side];
    if (stems ? !child?.shown : !child) {
      needs.add(tree.child(node, side));
      visit.shown = true;
    }
  }
  if (stems && visit.inserted && !visit.shown && !(gone[0] && gone[1])) {
    needs.add(node);
    visit.shown = true;
  }
}
