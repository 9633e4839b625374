// This module is browser compatible.

// Which nodes a witness must open beyond what was read and written, because
// the writes move them or depend on their kind (docs/proofs.md, "Survivors").
// A node must be shown when its sibling goes away; in the `eip7864` family also
// when a sibling comes to be, and there a terminal below it shows it. Decided
// bottom up over the nodes that the items reach, of which only those on one path
// are kept at a time; iterative. Unless a range was read, `TreeEncoder` sees on its
// way where siblings come to be, and only deletes are looked for here.

import type { Item } from "@stemma/verify/encoding";
import { compareBytes, inside, leftEnd, setBit } from "@stemma/verify/encoding";
import { bitAt, type Scheme } from "@stemma/verify";
import type { ProvableTree } from "./tree.ts";

/** What became of a node, as its parent sees it. */
interface Outcome {
  /** Whether items reach the node; if not, nothing else is known. */
  reached: boolean;
  /** Whether nothing is left of it. */
  empty: boolean;
  /** Whether a terminal below is open. */
  shown: boolean;
}

/** A node on the path. */
interface Visit {
  node: number;
  /** Depth below the join above, and that of the join; terminals: -1. */
  top: number;
  join: number;
  /** The items that reach the node: a run of the list. */
  from: number;
  to: number;
  /** The writes among them: a run of theirs. */
  writesFrom: number;
  writesTo: number;
  /** Where the items and the writes of the left child end. */
  middle: number;
  cut: number;
  /** Whether a write puts a new key beside what is there. */
  inserted: boolean;
  /** Whether nothing below is looked at. */
  isPlain: boolean;
  /** The child that is next, 2 when both have been seen. */
  next: number;
  readonly outcome: Outcome;
  readonly left: Outcome;
  readonly right: Outcome;
}

/** Visits the nodes that items reach, and decides each after its children. */
export class NeedsFinder {
  /** Whether the hash of a node tells its kind. */
  readonly #hashesTell: boolean;
  readonly #hasStems: boolean;
  readonly #hasFixedKeys: boolean;
  readonly #path: Uint8Array;
  /** The path's visits, and used ones behind them. */
  readonly #visits: Visit[] = [];
  #level = 0;
  #tree!: ProvableTree;
  #items: readonly Item[] = [];
  #writes: readonly Item[] = [];
  /** How many of the writes before each one delete a key. */
  #deletes: Uint32Array = new Uint32Array(0);
  /** Whether a range was read. */
  #hasRanges = false;
  #needs: Set<number> = new Set();

  constructor({ family, keyBytesMin, keyBytesMax }: Scheme) {
    this.#hashesTell = family === "nomt";
    this.#hasStems = family === "eip7864";
    this.#hasFixedKeys = keyBytesMin === keyBytesMax;
    this.#path = new Uint8Array(keyBytesMax);
  }

  /**
   * The nodes whose kind `writes` need and that `items` do not show already.
   *
   * @param tree The version before the writes.
   * @param items Everything read or written, in order.
   * @param writes The writes, in order.
   * @returns Handles of nodes; undefined when there are none.
   */
  find(
    tree: ProvableTree,
    items: readonly Item[],
    writes: readonly Item[],
  ): Set<number> | undefined {
    const hasRanges = hasRange(items), deletes = deletesBefore(writes);
    const mayNeed = deletes[writes.length] > 0 || this.#hasStems && hasRanges;
    if (this.#hashesTell || !mayNeed || tree.root() === 0) return;
    this.#tree = tree;
    this.#items = items;
    this.#writes = writes;
    this.#deletes = deletes;
    this.#hasRanges = hasRanges;
    this.#needs = new Set();
    this.#level = 0;
    this.#walk();
    this.#items = this.#writes = [];
    return this.#needs;
  }

  #walk(): void {
    const root = this.#enter(this.#tree.root(), 0);
    root.to = this.#items.length;
    root.writesTo = this.#writes.length;
    this.#look(root);
    while (this.#level >= 0) {
      const visit = this.#visits[this.#level];
      if (visit.next < 2) this.#descend(visit, visit.next++ as 0 | 1);
      else {
        this.#decide(visit, this.#visits[this.#level - 1]);
        this.#level--;
      }
    }
  }

