// This module is browser compatible.
//
// The way from the anchor down to where an edit works: one page a level, and the
// entry in the page above that leads to it. Level 0 is the anchor. A page of
// another version is copied as it is entered, since copying brings it into the
// CPU's cache quicker than walking does, and mostly it is about to change. The copy is
// made a page of this version, top down, when it does; else it is given back.
// Dirt is carried up.

import {
  AT_HEAP,
  AT_LIVE,
  AT_SLOTS,
  CHILD,
  DIRTY,
  hashAt,
  KIND_SHIFT,
  metaAt,
  NONE,
} from "./layout.ts";
import type { Pages } from "./pages.ts";
import type { PagePool } from "./pool.ts";
import { grown } from "./words.ts";

/** The anchor's only node: the entry for the root page. */
export const ANCHOR_ENTRY = 0;
const ANCHOR_BYTES = 512;

/** What a version's tree hangs on. */
export interface TreeRoot {
  /** Page number of the root page; 0 for the empty tree. */
  page: number;
  /** Depth of the topmost join, or `DEPTH_NONE`. */
  depth: number;
  /** Checksum of the root page, [low, high]; both 0 when not written yet. */
  sum: [number, number];
  /** The root: 32 bytes. */
  hash: Uint8Array;
}

/** Who gives out page numbers and hears of what an edit replaces. */
export interface EditHost {
  /** A free page number. */
  allocatePage(): number;
  /** A page made by `birth` is no part of the new version. */
  supersede(page: number, birth: number): void;
  /** A terminal is about to be changed or deleted. */
  before(f: number, n: number): void;
  /** Pages that were closed are needed after all: no other thread may work on them. */
  reopen(): void;
}

/** Levels of pages from the anchor down. */
export class EditPath {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #host: EditHost;
  /** Offset of each level's page. */
  frames: Uint32Array = new Uint32Array(64);
  /** In the page above each level, the entry that leads to it. */
  entries: Uint32Array = new Uint32Array(64);
  /** Deepest level. */
  top = 0;
  #writable = 0;
  #birth = 0;

  constructor(pool: PagePool, host: EditHost) {
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#host = host;
    this.frames[0] = pool.anchorAt;
  }

  /** Hangs a tree on the anchor; `birth` is the version being made. */
  start(root: TreeRoot, birth: number): void {
    const pages = this.#pages, f = this.#pool.anchorAt;
    pages.u8.fill(0, f, f + ANCHOR_BYTES);
    pages.u16[f + AT_HEAP >>> 1] = ANCHOR_BYTES;
    pages.u16[f + AT_SLOTS >>> 1] = 1;
    pages.u16[f + AT_LIVE >>> 1] = 1;
    pages.makeChild(f, ANCHOR_ENTRY, root.page, root.depth, NONE);
    pages.setRoot(f, ANCHOR_ENTRY);
    const i = pages.record(f, ANCHOR_ENTRY) >>> 2;
    [pages.u32[i + 1], pages.u32[i + 2]] = root.sum;
    pages.u8.set(root.hash, hashAt(f, ANCHOR_ENTRY));
    this.#birth = birth;
    this.top = 0;
    this.#writable = 0;
  }

  /** The tree that hangs on the anchor. */
  root(): TreeRoot {
    const pages = this.#pages, f = this.#pool.anchorAt;
    const cell = hashAt(f, ANCHOR_ENTRY);
    const i = pages.record(f, ANCHOR_ENTRY) >>> 2;
    return {
      page: pages.childPage(f, ANCHOR_ENTRY),
      depth: pages.u16[metaAt(f, ANCHOR_ENTRY) + 2],
      sum: [pages.u32[i + 1], pages.u32[i + 2]],
      hash: pages.u8.slice(cell, cell + 32),
    };
  }

  /** Whether the tree has no page. */
  get isEmpty(): boolean {
    return this.#pages.childPage(this.#pool.anchorAt, ANCHOR_ENTRY) === 0;
  }

