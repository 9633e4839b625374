// This module is browser compatible.
//
// Reading a version: single keys, ranges in key order, and the view that proofs
// are made from. Searches are blind (they look only at the bits where the tree
// branches) and compare the whole key at the end.

import type { Scheme } from "@stemma/verify";
import type { ProvableTree } from "./prove.ts";
import type { PageFile } from "./store/page_file.ts";
import { copied, overflowHash, readValue } from "./store/values.ts";
import type { TreeRoot } from "./tree/edit.ts";
import { bitAt, type KeyRule, partAt, PREFIX, SAME } from "./tree/keys.ts";
import {
  CHILD,
  DEPTH_MASK,
  DEPTH_NONE,
  hashAt,
  JOIN,
  KIND_SHIFT,
  metaAt,
} from "./tree/layout.ts";
import { LoadAhead } from "./tree/load_ahead.ts";
import { Jumps } from "./tree/jumps.ts";
import type { Pages } from "./tree/pages.ts";
import type { PagePool } from "./tree/pool.ts";
import { U32Table } from "./tree/u32_table.ts";

/** Bounds of a range of keys, in ascending order of bytes. */
export interface Range {
  /** Keys greater than this. */
  readonly gt?: Uint8Array;
  /** Keys greater than or equal to this. */
  readonly gte?: Uint8Array;
  /** Keys less than this. */
  readonly lt?: Uint8Array;
  /** Keys less than or equal to this. */
  readonly lte?: Uint8Array;
  /**
   * From the greatest key to the least.
   *
   * @default {false}
   */
  readonly reverse?: boolean;
  /**
   * Most entries.
   *
   * @default {Infinity}
   */
  readonly limit?: number;
}

/** What readers of one store share. */
export interface ReaderParts {
  readonly pool: PagePool;
  readonly file: PageFile;
  readonly rule: KeyRule;
  readonly scheme: Scheme;
}

/** Entries fetched at once by an iterator. */
const BATCH = 64;

/** Reads trees in a pool. */
export class TreeReader {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #file: PageFile;
  readonly #jumps: Jumps;
  readonly #ahead: LoadAhead;
  #frame = 0;
  #node = 0;

  constructor(parts: ReaderParts) {
    this.#pool = parts.pool;
    this.#pages = parts.pool.pages;
    this.#file = parts.file;
    this.#jumps = new Jumps(parts.pool);
    this.#ahead = new LoadAhead(parts.pool, parts.file);
  }

