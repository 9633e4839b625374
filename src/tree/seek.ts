// This module is browser compatible.
//
// The way to a key: sorted keys share much of it, so each is sought from where its path
// leaves the one before. What lies below is left for good, and can be hashed.

import { bitAt, partAt, partWords, SAME } from "./keys.ts";
import {
  CHILD,
  DEPTH_MASK,
  DEPTH_NONE,
  DIRTY,
  END,
  EXTEND,
  HEIGHT_MASK,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NONE,
} from "./layout.ts";
import type { Pages } from "./pages.ts";
import { ANCHOR_ENTRY, type EditPath } from "./path.ts";
import type { PagePool } from "./pool.ts";

/** What leads to a page at the end of a path. */
export interface End {
  /** The page's frame; 0 when the page is to be loaded later. */
  frame: number;
  /** Whether it has been loaded for this, and is pinned. */
  isLoaded: boolean;
  /** The frame above it, writable, and the entry there, which is marked dirty. */
  parent: number;
  entry: number;
  /** Depth of the join above the page. */
  above: number;
}

/** Moves an edit's path from key to key. */
export class PathSeeker {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #path: EditPath;
  /** Words of a key, where all have one length; else 0. */
  readonly #fixedWords: number;
  /**
   * Pages that this part changed and will not come back to; the owner may take them
   * out.
   */
  readonly closed: number[] = [];
  readonly #end: End = {
    frame: 0,
    isLoaded: false,
    parent: 0,
    entry: 0,
    above: 0,
  };
  #keys: Uint8Array = new Uint8Array(0);
  #keyWords: Uint32Array = new Uint32Array(0);
  #lastAt = -1;
  #lastBytes = 0;
  #lastDepth = 0;

  constructor(pool: PagePool, path: EditPath) {
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#path = path;
    this.#fixedWords = pool.pages.rule.fixedBytes + 3 >>> 2;
  }

  /** Starts a part of an edit; see `TreeEdit`. */
  start(keys: Uint8Array, words: Uint32Array): void {
    this.#keys = keys;
    this.#keyWords = words;
    this.#lastAt = -1;
  }

  /** Ends it. */
  end(): void {
    this.closed.length = 0;
    this.#lastAt = -1;
  }

  /** The tree has changed on the path: the next key is sought from the top. */
  forget(): void {
    this.#lastAt = -1;
  }

  /**
   * Depth at which a key parts from the terminal that {@linkcode seek} came to, or one
   * of the codes of `keys.ts`; the next seek goes on from there.
   */
  part(at: number, length: number, f: number, n: number): number {
    const pages = this.#pages, other = pages.keyAt(f, n);
    const depth = this.#fixedWords > 0
      ? partWords(
        this.#keyWords,
        at >>> 2,
        pages.u32,
        other >>> 2,
        this.#fixedWords,
      )
      : partAt(this.#keys, at, length, pages.u8, other, pages.keyBytes(f, n));
    this.#lastAt = at;
    this.#lastBytes = length;
    this.#lastDepth = depth === SAME ? DEPTH_NONE : Math.max(depth, 0);
    return depth;
  }

  /**
   * Walks to the terminal where the key is or would part from the tree; starts
   * from the part of the last path that the key shares.
   *
   * @returns The terminal's node in the page at the top of the path, or NONE.
   */
  seek(at: number, length: number): number {
    const pages = this.#pages, u16 = pages.u16, keys = this.#keys;
    const path = this.#path;
    let level = this.#begin(at, length);
    if (level === 0) return NONE;
    let f = path.frames[level], n = pages.root(f);
    for (;;) {
      const i = metaAt(f, n), meta = u16[i], kind = meta >> KIND_SHIFT;
      if (kind === JOIN) {
        n = u16[i + 1 + bitAt(keys, at, meta & DEPTH_MASK)];
      } else if (kind === CHILD) {
        level = path.enter(level, n);
        f = path.frames[level];
        n = pages.root(f);
      } else {
        path.end(level);
        return n;
      }
    }
  }

  /**
   * Walks to the page at the end of a key's path, for somebody else to edit it: what is
   * above it is made ready for that.
   *
   * @param mayWait Whether it need not be loaded now.
   * @returns `undefined` when there is none, or it has changed in this part and is not
   *   settled; else an object that the next call overwrites.
   */
  seekEnd(at: number, length: number, mayWait: boolean): End | undefined {
    const pages = this.#pages, { u16 } = pages, path = this.#path;
    let level = this.#begin(at, length);
    if (level === 0) return undefined;
    this.#lastAt = at;
    this.#lastBytes = length;
    this.#lastDepth = DEPTH_NONE;
    let f = path.frames[level], n = pages.root(f);
    for (;;) {
      const i = metaAt(f, n), meta = u16[i], kind = meta >> KIND_SHIFT;
      if (kind === JOIN) {
        n = u16[i + 1 + bitAt(this.#keys, at, meta & DEPTH_MASK)];
        continue;
      }
      if (kind !== CHILD) return undefined;
      const frame = this.#pool.childInPool(f, n), isLoaded = frame === 0;
      if (isLoaded && mayWait && (meta & HEIGHT_MASK) === END) {
        return this.#takeEnd(level, n, 0, false);
      }
      const child = isLoaded ? this.#pool.childLoaded(f, n) : frame;
      if (!this.#pool.isInner(child)) {
        const end = this.#takeEnd(level, n, child, isLoaded);
        if (end === undefined && isLoaded) this.#pool.unpin(child);
        return end;
      }
      level = path.enter(level, n);
      f = path.frames[level];
      n = pages.root(f);
    }
  }

  #takeEnd(
    level: number,
    n: number,
    frame: number,
    isLoaded: boolean,
  ): End | undefined {
    const pages = this.#pages, { u16 } = pages, path = this.#path;
    const f = path.frames[level], i = metaAt(f, n), end = this.#end;
    const parent = u16[i + 3];
    if ((u16[i] & (DIRTY | EXTEND)) !== 0 || parent === NONE) return undefined;
    path.makeWritable(level);
    // Its hash stays in its cell until the page is settled: not by `markDirty`.
    u16[i] |= DIRTY;
    path.markDirty(level, parent);
    end.frame = frame;
    end.isLoaded = isLoaded;
    end.parent = f;
    end.entry = n;
    end.above = pages.depth(f, parent);
    return end;
  }

  /** The last key that led to the page that {@linkcode seekEnd} has found. */
  passEnd(at: number): void {
    this.#lastAt = at;
  }

  /** The level from whose page on a key is sought; 0 when there is no page. */
  #begin(at: number, length: number): number {
    const level = this.#sharedLevel(at, length), path = this.#path;
    if (level > 0) return level;
    path.end(0);
    return path.isEmpty ? 0 : path.enter(0, ANCHOR_ENTRY);
  }

  /** Deepest level of the last path that lies on the key's path too. */
  #sharedLevel(at: number, length: number): number {
    if (this.#lastAt < 0) return 0;
    const keys = this.#keys, words = this.#keyWords, last = this.#lastAt;
    let shared = this.#fixedWords > 0
      ? partWords(words, at >>> 2, words, last >>> 2, this.#fixedWords)
      : partAt(keys, at, length, keys, last, this.#lastBytes);
    if (shared < 0) shared = shared === SAME ? DEPTH_NONE : 0;
    const parted = shared;
    if (shared > this.#lastDepth) shared = this.#lastDepth;
    const path = this.#path;
    let level = path.top;
    for (; level > 0 && path.rootDepth(level) > shared; level--) {
      // Between the join above and its root, the key would go into the page.
      if (path.isChanged(level) && path.depthAbove(level) >= parted) {
        this.closed.push(path.frames[level]);
      }
    }
    path.end(level);
    return level;
  }
}
