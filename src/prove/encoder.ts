// This module is browser compatible.

// Writes the pruned tree of a version in pre-order: the nodes that the items of
// a query reach are opened, all others stand as their hash. One-child levels,
// which the path-compressed tree does not store, are written out. Only pages
// on the opened paths are read. Format and rules: docs/proofs.md.

import type { Item } from "@stemma/verify/encoding";
import {
  BRANCH,
  compareBytes,
  comparePrefix,
  EMPTY,
  HASH,
  inside,
  leftEnd,
  pointItem,
  setBit,
  TERMINAL,
  VALUE_MAX,
} from "@stemma/verify/encoding";
import type { Scheme } from "@stemma/verify";
import { bitAt } from "@stemma/verify";
import { hasRange } from "./needs.ts";
import type { ProofWriter } from "./writer.ts";
import { lowestKey, type ProvableTree } from "./tree.ts";

/** Numbers of a frame. */
const FRAME = 5;
/** Frame flags: the node is a right child. */
const RIGHT = 1;
/** The node lies in the slot tree of a stem. */
const SLOTS = 2;
/** One level is opened although no item reaches the node. */
const OPEN = 4;

/** Encodes pruned trees of one scheme. */
export class TreeEncoder {
  readonly #scheme: Scheme;
  readonly #stems: boolean;
  readonly #path: Uint8Array;
  readonly #key: Uint8Array;
  readonly #pair = [new Uint8Array(32), new Uint8Array(32)] as const;
  /** Frames of node, depth, first item, last item, flags; last one on top. */
  #stack: Float64Array = new Float64Array(FRAME * 64);
  #top = 0;
  #tree!: ProvableTree;
  #items: Item[] = [];
  #out!: ProofWriter;
  #needs: ReadonlySet<number> | undefined;
  /** Whether to look for stems that come to be; if not, `needs` tells of them. */
  #seesNew = false;

  constructor(scheme: Scheme) {
    this.#scheme = scheme;
    this.#stems = scheme.family === "eip7864";
    this.#path = new Uint8Array(scheme.keyBytesMax);
    this.#key = new Uint8Array(scheme.keyBytesMax);
  }

  /**
   * Writes tags and payload of a whole tree.
   *
   * @param items What to open: disjoint and in order; more are added to the list.
   * @param needs Nodes whose kind the writes of a witness need to see.
   */
  run(
    tree: ProvableTree,
    items: Item[],
    out: ProofWriter,
    needs?: ReadonlySet<number>,
  ): void {
    this.#tree = tree;
    this.#items = items;
    this.#out = out;
    this.#needs = needs;
    this.#seesNew = this.#stems && !hasRange(items);
    this.#top = 0;
    this.#walk();
    this.#items = [];
  }

  #walk(): void {
    const root = this.#tree.root();
    if (root === 0) return this.#out.tag(EMPTY);
    this.#child(root, -1, 0, this.#items.length, 0);
    while (this.#top > 0) {
      const stack = this.#stack, i = this.#top -= FRAME;
      const node = stack[i], depth = stack[i + 1];
      if (node < 0) { for (let i = 0; i < depth; i++) this.#out.tag(EMPTY); }
      else this.#node(node, depth, stack[i + 2], stack[i + 3], stack[i + 4]);
    }
  }