  /** The value of a key: a copy; `undefined` when it is absent. */
  get(tree: TreeRoot, key: Uint8Array): Uint8Array | undefined {
    if (!this.#find(tree, key)) return undefined;
    return readValue(this.#pages, this.#file, this.#frame, this.#node);
  }

  /** Whether a key is present. */
  has(tree: TreeRoot, key: Uint8Array): boolean {
    return this.#find(tree, key);
  }

  /**
   * Entries of a range, as copies. Each batch is read at once, so a caller may
   * do anything between two entries.
   *
   * @param version What holds the tree, which a checkpoint may move.
   */
  *entries(
    version: { readonly tree: TreeRoot },
    range: Range,
    isLive: () => void,
  ): Generator<[Uint8Array, Uint8Array], void, undefined> {
    const reverse = range.reverse ?? false;
    let left = range.limit ?? Infinity;
    let from = reverse ? range.lte ?? range.lt : range.gte ?? range.gt;
    let inclusive = (reverse ? range.lte : range.gte) !== undefined;
    while (left > 0) {
      isLive();
      const most = Math.min(BATCH, left);
      const batch = this.#scan(version.tree, from, inclusive, reverse, most);
      for (const entry of batch) {
        if (isBeyond(entry[0], range, reverse)) return;
        yield entry;
      }
      if (batch.length < most) return;
      left -= batch.length;
      from = batch[batch.length - 1][0];
      inclusive = false;
    }
  }

  /** Keys that {@linkcode load} takes at most. */
  get loadKeysMax(): number {
    return this.#ahead.keysMax;
  }

  /** Loads the pages that keys' paths need; returns how many were read. */
  load(tree: TreeRoot, keys: readonly Uint8Array[]): number {
    const { counters } = this.#pool, before = counters.pageReads;
    for (const key of this.#ahead.load(tree, keys)) this.#find(tree, key);
    return counters.pageReads - before;
  }

  #find(tree: TreeRoot, key: Uint8Array): boolean {
    if (tree.page === 0) return false;
    this.#walk(tree, key);
    const pages = this.#pages, f = this.#frame, n = this.#node;
    pages.touchRecord(f, n);
    const at = pages.keyAt(f, n), bytes = pages.keyBytes(f, n);
    return partAt(key, 0, key.length, pages.u8, at, bytes) === SAME;
  }

  /** Goes to the terminal where the key is if it is anywhere. */
  #walk(tree: TreeRoot, key: Uint8Array): void {
    const at = this.#jumps.find(tree, key);
    if (at === 0) return this.#walkAll(tree, key);
    const f = this.#jumps.pageAt(at);
    this.#walkFrom(f, at - f, key);
  }

  /** Goes on from a node that the key comes through. */
  #walkFrom(f: number, n: number, key: Uint8Array): void {
    const pages = this.#pages, u16 = pages.u16;
    pages.touchNodes(f);
    for (;;) {
      const i = metaAt(f, n), meta = u16[i], kind = meta >> KIND_SHIFT;
      if (kind === JOIN) {
        n = u16[i + 1 + bitAt(key, 0, meta & DEPTH_MASK)];
      } else if (kind === CHILD) {
        f = this.#pool.child(f, n);
        n = pages.root(f);
        pages.touchNodes(f);
      } else {
        this.#frame = f;
        this.#node = n;
        return;
      }
    }
  }

