// This module is browser compatible.

// Reads a pruned tree into a table, one row a node, in pre-order. Everything
// that bytes alone decide is checked here: kinds, order, lengths, paths, limits.
// Direction, depth and slot follow from the scheme and the place in the tree.
// Byte tables: docs/proofs.md. Iterative: depth never costs stack.

import { fail } from "./_bytes.ts";
import type { Item } from "./query.ts";
import { comparePrefix, inside, isZeroStem, leftEnd, setBit } from "./query.ts";
import type { Scheme } from "./scheme.ts";

/** Kinds of nodes, as in the tag stream. */
export const EMPTY = 0;
/** An untouched subtree. */
export const HASH = 1;
/** A node with two children. */
export const BRANCH = 2;
/** An entry, or a stem with its slot tree. */
export const TERMINAL = 3;

/** Columns of a row: kind of node. */
export const KIND = 0;
/** Offset of the hash, the packed prefix, the key, or a slot's value. */
export const AT = 1;
/** Terminal: bytes of the value, -1: hash. Branch: row of the right child. */
export const SIZE = 2;
/** Depth of the node; of a branch, the depth at which its children part. */
export const DEPTH = 3;
/** First item that reaches the node. */
export const FROM = 4;
/** One past the last item that reaches the node. */
export const TO = 5;
/** Bytes of the key of a terminal; bits of the prefix of a branch. */
export const BITS = 6;
/** Columns in a row. */
export const ROW = 7;

/** Most bytes of a value that stands in a proof. */
export const VALUE_MAX = 1024;

/** Reads the tree at `start` of `data`; the rows, in pre-order. */
export function parseTree(
  scheme: Scheme,
  data: Uint8Array,
  start: number,
  items: readonly Item[],
  nodesMax: number,
): Int32Array {
  return new Parser(scheme, data, start, items, nodesMax).run();
}

class Parser {
  readonly rows: Int32Array;
  readonly path: Uint8Array;
  readonly stems: boolean;
  readonly prefixed: boolean;
  readonly tagEnd: number;
  readonly pending: number[] = [];
  tag: number;
  at: number;
  row = 0;
  depth = 0;
  known = 0;
  from = 0;
  to: number;
  left = false;
  slots = false;

  constructor(
    readonly scheme: Scheme,
    readonly data: Uint8Array,
    start: number,
    readonly items: readonly Item[],
    nodesMax: number,
  ) {
    this.at = start;
    const tagBytes = this.u16() * 65536 + this.u16();
    if (!(tagBytes * 4 <= nodesMax)) fail("limit", "Too many nodes");
    this.tag = 4 * this.take(tagBytes);
    this.tagEnd = 4 * this.at;
    this.rows = new Int32Array(4 * ROW * tagBytes);
    this.path = new Uint8Array(scheme.keyBytesMax);
    this.to = items.length;
    this.stems = scheme.family === "eip7864";
    this.prefixed = scheme.family === "eip8297";
  }

  /** Passes over `count` bytes; the offset of the first. */
  take(count: number): number {
    const at = this.at;
    this.at += count;
    if (this.at > this.data.length) fail("truncated", "Proof is too short");
    return at;
  }

  u16(): number {
    const at = this.take(2);
    return this.data[at] << 8 | this.data[at + 1];
  }

  two(): number {
    if (this.tag >= this.tagEnd) fail("tags", "Too few tags");
    const shift = 6 - 2 * (this.tag & 3);
    return this.data[this.tag++ >> 2] >> shift & 3;
  }

  run(): Int32Array {
    const { rows, pending } = this;
    for (;;) {
      const row = this.row;
      const kind = rows[row + KIND] = this.two();
      this.row += ROW;
      this.trim();
      rows[row + DEPTH] = this.depth;
      rows[row + FROM] = this.from;
      rows[row + TO] = this.to;
      if (kind === BRANCH) this.branch(row);
      else if (kind !== TERMINAL || this.terminal(row)) {
        if (kind === HASH) this.hash(row);
        else if (!kind && this.prefixed && row) fail("empty", "Empty below");
        if (!pending.length) break;
        this.turnRight();
      }
    }
    while (this.tag & 3) if (this.two()) fail("tags", "Tags are not padded");
    if (this.tag !== this.tagEnd || this.at !== this.data.length) {
      fail("trailing", "Proof goes on after its tree");
    }
    return rows.subarray(0, this.row);
  }