  #push(
    node: number,
    depth: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    const i = this.#top;
    if (i + FRAME > this.#stack.length) {
      const longer = new Float64Array(2 * this.#stack.length);
      longer.set(this.#stack);
      this.#stack = longer;
    }
    const stack = this.#stack;
    stack[i] = node;
    stack[i + 1] = depth;
    stack[i + 2] = from;
    stack[i + 3] = to;
    stack[i + 4] = flags;
    this.#top = i + FRAME;
  }

  #node(
    node: number,
    depth: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    const tree = this.#tree;
    if (depth && !(flags & SLOTS && depth === 248)) {
      setBit(this.#path, depth - 1, flags & RIGHT);
    }
    if (from >= to && !(flags & OPEN)) return this.#closed(node, depth, flags);
    const join = tree.depth(node);
    if (flags & SLOTS) {
      if (join < 0) this.#run(node, depth, 256, from, to, flags);
      else this.#run(node, depth, join, from, to, flags);
    } else if (join < 0 || this.#stems && join >= 248) {
      if (this.#stems && join < 0) this.#onlySlot(node);
      else if (this.#stems) this.#stem(node, from, to);
      else this.#terminal(node, from, to);
    } else if (this.#scheme.family === "eip8297") {
      this.#prefixed(node, depth, join, from, to);
    } else this.#run(node, depth, join, from, to, flags);
  }

  /** A node that stands as its hash. */
  #closed(node: number, depth: number, flags: number): void {
    const at = this.#out.reserve(32);
    this.#out.tag(HASH);
    this.#tree.hash(node, this.#out.bytes, at);
    this.#clearLeft(at, depth, flags);
  }

  /** JAM does not hash the first bit of a left child: it is written as 0. */
  #clearLeft(at: number, depth: number, flags: number): void {
    if (this.#scheme.family === "jam" && depth && !(flags & RIGHT)) {
      this.#out.bytes[at] &= 0x7f;
    }
  }

  /** One-child levels from `depth` to the join (or slot leaf), then that. */
  #run(
    node: number,
    depth: number,
    join: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    const out = this.#out;
    const slots = flags & SLOTS;
    let empties = 0, first = from, last = to;
    if (depth < join) {
      const key = this.#someKey(node);
      for (; depth < join; depth++) {
        const bit = bitAt(key, depth);
        out.tag(BRANCH);
        if (bit) out.tag(EMPTY);
        else empties++;
        const middle = this.#leftEnd(from, to, depth);
        const before = from, behind = to;
        if (bit) from = this.#rightStart(from, middle, depth);
        else to = middle;
        setBit(this.#path, depth, bit);
        if (from < to) continue;
        const lifted = !slots && this.#anyNew(first, last)
          ? undefined
          : this.#lifted(node, join, key, depth + 1);
        if (
          lifted === undefined ||
          !slots && !bit && this.#hides(lifted, before, behind)
        ) {
          [from, to] = [first, last] = this.#withLowest(node, 0, 0);
          continue;
        }
        const at = out.reserve(32);
        out.tag(HASH);
        out.bytes.set(lifted, at);
        this.#clearLeft(at, depth + 1, bit);
        for (; empties; empties--) out.tag(EMPTY);
        return;
      }
      const hasNew = !slots &&
        (this.#anyNew(first, from) || this.#anyNew(to, last));
      if (hasNew && !this.#shows(node, from, to)) {
        [from, to] = this.#withLowest(node, from, to);
      }
    }
    if (empties) this.#push(-1, empties, 0, 0, 0);
    if (join > 255 && slots) this.#slotLeaf(node);
    else this.#join(node, join, from, to, slots);
  }

  #slotLeaf(node: number): void {
    this.#out.tag(TERMINAL);
    this.#out.append(this.#tree.value(node));
  }

  /** A node with two children. */
  #join(
    node: number,
    depth: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    const tree = this.#tree;
    const left = tree.child(node, 0);
    const right = tree.child(node, 1);
    this.#out.tag(BRANCH);
    const middle = this.#leftEnd(from, to, depth);
    const start = this.#rightStart(from, middle, depth);
    this.#child(right, depth, start, to, flags | RIGHT);
    if (this.#stems && !flags && from < to && from >= middle) {
      const hash = this.#pair[0];
      tree.hash(left, hash, 0);
      if (this.#hides(hash, from, to)) {
        const [first, last] = this.#withLowest(left, 0, 0);
        return this.#push(left, depth + 1, first, last, flags);
      }
    }
    this.#child(left, depth, from, middle, flags);
  }

  #child(
    node: number,
    depth: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    if (this.#needs?.has(node)) {
      if (this.#stems) [from, to] = this.#withLowest(node, from, to);
      else if (from >= to) flags |= OPEN;
    }
    this.#push(node, depth + 1, from, to, flags);
  }

  /** First item past those that go left at `depth`, where the path has 0. */
  #leftEnd(from: number, to: number, depth: number): number {
    if (from >= to) return from;
    setBit(this.#path, depth, 0);
    return leftEnd(this.#items, from, to, this.#path, depth);
  }

  /** First item that goes right at `depth`. */
  #rightStart(from: number, middle: number, depth: number): number {
    if (middle === from || this.#items[middle - 1].point) return middle;
    setBit(this.#path, depth, 1);
    const last = this.#items[middle - 1];
    return inside(last, this.#path, depth + 1) ? middle - 1 : middle;
  }

  /** EIP-8297: a branch with its prefix. */
  #prefixed(
    node: number,
    top: number,
    depth: number,
    from: number,
    to: number,
  ): void {
    const bits = depth - top, items = this.#items, out = this.#out;
    out.number(bits, 2);
    if (bits > 0) {
      const key = this.#tree.someKey(node), path = this.#path;
      out.bits(key, 0, top, bits);
      for (let i = top; i < depth; i++) setBit(path, i, bitAt(key, i));
    }
    while (from < to && !this.#passes(items[from], top, depth)) from++;
    while (from < to && !this.#passes(items[to - 1], top, depth)) to--;
    this.#join(node, depth, from, to, 0);
  }

  /** Whether an item that reaches the node from `top` goes on below its join. */
  #passes(item: Item, top: number, depth: number): boolean {
    return !(item.point && 8 * item.lo.length === depth) &&
      (top === depth || inside(item, this.#path, depth));
  }

  /** A terminal other than a stem: key, and value or hash. */
  #terminal(node: number, from: number, to: number): void {
    const tree = this.#tree;
    const out = this.#out;
    const { valueBytes, family } = this.#scheme;
    const key = tree.key(node);
    out.tag(TERMINAL);
    if (valueBytes) {
      out.number(key.length, 2);
      out.append(key);
      return out.append(tree.value(node));
    }
    let max = family === "jam" ? 32 : -1;
    for (let i = from; i < to; i++) {
      const item = this.#items[i];
      if (item.wanted && inside(item, key, 8 * key.length)) max = VALUE_MAX;
    }
    const size = tree.valueLength(node);
    const form = size > max ? 0 : size === 32 ? 1 : 2;
    out.tag(form);
    if (form === 2) out.number(size, 2);
    out.append(tree.key(node));
    out.append(form ? tree.value(node) : tree.valueHash(node));
  }

  /** A stem of one slot, which is open: it was asked for, or it is the lowest. */
  #onlySlot(node: number): void {
    const tree = this.#tree, out = this.#out, key = tree.key(node);
    const at = out.reserve(31), slot = key[31], { bytes } = out;
    for (let i = 0; i < 31; i++) bytes[at + i] = key[i];
    out.tag(TERMINAL);
    let empties = 0;
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      out.tag(BRANCH);
      if ((slot & mask) !== 0) out.tag(EMPTY);
      else empties++;
    }
    this.#slotLeaf(node);
    for (; empties > 0; empties--) out.tag(EMPTY);
  }

  /** A stem, with every slot that was asked for, or its lowest one. */
  #stem(node: number, from: number, to: number): void {
    const key = this.#someKey(node);
    const items = this.#items;
    this.#out.tag(TERMINAL);
    this.#out.append(key.subarray(0, 31));
    while (from < to && !inside(items[from], key, 248)) from++;
    while (from < to && !inside(items[to - 1], key, 248)) to--;
    if (!this.#anyPresent(node, from, to)) {
      [from, to] = this.#withLowest(node, from, to);
    }
    this.#path.set(key.subarray(0, 31));
    this.#push(node, 248, from, to, SLOTS);
  }

  /** A key below a node, until the next call. */
  #someKey(node: number): Uint8Array {
    const key = this.#tree.someKey(node), copy = this.#key;
    for (let i = 0; i < key.length; i++) copy[i] = key[i];
    return copy;
  }

