// This module is browser compatible.

// Reads a pruned tree into a table, one row a node, in pre-order. Everything
// that bytes alone decide is checked here: kinds, order, lengths, paths, limits.
// Direction, depth and slot follow from the scheme and the place in the tree.
// Byte tables: docs/proofs.md. Iterative: depth never costs stack.

import { fail } from "./_bytes.ts";
import type { Item } from "./query.ts";
import { comparePrefix, endsBefore, setBit } from "./query.ts";
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
/**
 * Depth of the node; of a branch, the depth at which its children part; of a
 * slot leaf, 256 and the number of its slot.
 */
export const DEPTH = 3;
/** First item that reaches the node. */
export const FROM = 4;
/** One past the last item that reaches the node. */
export const TO = 5;
/** Bytes of the key of a terminal; bits of the prefix of a branch. */
export const BITS = 6;
/** Columns in a row. */
export const ROW = 7;

/** Most bytes of tags, each of which holds up to four nodes. */
export const TAG_BYTES_MAX = 0x80000;

/** Most bytes of a value that stands in a proof. */
export const VALUE_MAX = 1024;

/** Numbers of a piece that rows are taken from; one array a tree costs more than reading it. */
const SLAB = 0x1000;

/** Zeros for the next tree's rows; none while one is read, or if it was refused. */
let slab: Int32Array = new Int32Array(0);

/** Reads one tree. Its fields are where it is; `rows` is what it found. */
export class Parser {
  /** Scheme of the tree. */
  declare readonly scheme: Scheme;
  /** Bytes that are read. */
  declare readonly data: Uint8Array;
  /** What was asked, in order. */
  declare readonly items: readonly Item[];
  /** What was found, {@linkcode ROW} numbers a node. */
  declare readonly rows: Int32Array;
  /** Bits that lead to the node; the first `depth` count. */
  declare readonly path: Uint8Array;
  /** Branches whose right child is still to come. */
  declare readonly pending: number[];
  /** Next tag, counted from the start of the bytes. */
  declare tag: number;
  /** End of the tags. */
  declare tagEnd: number;
  /** Next byte of the payload. */
  declare at: number;
  /** Row of the next node. */
  declare row: number;
  /** Depth of the node. */
  declare depth: number;
  /** First item that reaches the node. */
  declare from: number;
  /** One past the last item that reaches the node. */
  declare to: number;

  /** Starts at `start` of `data`. */
  constructor(
    scheme: Scheme,
    data: Uint8Array,
    start: number,
    items: readonly Item[],
  ) {
    this.scheme = scheme;
    this.data = data;
    this.items = items;
    this.at = start;
    const tagBytes = this.u16() << 16 | this.u16();
    if (tagBytes >>> 0 > TAG_BYTES_MAX) fail("limit");
    this.tag = 4 * this.take(tagBytes);
    this.tagEnd = 4 * this.at;
    const size = 4 * ROW * tagBytes;
    this.rows = slab.length < size
      ? new Int32Array(Math.max(size, SLAB))
      : slab;
    slab = new Int32Array(0);
    this.path = new Uint8Array(scheme.keyBytesMax);
    this.pending = [];
    this.row = this.depth = this.from = 0;
    this.to = items.length;
  }

  /** Passes over `count` bytes; the offset of the first. */
  take(count: number): number {
    const at = this.at;
    if ((this.at += count) > this.data.length) fail("truncated");
    return at;
  }

  /** Two bytes, the high one first. */
  u16(): number {
    const at = this.take(2);
    return this.data[at] << 8 | this.data[at + 1];
  }

  /** The next tag. */
  two(): number {
    if (this.tag >= this.tagEnd) fail("tags");
    const shift = 6 - 2 * (this.tag & 3);
    return this.data[this.tag++ >> 2] >> shift & 3;
  }

  /** Reads the tree to its end; one row a node. */
  run(): Int32Array {
    const { rows, pending, scheme: { rules } } = this;
    for (;;) {
      const row = this.row;
      const kind = rows[row] = this.two();
      this.row += ROW;
      this.reach();
      rows[row + DEPTH] = this.depth;
      rows[row + FROM] = this.from;
      rows[row + TO] = this.to;
      if (kind === BRANCH) this.branch(row);
      else if (
        kind !== TERMINAL ||
        (rules.terminal ?? readTerminal)(this, row)
      ) {
        if (kind === HASH) rows[row + AT] = this.take(32);
        rules.leaf?.(this, row, kind);
        if (!pending.length) break;
        this.turnRight();
      }
    }
    while (this.tag & 3) if (this.two()) fail("tags");
    if (this.tag !== this.tagEnd || this.at !== this.data.length) {
      fail("trailing");
    }
    slab = rows.subarray(this.row);
    return rows.subarray(0, this.row);
  }

  /**
   * Finds the items that reach the node, of those that reach its parent. Nodes
   * come in the order of the first keys that they may hold, so what ends
   * before one of them ends before all that follow.
   */
  reach(): void {
    const { items, path, depth } = this;
    while (
      this.from < items.length && endsBefore(items[this.from], path, depth)
    ) this.from++;
    let from = this.from;
    while (from < this.to) {
      const middle = (from + this.to) >> 1;
      if (comparePrefix(items[middle].lo, path, depth) > 0) this.to = middle;
      else from = middle + 1;
    }
  }

  /** Reads what a branch holds, and goes on with its left child. */
  branch(row: number): void {
    const { path, scheme: { rules } } = this;
    rules.branch?.(this, row);
    if (this.depth >= 8 * path.length) fail("depth");
    setBit(path, this.depth++, 0);
    this.pending.push(row);
  }

  /** Goes on with the right child of the last branch that lacks it. */
  turnRight(): void {
    const { rows } = this;
    const row = this.pending.pop()!;
    const depth = rows[row + DEPTH];
    rows[row + SIZE] = this.row;
    setBit(this.path, depth, 1);
    this.depth = depth + 1;
    this.to = rows[row + TO];
  }

  /** Reads the key of a terminal, which must lie on the path; a view. */
  key(row: number, length: number): Uint8Array {
    const { rows, depth, path } = this;
    const at = rows[row + AT] = this.take(length);
    rows[row + BITS] = length;
    const key = this.data.subarray(at, this.at);
    if (comparePrefix(key, path, depth) || depth > 8 * length) fail("path");
    return key;
  }
}

/** A terminal: key, and value or hash. */
function readTerminal(parser: Parser, row: number): boolean {
  const form = parser.two();
  const size = form === 2 ? parser.u16() : form ? 32 : -1;
  if (form > 2 || size > VALUE_MAX || form === 2 && size === 32) fail("form");
  parser.rows[row + SIZE] = size;
  parser.key(row, parser.path.length);
  parser.take(size < 0 ? 32 : size);
  return true;
}