  /** Drops the items that do not reach the node at `path`. */
  trim(): void {
    const { items, path, depth, known } = this;
    while (
      this.from < this.to && !inside(items[this.from], path, depth, known)
    ) {
      this.from++;
    }
    while (
      this.from + 1 < this.to && !inside(items[this.to - 1], path, depth, known)
    ) this.to--;
  }

  hash(row: number): void {
    const { data } = this;
    const at = this.rows[row + AT] = this.take(32);
    let end = at;
    while (end < at + 32 && !data[end]) end++;
    if (end === at + 32) fail("zero-hash", "A hash is zero");
    if (this.left && this.scheme.family === "jam" && data[at] > 127) {
      fail("left-bit", "First bit of a left hash is set");
    }
    this.left = false;
  }

  branch(row: number): void {
    const { rows, path, data } = this;
    if (this.prefixed) {
      const bits = rows[row + BITS] = this.u16();
      const at = rows[row + AT] = this.take((bits + 7) >> 3);
      const top = this.depth;
      this.depth = rows[row + DEPTH] = top + bits;
      this.checkDepth();
      for (let i = 0; i < bits; i++) {
        setBit(path, top + i, data[at + (i >> 3)] >> (7 - (i & 7)) & 1);
      }
      if (bits & 7 && data[this.at - 1] & 0xff >> (bits & 7)) {
        fail("padding", "Prefix is not padded with zeros");
      }
      this.known = top;
      this.trim();
    } else this.checkDepth();
    const depth = this.depth++;
    setBit(path, depth, 0);
    const { from, to } = this;
    this.to = leftEnd(this.items, from, to, path, depth);
    this.pending.push(row, Math.max(from, this.to - 1), to);
    this.known = depth;
    this.left = true;
  }

  checkDepth(): void {
    const bits = this.stems && !this.slots ? 248 : 8 * this.path.length;
    if (this.depth >= bits) fail("depth", "Tree is too deep");
  }

  turnRight(): void {
    const { rows, pending } = this;
    this.to = pending.pop()!;
    this.from = pending.pop()!;
    const row = pending.pop()!;
    rows[row + SIZE] = this.row;
    const depth = this.known = rows[row + DEPTH];
    setBit(this.path, depth, 1);
    this.depth = depth + 1;
    this.slots = this.stems && depth > 247;
    this.left = false;
  }

  /** Reads a terminal; false when a slot tree follows. */
  terminal(row: number): boolean {
    const { rows, scheme } = this;
    this.left = false;
    if (this.slots) {
      if (this.depth < 256) fail("depth", "Slot leaf above the last level");
      rows[row + AT] = this.take(32);
      rows[row + SIZE] = 32;
      return true;
    }
    const form = this.stems || this.prefixed ? 1 : this.two();
    if (form > 2) fail("form", "Unknown form of a value");
    const size = form === 2 ? this.u16() : form ? 32 : -1;
    if (size > VALUE_MAX || form === 2 && size === 32) {
      fail("form", "Value stands in the wrong form");
    }
    const length = this.stems
      ? 31
      : this.prefixed
      ? this.u16()
      : scheme.keyBytesMax;
    this.key(row, length);
    rows[row + SIZE] = size;
    if (!this.stems) this.take(size < 0 ? 32 : size);
    return !this.stems;
  }

  /** Reads the key of a terminal, which must lie on the path. */
  key(row: number, length: number): void {
    const { rows, path, depth } = this;
    const at = rows[row + AT] = this.take(length);
    const key = this.data.subarray(at, this.at);
    rows[row + BITS] = length;
    if (
      !length || length > path.length || depth > 8 * length ||
      comparePrefix(key, path, depth)
    ) fail("path", "Terminal is off its path");
    if (this.stems) {
      if (isZeroStem(key)) {
        fail("zero-stem", "The all-zero stem proves nothing");
      }
      path.set(key);
      this.known = depth;
      this.depth = 248;
      this.slots = true;
    }
  }
}