  /** Whether one of the items reaches a slot that is there. */
  #anyPresent(node: number, from: number, to: number): boolean {
    const tree = this.#tree;
    for (let i = from; i < to; i++) {
      const { lo, hi, point } = this.#items[i];
      const stack = [node];
      while (stack.length) {
        const next = stack.pop()!;
        const depth = tree.depth(next);
        if (depth < 0) {
          const key = tree.key(next);
          if (
            comparePrefix(lo, key, 256) <= 0 && comparePrefix(hi, key, 256) >= 0
          ) return true;
        } else {
          const turn = point ? bitAt(lo, depth) : 2;
          if (turn !== 1) stack.push(tree.child(next, 0));
          if (turn !== 0) stack.push(tree.child(next, 1));
        }
      }
    }
    return false;
  }

  /** Rule R1: whether `left` reads as a stem that was asked for. */
  #hides(left: Uint8Array, from: number, to: number): boolean {
    if (!this.#stems || left[31]) return false;
    for (let i = from; i < to; i++) {
      const { lo, hi } = this.#items[i];
      if (
        comparePrefix(lo, left, 248) <= 0 && comparePrefix(hi, left, 248) >= 0
      ) return true;
    }
    return false;
  }

  /** Whether one of the items puts a key beside what is there. */
  #anyNew(from: number, to: number): boolean {
    if (!this.#seesNew) return false;
    for (let i = from; i < to; i++) if (this.#items[i].sets) return true;
    return false;
  }

  /**
   * Whether a terminal below a join is open for the sake of keys that go on there: one
   * that is reached, or the one that a new key asks for wherever it leaves the tree.
   */
  #shows(node: number, from: number, to: number): boolean {
    if (this.#anyNew(from, to)) return true;
    for (let i = from; i < to; i++) {
      const { lo } = this.#items[i];
      for (let next = node;;) {
        const join = this.#tree.depth(next);
        if (join < 0 || join >= 248) return true;
        if (comparePrefix(lo, this.#someKey(next), join) !== 0) break;
        next = this.#tree.child(next, bitAt(lo, join) as 0 | 1);
      }
    }
    return false;
  }

  /** A copy of a run of items with the lowest key of `node` put in order. */
  #withLowest(node: number, from: number, to: number): [number, number] {
    const items = this.#items;
    const key = lowestKey(this.#tree, node);
    const start = items.length;
    let placed = false;
    for (let i = from; i < to; i++) {
      const order = compareBytes(key, items[i].lo);
      if (!placed && order <= 0) {
        if (order) items.push(pointItem(key, false));
        placed = true;
      }
      items.push(items[i]);
    }
    if (!placed) items.push(pointItem(key, false));
    return [start, items.length];
  }

  /** Hash of a join, or slot leaf, as seen from depth `top`. */
  #lifted(
    node: number,
    join: number,
    key: Uint8Array,
    top: number,
  ): Uint8Array {
    const tree = this.#tree;
    if (join > 255 && this.#stems) {
      return this.#scheme.lift(tree.valueHash(node), key, 256, top);
    }
    const [left, right] = this.#pair;
    tree.hash(tree.child(node, 0), left, 0);
    tree.hash(tree.child(node, 1), right, 0);
    return this.#scheme.branch(left, right, key, join, top);
  }
}