  /** Goes down from the root, and notes where keys like this may begin. */
  #walkAll(tree: TreeRoot, key: Uint8Array): void {
    const pages = this.#pages, u16 = pages.u16, jumps = this.#jumps;
    let f = this.#pool.top(tree);
    let n = pages.root(f);
    for (;;) {
      const i = metaAt(f, n), meta = u16[i], kind = meta >> KIND_SHIFT;
      if (kind === JOIN) {
        const depth = meta & DEPTH_MASK;
        if (depth >= jumps.bits) break;
        n = u16[i + 1 + bitAt(key, 0, depth)];
      } else if (kind === CHILD) {
        f = this.#pool.child(f, n);
        n = pages.root(f);
      } else {
        break;
      }
    }
    jumps.note(key, f, n);
    this.#walkFrom(f, n, key);
  }

  /** Up to `most` entries behind a bound, in order. */
  #scan(
    tree: TreeRoot,
    from: Uint8Array | undefined,
    inclusive: boolean,
    reverse: boolean,
    most: number,
  ): [Uint8Array, Uint8Array][] {
    const found: [Uint8Array, Uint8Array][] = [];
    if (tree.page === 0) return found;
    const pool = this.#pool, pages = this.#pages;
    const stack = this.#seek(tree, from, inclusive, reverse ? 1 : 0);
    try {
      while (stack.length > 0 && found.length < most) {
        const n = stack.pop()!, f = stack.pop()!;
        const kind = pages.kind(f, n);
        if (kind === JOIN) {
          const i = metaAt(f, n);
          const first = reverse ? 2 : 1;
          stack.push(f, pages.u16[i + 3 - first], f, pages.u16[i + first]);
        } else if (kind === CHILD) {
          const child = this.#enter(f, n);
          stack.push(child, pages.root(child));
        } else {
          const at = pages.keyAt(f, n);
          const key = copied(pages.u8, at, pages.keyBytes(f, n));
          found.push([key, readValue(pages, this.#file, f, n)]);
        }
      }
    } finally {
      pool.unpinAll();
    }
    return found;
  }

  #enter(f: number, n: number): number {
    const child = this.#pool.child(f, n);
    this.#pool.pin(child);
    return child;
  }

  /**
   * The subtrees behind a bound as pairs of frame and node, nearest last.
   *
   * @param far The side of a join that lies behind the bound when the bound
   *   goes to the other side: 1 backwards, 0 forwards, inverted below.
   */
  #seek(
    tree: TreeRoot,
    from: Uint8Array | undefined,
    inclusive: boolean,
    reverse: 0 | 1,
  ): number[] {
    const pool = this.#pool, pages = this.#pages, stack: number[] = [];
    const parting = from === undefined ? NOWHERE : this.#parting(tree, from);
    let f = pool.top(tree);
    pool.pin(f);
    let n = pages.root(f);
    if (from === undefined) return [f, n];
    for (;;) {
      const kind = pages.kind(f, n);
      if (kind === CHILD) {
        f = this.#enter(f, n);
        n = pages.root(f);
        continue;
      }
      if (kind !== JOIN || pages.depth(f, n) >= parting.depth) break;
      const i = metaAt(f, n);
      const bit = bitAt(from, 0, pages.depth(f, n));
      if (bit === reverse) stack.push(f, pages.u16[i + 2 - bit]);
      n = pages.u16[i + 1 + bit];
    }
    const behind = parting.order === 0
      ? inclusive
      : parting.order < 0 === (reverse === 0);
    if (behind) stack.push(f, n);
    return stack;
  }

  /** Where a bound leaves the tree, and its order to the keys from there. */
  #parting(tree: TreeRoot, from: Uint8Array): Parting {
    this.#walk(tree, from);
    const pages = this.#pages, f = this.#frame, n = this.#node;
    const at = pages.keyAt(f, n), bytes = pages.keyBytes(f, n);
    const depth = partAt(from, 0, from.length, pages.u8, at, bytes);
    if (depth === SAME) return { depth: Infinity, order: 0 };
    if (depth === PREFIX) return { depth: 8 * from.length, order: -1 };
    if (depth < 0) return { depth: 8 * bytes, order: 1 };
    return { depth, order: bitAt(from, 0, depth) === 0 ? -1 : 1 };
  }
}

interface Parting {
  /** Keys below a join at this depth or deeper do not match the bound. */
  readonly depth: number;
  /** Order of the bound to those keys. */
  readonly order: number;
}

const NOWHERE: Parting = { depth: 0, order: 0 };

/** Whether a key lies behind the far bound of a range. */
function isBeyond(key: Uint8Array, range: Range, reverse: boolean): boolean {
  if (reverse) {
    return (range.gte !== undefined && compareKeys(key, range.gte) < 0) ||
      (range.gt !== undefined && compareKeys(key, range.gt) <= 0);
  }
  return (range.lte !== undefined && compareKeys(key, range.lte) > 0) ||
    (range.lt !== undefined && compareKeys(key, range.lt) >= 0);
}

/** Order of two keys by their bytes. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** Handle of the topmost node. */
const ROOT = 1;
/** Handles are page number × this + node. */
const NODES = 1024;
/** Pages whose checksums are remembered at most. */
const REMEMBERED = 1 << 20;

/**
 * A version as proofs see it, one at a time. Handles hold a page number and a
 * node, so they outlive the eviction of the page; the checksums met on the way are
 * kept to load it again.
 */
export class VersionTree implements ProvableTree {
  readonly scheme: Scheme;
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #file: PageFile;
  #tree!: TreeRoot;
  #sums: U32Table = new U32Table(8, 2);
  /** Where the handle located last lies. */
  #page = 0;
  #frame = 0;
  #node = 0;

  constructor(parts: ReaderParts) {
    this.scheme = parts.scheme;
    this.#pool = parts.pool;
    this.#pages = parts.pool.pages;
    this.#file = parts.file;
  }