  /** Makes a level the deepest. */
  end(level: number): void {
    for (let l = this.top; l > Math.max(level, this.#writable); l--) {
      if (!this.#isOwn(this.frames[l])) this.#pool.unstage(this.frames[l]);
    }
    this.top = level;
    if (this.#writable > level) this.#writable = level;
  }

  /** A new empty page of this version. */
  newPage(): number {
    this.#pool.counters.pagesMade++;
    return this.#pool.create(this.#host.allocatePage(), this.#birth);
  }

  /** Takes a level's page, this version's own, out of the tree. */
  dropPage(level: number): void {
    this.drop(this.frames[level]);
    this.end(level - 1);
  }

  /** Takes a page out of the tree that is this version's own, or an older one's. */
  drop(f: number): void {
    const page = this.#pages.pageOf(f), birth = this.#pages.birthOf(f);
    if (birth === this.#birth) this.#pool.drop(page);
    this.#host.supersede(page, birth);
  }

  /** Puts a new root page between the anchor and the root page. */
  insertRoot(f: number, entry: number): void {
    this.frames[2] = this.frames[1];
    this.entries[2] = entry;
    this.frames[1] = f;
    this.entries[1] = ANCHOR_ENTRY;
  }

  /** Loads the page below an entry as the next level. */
  enter(level: number, n: number): number {
    const pool = this.#pool;
    const f = pool.childToEdit(this.frames[level], n, this.#birth);
    if (this.#isOwn(f)) {
      pool.pin(f);
      // A key that parts from the tree above may be led here after all others.
      if (pool.isLent(f)) this.#host.reopen();
    }
    const next = level + 1;
    if (next === this.frames.length) {
      this.frames = grown(this.frames);
      this.entries = grown(this.entries);
    }
    this.frames[next] = f;
    this.entries[next] = n;
    this.top = next;
    if (this.#writable > level) this.#writable = level;
    return next;
  }

  /** Depth of a level's root join, as the entry above it says. */
  rootDepth(level: number): number {
    const n = this.entries[level];
    return this.#pages.u16[metaAt(this.frames[level - 1], n) + 2];
  }

  /** Depth of the join above a level's root, in the page above. */
  depthAbove(level: number): number {
    const f = this.frames[level - 1];
    const parent = this.#pages.parent(f, this.entries[level]);
    return parent === NONE ? -1 : this.#pages.depth(f, parent);
  }

  setEntryDepth(level: number, n: number, depth: number): void {
    this.#pages.u16[metaAt(this.frames[level], n) + 2] = depth;
  }

  /** Makes the pages of levels 1 to `level` this version's own. */
  makeWritable(level: number): void {
    const pages = this.#pages, pool = this.#pool;
    for (let l = this.#writable + 1; l <= level; l++) {
      const above = this.frames[l - 1], n = this.entries[l];
      const f = this.frames[l];
      if (this.#isOwn(f)) {
        pool.touch(f);
      } else {
        const before = pages.pageOf(f), birth = pages.birthOf(f);
        pool.adopt(f, this.#host.allocatePage(), this.#birth);
        this.#host.supersede(before, birth);
        pool.counters.pagesMade++;
      }
      pages.setChildPage(above, n, pages.pageOf(f));
    }
    if (this.#writable < level) this.#writable = level;
  }

  /** Whether a level's page has become this version's own. */
  isChanged(level: number): boolean {
    return level <= this.#writable;
  }

  /** Whether a frame holds a page of the version being made. */
  #isOwn(f: number): boolean {
    return this.#pages.birthOf(f) === this.#birth;
  }

  /** Marks a node and everything above it dirty. */
  markDirty(level: number, n: number): void {
    const pages = this.#pages, { u16 } = pages;
    let f = this.frames[level], below = 0;
    for (;;) {
      const i = metaAt(f, n), flags = u16[i];
      if ((flags & DIRTY) !== 0) return;
      u16[i] = flags | DIRTY;
      if (flags >> KIND_SHIFT === CHILD) pages.swizzle(f, n, below);
      const parent = u16[i + 3];
      if (parent !== NONE) {
        n = parent;
      } else if (level === 0) {
        return;
      } else {
        below = f;
        n = this.entries[level];
        f = this.frames[--level];
      }
    }
  }

  /** Marks everything above a node dirty, but not the node itself. */
  markAbove(level: number, n: number): void {
    const parent = this.#pages.parent(this.frames[level], n);
    if (parent !== NONE) this.markDirty(level, parent);
    else if (level > 0) this.markDirty(level - 1, this.entries[level]);
  }
}