  /** Makes a node the last of the path, with empty runs. */
  #enter(node: number, top: number): Visit {
    const visit = this.#visits[this.#level] ??= newVisit();
    visit.node = node;
    visit.top = top;
    visit.join = this.#tree.depth(node);
    visit.from =
      visit.to =
      visit.writesFrom =
      visit.writesTo =
        0;
    visit.inserted = false;
    clear(visit.outcome);
    clear(visit.left);
    clear(visit.right);
    return visit;
  }

  /** Goes to a child if something reaches it. */
  #descend(parent: Visit, side: 0 | 1): void {
    const { middle, cut, join } = parent, path = this.#path;
    let { from, to } = parent;
    setBit(path, join, side);
    if (side === 0) to = middle;
    else {
      const last = middle > from ? this.#items[middle - 1] : undefined;
      const isInBoth = last !== undefined && !last.point &&
        inside(last, path, join + 1);
      from = isInBoth ? middle - 1 : middle;
    }
    if (from >= to) return;
    this.#level++;
    const visit = this.#enter(this.#tree.child(parent.node, side), join + 1);
    visit.from = from;
    visit.to = to;
    visit.writesFrom = side === 0 ? parent.writesFrom : cut;
    visit.writesTo = side === 0 ? cut : parent.writesTo;
    this.#look(visit);
  }

  /** Looks at what reaches a node, and divides it between the children. */
  #look(visit: Visit): void {
    visit.outcome.reached = true;
    visit.next = 2;
    visit.isPlain = this.#isPlain(visit);
    if (visit.isPlain) return;
    if (visit.join < 0) return this.#terminal(visit);
    this.#trim(visit);
    const { from, to, writesFrom, writesTo, join } = visit;
    if (from >= to) return;
    const path = this.#path;
    setBit(path, join, 0);
    visit.middle = leftEnd(this.#items, from, to, path, join);
    visit.cut = leftEnd(this.#writes, writesFrom, writesTo, path, join);
    visit.next = 0;
  }

  /**
   * Whether nothing goes away below a node, and what its parent may ask is known: of
   * keys that get values, each is a terminal that is open or has one opened for it.
   */
  #isPlain({ writesFrom, writesTo, outcome }: Visit): boolean {
    const deletes = this.#deletes;
    if (this.#hasRanges || deletes[writesFrom] < deletes[writesTo]) {
      return false;
    }
    outcome.shown = writesFrom < writesTo;
    return outcome.shown || !this.#hasStems;
  }

  #terminal(visit: Visit): void {
    const { node, writesFrom, writesTo, outcome } = visit;
    const key = this.#tree.key(node);
    for (let i = writesFrom; i < writesTo; i++) {
      const { lo, sets } = this.#writes[i];
      if (sets) visit.inserted = true;
      else if (!compareBytes(lo, key)) outcome.empty = true;
    }
    outcome.empty &&= !visit.inserted;
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
    const isNew = ({ sets }: Item): boolean => visit.inserted ||= sets;
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

  /** Decides one node, its children being decided, and tells its parent. */
  #decide(visit: Visit, parent: Visit | undefined): void {
    const { join, left, right, outcome } = visit;
    if (join < 0) outcome.shown = true;
    else if (!visit.isPlain) {
      outcome.shown = left.shown || right.shown;
      outcome.empty = left.empty && right.empty && !visit.inserted;
      if (this.#hasStems && join >= 248) {
        outcome.shown ||= parent === undefined || parent.join < 248;
      } else this.#decideJoin(visit);
    }
    if (parent === undefined) return;
    const told = parent.next === 1 ? parent.left : parent.right;
    told.reached = outcome.reached;
    told.empty = outcome.empty;
    told.shown = outcome.shown;
  }

  #decideJoin({ node, left, right, inserted, outcome }: Visit): void {
    if (left.empty !== right.empty) {
      const side = left.empty ? 1 : 0, other = left.empty ? right : left;
      if (this.#hasStems ? !other.shown : !other.reached) {
        this.#needs.add(this.#tree.child(node, side));
        outcome.shown = true;
      }
    }
    const isGone = left.empty && right.empty;
    if (this.#hasStems && inserted && !outcome.shown && !isGone) {
      if (this.#hasRanges) this.#needs.add(node);
      outcome.shown = true;
    }
  }
}

/** Whether a range was read. */
export function hasRange(items: readonly Item[]): boolean {
  return items.some(({ point }) => !point);
}

/** How many of the writes before each one, and before the end, delete a key. */
function deletesBefore(writes: readonly Item[]): Uint32Array {
  const counts = new Uint32Array(writes.length + 1);
  writes.forEach(({ sets }, i) => counts[i + 1] = counts[i] + (sets ? 0 : 1));
  return counts;
}

function newVisit(): Visit {
  const outcome = (): Outcome => ({
    reached: false,
    empty: false,
    shown: false,
  });
  return {
    node: 0,
    top: 0,
    join: 0,
    from: 0,
    to: 0,
    writesFrom: 0,
    writesTo: 0,
    middle: 0,
    cut: 0,
    inserted: false,
    isPlain: false,
    next: 0,
    outcome: outcome(),
    left: outcome(),
    right: outcome(),
  };
}

function clear(outcome: Outcome): void {
  outcome.reached = outcome.empty = outcome.shown = false;
}