  /** Turns to a version; handles from before mean nothing any more. */
  turn(tree: TreeRoot): this {
    this.#tree = tree;
    this.#sums = new U32Table(8, 2);
    this.#page = 0;
    return this;
  }

  root(): number {
    return this.#tree.page === 0 ? 0 : ROOT;
  }

  depth(node: number): number {
    const depth = this.#depth(node);
    return depth === DEPTH_NONE ? -1 : depth;
  }

  child(node: number, side: 0 | 1): number {
    this.#enter(node);
    const link = metaAt(this.#frame, this.#node) + 1 + side;
    return this.#page * NODES + this.#pages.u16[link];
  }

  hash(node: number, out: Uint8Array, at: number): void {
    if (node === ROOT) {
      out.set(this.#tree.hash, at);
      return;
    }
    this.#locate(node);
    const from = hashAt(this.#frame, this.#node), u8 = this.#pages.u8;
    for (let i = 0; i < 32; i++) out[at + i] = u8[from + i];
  }

  key(node: number): Uint8Array {
    this.#enter(node);
    const f = this.#frame, n = this.#node;
    const at = this.#pages.keyAt(f, n);
    return this.#pages.u8.subarray(at, at + this.#pages.keyBytes(f, n));
  }

  someKey(node: number): Uint8Array {
    let at = node;
    while (this.#depth(at) !== DEPTH_NONE) at = this.child(at, 0);
    return this.key(at);
  }

  valueLength(node: number): number {
    this.#enter(node);
    return this.#pages.valueBytes(this.#frame, this.#node);
  }

  value(node: number): Uint8Array {
    this.#enter(node);
    return readValue(this.#pages, this.#file, this.#frame, this.#node);
  }

  valueHash(node: number): Uint8Array {
    this.#enter(node);
    return overflowHash(this.#pages, this.#frame, this.#node) ??
      this.scheme.hash(this.value(node));
  }

  #depth(node: number): number {
    if (node === ROOT) return this.#tree.depth;
    this.#locate(node);
    const i = metaAt(this.#frame, this.#node);
    const meta = this.#pages.u16[i], kind = meta >> KIND_SHIFT;
    if (kind === JOIN) return meta & DEPTH_MASK;
    return kind === CHILD ? this.#pages.u16[i + 2] : DEPTH_NONE;
  }

  /** Locates the node itself, for a handle of an entry that leads to its page. */
  #enter(node: number): void {
    const pool = this.#pool, pages = this.#pages, { sum } = this.#tree;
    if (node === ROOT) return this.#open(pool.top(this.#tree), sum[0], sum[1]);
    this.#locate(node);
    if (pages.kind(this.#frame, this.#node) !== CHILD) return;
    const i = pages.record(this.#frame, this.#node) >>> 2;
    const low = pages.u32[i + 1], high = pages.u32[i + 2];
    this.#open(pool.child(this.#frame, this.#node), low, high);
  }

  /** Goes to a page's root node, and remembers how to find the page again. */
  #open(f: number, low: number, high: number): void {
    const page = this.#pages.pageOf(f);
    this.#frame = f;
    this.#page = page;
    this.#node = this.#pages.root(this.#frame);
    this.#pages.touchNodes(f);
    if (this.#sums.size > REMEMBERED) this.#sums.clear();
    this.#sums.set(page, low, high);
  }

  /** Finds the frame that a handle's page lies in now. */
  #locate(node: number): void {
    const n = node & NODES - 1, page = (node - n) / NODES;
    this.#node = n;
    // A frame names the page that it holds, so one look tells if it still does.
    if (page === this.#page && this.#pages.pageOf(this.#frame) === page) return;
    this.#page = page;
    this.#frame = this.#pool.peek(page);
    if (this.#frame !== 0) return;
    const slot = this.#sums.find(page);
    if (slot < 0) throw new RangeError("Cannot read node: unknown handle");
    const low = this.#sums.first(slot), high = this.#sums.second(slot);
    this.#frame = this.#pool.get(page, low, high);
  }
}
