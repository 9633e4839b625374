// This module is browser compatible.
//
// Structural edits: puts and deletes of sorted keys turn one version's tree
// into the next, copy-on-write, without hashing. What the hashing pass has to
// do is left behind as flags:
//
// * DIRTY on a node: its cached hash is to be computed anew; all its ancestors
//   are dirty too. On a child entry above a clean page: only the page's root
//   node, because it stands under another join now.
// * EXTEND on a node: a delete moved it up; its hash is to be lifted further.
//
// The hash of a page's root node is kept in the entry that leads to the page
// (its *home*), so moving a subtree under another join never touches its page.
// Level 0 of a path is the anchor, a page-like cell with one child entry for
// the root page; the tree's own pages are levels 1 and up.
//
// Fill: an overfull page is cut at its root join. A half that is at least
// `minFill` (a quarter of a page) becomes a page, a smaller one moves up into the
// parent page; a page that falls below it is dissolved into its parent. An end of
// paths that falls below `mergeFill` (3/8) before that takes in the end beside it, if
// both fill twice as much at most. So every page of 4 KiB or more, but the root's,
// stays at least `minFill` full, for any keys; in smaller pages the groups of four
// nodes take a share of it.
//
// Height: what has moved up, or was put where keys in order go, is less high than
// what it stands beside: terminals beside entries, entries for ends of paths beside
// entries for pages that lead on. It grows there, and before a page is cut, what has
// grown large enough becomes a page of its own. So all paths are about as long, and
// terminals are at their ends, where they cost least.

import type { Scheme } from "@stemma/verify";
import { KeyPrefixError } from "../errors.ts";
import { bitAt, keyRecordBytes, PREFIX, SAME } from "./keys.ts";
import {
  align4,
  AT_GARBAGE,
  CHILD,
  CHILD_RECORD_BYTES,
  DEPTH_NONE,
  DIRTY,
  EXTEND,
  hashAt,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NONE,
  OVERFLOW,
  OVERFLOW_HASH_AT,
  PAGE_HEADER_BYTES,
  STEM_BITS,
  TERMINAL,
} from "./layout.ts";
import type { OnMove, Pages } from "./pages.ts";
import {
  ANCHOR_ENTRY,
  type EditHost,
  EditPath,
  type TreeRoot,
} from "./path.ts";
import type { PagePool } from "./pool.ts";
import { PathSeeker } from "./seek.ts";

export type { EditHost, TreeRoot } from "./path.ts";

/** One value as it goes into a page. */
export interface Stored {
  /**
   * Memory of what goes behind the key: the value, or an overflow reference. It
   * begins at a word and is padded with zeros to the next.
   */
  words: Uint32Array;
  at: number;
  length: number;
  overflow: boolean;
}

/** Applies puts and deletes to a tree. One edit runs at a time in a pool. */
export class TreeEdit {
  readonly pool: PagePool;
  readonly #pages: Pages;
  readonly #family: Scheme["family"];
  readonly #minFill: number;
  readonly #mergeFill: number;
  readonly #host: EditHost;
  /** Where nodes flagged EXTEND stood: home cell → depth + 4096 * key offset. */
  readonly extended: Map<number, number> = new Map();
  readonly #path: EditPath;
  /** Finds the way to a key; knows which pages will not be come back to. */
  readonly seeker: PathSeeker;
  /** Words of a key, where all have one length; else 0. */
  readonly #fixedWords: number;
  #keys: Uint8Array = new Uint8Array(0);
  #keyWords: Uint32Array = new Uint32Array(0);

  constructor(pool: PagePool, scheme: Scheme, host: EditHost) {
    this.pool = pool;
    this.#pages = pool.pages;
    this.#family = scheme.family;
    this.#host = host;
    this.#fixedWords = pool.pages.rule.fixedBytes + 3 >>> 2;
    const room = pool.pageBytes - PAGE_HEADER_BYTES;
    this.#minFill = Math.floor(room / 4);
    this.#mergeFill = Math.floor(room * 3 / 8);
    this.#path = new EditPath(pool, host);
    this.seeker = new PathSeeker(pool, this.#path);
  }

  /** Bytes of keys that the puts and deletes of this part refer to. */
  get keys(): Uint8Array {
    return this.#keys;
  }

  /**
   * Starts a part of an edit; every part ends with the hashing pass.
   *
   * @param root The tree to change.
   * @param birth Id of the version being made.
   * @param keys The bytes that key offsets refer to, unchanged until the end.
   * @param words The same bytes. Keys of a fixed length begin at a word and are
   *   padded with zeros to the next.
   */
  start(
    root: TreeRoot,
    birth: number,
    keys: Uint8Array,
    words: Uint32Array,
  ): void {
    this.pool.unpinAll();
    this.extended.clear();
    this.#path.start(root, birth);
    this.#keys = keys;
    this.#keyWords = words;
    this.seeker.start(keys, words);
  }

  /** The tree as it stands; its hash is good after the hashing pass. */
  root(): TreeRoot {
    return this.#path.root();
  }

  /** Ends a part, whether or not it came to its end. */
  end(): void {
    this.#path.end(0);
    this.seeker.end();
  }

  /**
   * Sets a key.
   *
   * @param at Offset of the key in the part's key bytes.
   * @param length Length of the key.
   * @returns Whether anything changed.
   * @throws {KeyPrefixError} When the key is a prefix of another, or the other
   *   way round.
   */
  put(at: number, length: number, value: Stored): boolean {
    let told = false;
    for (;;) {
      const n = this.seeker.seek(at, length);
      if (n === NONE) return this.#plant(at, length, value);
      const f = this.#path.frames[this.#path.top];
      const depth = this.seeker.part(at, length, f, n);
      if (depth >= 0) {
        if (this.#insert(at, length, value, depth)) return true;
        continue;
      }
      if (depth !== SAME) throw prefixError(depth);
      if (!told) {
        if (this.#isSame(f, n, value)) return false;
        this.#host.before(f, n);
        told = true;
      }
      if (this.#update(at, length, n, value)) return true;
    }
  }

  /** Deletes a key; returns whether it was there. */
  delete(at: number, length: number): boolean {
    const n = this.seeker.seek(at, length);
    if (n === NONE) return false;
    const f = this.#path.frames[this.#path.top];
    const depth = this.seeker.part(at, length, f, n);
    if (depth !== SAME) return false;
    this.#host.before(f, n);
    this.#path.makeWritable(this.#path.top);
    this.#remove(this.#path.top, n, at);
    this.#rebalance(at, length);
    return true;
  }

  #recordBytes(keyBytes: number, value: Stored): number {
    return keyRecordBytes(this.#pages.rule, keyBytes) + align4(value.length);
  }

  /** Writes a terminal with a fresh heap record into node `n`. */
  #writeTerminal(
    f: number,
    n: number,
    at: number,
    length: number,
    value: Stored,
  ): void {
    const pages = this.#pages, { u8, u32 } = pages;
    const bytes = this.#recordBytes(length, value);
    const heap = pages.allocateHeap(f, bytes);
    const record = f + heap;
    const to = record + keyRecordBytes(pages.rule, length);
    if (this.#fixedWords > 0) {
      copyWords(this.#keyWords, at >>> 2, u32, record >>> 2, this.#fixedWords);
    } else {
      // Padded with zeros to whole words.
      u32[(to >>> 2) - 1] = 0;
      u8[record] = length;
      for (let i = 0; i < length; i++) u8[record + 1 + i] = this.#keys[at + i];
    }
    this.#copyValue(value, to);
    const i = metaAt(f, n);
    pages.u16[i] = TERMINAL << KIND_SHIFT | DIRTY |
      (value.overflow ? OVERFLOW : 0);
    pages.u16[i + 1] = heap;
    pages.u16[i + 2] = value.overflow ? 0 : value.length;
  }

  #copyValue(value: Stored, to: number): void {
    const count = align4(value.length) >>> 2;
    copyWords(value.words, value.at >>> 2, this.#pages.u32, to >>> 2, count);
  }

  /** The first terminal of a tree. */
  #plant(at: number, length: number, value: Stored): boolean {
    const pages = this.#pages;
    const f = this.#path.newPage();
    const n = pages.allocateNode(f);
    this.#writeTerminal(f, n, at, length, value);
    pages.setRoot(f, n);
    pages.setChildPage(this.pool.anchorAt, ANCHOR_ENTRY, pages.pageOf(f));
    this.#path.setEntryDepth(0, ANCHOR_ENTRY, DEPTH_NONE);
    this.#path.markDirty(0, ANCHOR_ENTRY);
    this.seeker.forget();
    return true;
  }

  /** Whether the terminal holds exactly this value already. */
  #isSame(f: number, n: number, value: Stored): boolean {
    const pages = this.#pages;
    if (pages.isOverflow(f, n) !== value.overflow) return false;
    const at = pages.valueAt(f, n);
    if (!value.overflow && pages.valueBytes(f, n) !== value.length) {
      return false;
    }
    const a = at >>> 2, b = value.at >>> 2, end = align4(value.length) >>> 2;
    for (let i = 0; i < end; i++) {
      // Of overflow references, length and value hash count, not the place.
      if (value.overflow && i === 1) i = OVERFLOW_HASH_AT >>> 2;
      if (pages.u32[a + i] !== value.words[b + i]) return false;
    }
    return true;
  }

  /** Gives the terminal at the top of the path another value. */
  #update(at: number, length: number, n: number, value: Stored): boolean {
    const pages = this.#pages, level = this.#path.top;
    this.#path.makeWritable(level);
    const f = this.#path.frames[level], i = metaAt(f, n);
    const bytes = this.#recordBytes(length, value);
    const before = pages.recordBytes(f, n);
    if (bytes === before && pages.isOverflow(f, n) === value.overflow) {
      this.#copyValue(value, pages.valueAt(f, n));
      if (!value.overflow) pages.u16[i + 2] = value.length;
    } else {
      if (!this.#ensureRoom(level, 0, bytes)) return false;
      const parent = pages.parent(f, n);
      const flags = pages.u16[i] & (DIRTY | EXTEND);
      pages.u16[f + AT_GARBAGE >>> 1] += before;
      this.#writeTerminal(f, n, at, length, value);
      pages.u16[i] = pages.u16[i] & ~DIRTY | flags;
      pages.u16[i + 3] = parent;
    }
    this.#path.markDirty(level, n);
    if (bytes < before) this.#rebalance(at, length);
    return true;
  }

  /** Adds a terminal that parts from the tree at `depth`. */
  #insert(at: number, length: number, value: Stored, depth: number): boolean {
    const pages = this.#pages;
    let level = this.#path.top;
    while (level > 1 && this.#path.depthAbove(level) > depth) level--;
    this.#path.end(level);
    this.#path.makeWritable(level);
    if (!this.#ensureRoom(level, 2, this.#recordBytes(length, value))) {
      return false;
    }
    const f = this.#path.frames[level];
    let n = pages.root(f);
    while (pages.kind(f, n) === JOIN && pages.depth(f, n) < depth) {
      n =
        pages.u16[metaAt(f, n) + 1 + bitAt(this.#keys, at, pages.depth(f, n))];
    }
    const join = pages.allocateNode(f), terminal = pages.allocateNode(f);
    this.#writeTerminal(f, terminal, at, length, value);
    const parent = pages.parent(f, n);
    if (parent === NONE) this.#takeHome(level, n, depth);
    pages.replaceInParent(f, n, join);
    const bit = bitAt(this.#keys, at, depth);
    pages.makeJoin(
      f,
      join,
      depth,
      bit === 0 ? terminal : n,
      bit === 0 ? n : terminal,
      parent,
    );
    this.#relift(f, n, depth);
    this.#path.markDirty(level, join);
    return true;
  }

  /** A page's root gets a join above it: its hash moves to its own cell. */
  #takeHome(level: number, n: number, newRootDepth: number): void {
    const f = this.#path.frames[level], above = this.#path.frames[level - 1];
    const entry = this.#path.entries[level];
    this.#comeHome(above, entry, f, n);
    this.#path.setEntryDepth(level - 1, entry, newRootDepth);
  }

  /** Moves what is remembered of an EXTEND flag, and clears it at the source. */
  #moveExtended(f: number, n: number, g: number, m: number): void {
    this.#onMove(hashAt(f, n), hashAt(g, m));
    this.#pages.u16[metaAt(f, n)] &= ~EXTEND;
  }

  readonly #onMove: OnMove = (from, to) => {
    const stood = this.extended.get(from);
    if (stood === undefined) return;
    this.extended.delete(from);
    this.extended.set(to, stood);
  };

  /** Who is to be told of nodes that move: nobody, where nothing is remembered. */
  get #mover(): OnMove | undefined {
    return this.extended.size === 0 ? undefined : this.#onMove;
  }

  /** Frees all but one subtree of a page; nodes move over one another. */
  #keepOnly(f: number, n: number): void {
    if (this.extended.size === 0) return this.#pages.keepOnly(f, n);
    const moves: [number, number][] = [];
    this.#pages.keepOnly(f, n, (from, to) => moves.push([from, to]));
    const stood = moves.map(([from]) => this.extended.get(from)!);
    for (const [from] of moves) this.extended.delete(from);
    moves.forEach(([, to], i) => this.extended.set(to, stood[i]));
  }

  /** Depth of the join that a node is or leads to; DEPTH_NONE for a terminal. */
  #nodeDepth(f: number, n: number): number {
    const kind = this.#pages.kind(f, n);
    if (kind === JOIN) return this.#pages.depth(f, n);
    return kind === CHILD ? this.#pages.u16[metaAt(f, n) + 2] : DEPTH_NONE;
  }

  /** A node now stands under a join at `depth`: flags what its hash needs. */
  #relift(f: number, n: number, depth: number): void {
    const u16 = this.#pages.u16, i = metaAt(f, n);
    if ((u16[i] & DIRTY) !== 0) return;
    const own = this.#nodeDepth(f, n);
    if (this.#family === "eip7864") {
      // At or below the top of a stem nothing changes until its slots part.
      if (own >= STEM_BITS && depth < STEM_BITS) return;
    } else if (own === DEPTH_NONE) return;
    if ((u16[i] & EXTEND) !== 0) {
      const stood = this.extended.get(hashAt(f, n))! % 4096;
      if (depth <= stood) return;
    }
    this.#setDirty(f, n);
  }

  /** A node is dirty from now on, if it is an entry without saying for which frame. */
  #setDirty(f: number, n: number): void {
    const pages = this.#pages;
    pages.u16[metaAt(f, n)] |= DIRTY;
    if (pages.kind(f, n) === CHILD) pages.swizzle(f, n, 0);
  }

  /** Takes a node, and the join above it, out of the tree. */
  #remove(level: number, n: number, keyAt: number): void {
    const pages = this.#pages, f = this.#path.frames[level];
    const join = pages.parent(f, n);
    if (join === NONE) {
      this.#path.dropPage(level);
      if (level > 1) {
        return this.#remove(level - 1, this.#path.entries[level], keyAt);
      }
      pages.setChildPage(this.pool.anchorAt, ANCHOR_ENTRY, 0);
      this.#path.setEntryDepth(0, ANCHOR_ENTRY, DEPTH_NONE);
      this.#path.markDirty(0, ANCHOR_ENTRY);
      return;
    }
    const i = metaAt(f, join), depth = pages.depth(f, join);
    const sibling = pages.u16[i + 1] === n
      ? pages.u16[i + 2]
      : pages.u16[i + 1];
    if (pages.parent(f, join) === NONE) {
      this.#giveHome(level, sibling);
      pages.freeNode(f, n);
      pages.freeNode(f, join);
      this.#extend(level - 1, this.#path.entries[level], depth, keyAt);
    } else {
      pages.replaceInParent(f, join, sibling);
      pages.freeNode(f, n);
      pages.freeNode(f, join);
      this.#extend(level, sibling, depth, keyAt);
    }
  }

  /** A node becomes its page's root: its hash moves to the entry above. */
  #giveHome(level: number, n: number): void {
    const pages = this.#pages, u16 = pages.u16;
    const f = this.#path.frames[level], above = this.#path.frames[level - 1];
    const entry = this.#path.entries[level];
    const i = metaAt(above, entry);
    const wasDirty = (u16[i] & DIRTY) !== 0;
    this.extended.delete(hashAt(above, entry));
    u16[i] &= ~(DIRTY | EXTEND);
    pages.setRoot(f, n);
    pages.copyHash(hashAt(f, n), hashAt(above, entry));
    this.#path.setEntryDepth(level - 1, entry, this.#nodeDepth(f, n));
    const flags = u16[metaAt(f, n)] & (DIRTY | EXTEND);
    u16[i] |= flags;
    if ((flags & DIRTY) !== 0) pages.swizzle(above, entry, f);
    if ((flags & EXTEND) !== 0) this.#moveExtended(f, n, above, entry);
    // What lies above was dirty exactly when the old root was.
    if (!wasDirty) this.#path.markAbove(level - 1, entry);
  }

  /** A delete at `depth` moved a node up: flags what its hash needs. */
  #extend(level: number, n: number, depth: number, keyAt: number): void {
    const f = this.#path.frames[level], u16 = this.#pages.u16, i = metaAt(f, n);
    this.#path.markAbove(level, n);
    if ((u16[i] & (DIRTY | EXTEND)) !== 0) return;
    const own = this.#nodeDepth(f, n);
    if (this.#family === "eip7864") {
      if (own >= STEM_BITS && depth < STEM_BITS) return;
    } else if (own === DEPTH_NONE) return;
    if (this.#family === "eip8297") return this.#setDirty(f, n);
    u16[i] |= EXTEND;
    this.extended.set(hashAt(f, n), depth + 4096 * keyAt);
  }

  /** Merges or dissolves the pages on the key's path that have become too empty. */
  #rebalance(at: number, length: number): void {
    const pages = this.#pages;
    this.#merge(this.#path.top);
    for (;;) {
      let level = this.#path.top, moved = false;
      while (level > 1 && !moved) {
        if (pages.weight(this.#path.frames[level]) < this.#minFill) {
          moved = !this.#dissolve(level);
        }
        level--;
      }
      if (!moved) break;
      // Room had to be made, so the path is another one now.
      this.seeker.forget();
      this.seeker.seek(at, length);
      this.#path.makeWritable(this.#path.top);
    }
    if (this.#path.top >= 1) this.#collapseRoot();
  }

  /**
   * Moves into a level's page, an end of paths, what is in the end on the other side of
   * the join above it, if one has little and both together leave room to grow.
   */
  #merge(level: number): void {
    const pages = this.#pages, { u16 } = pages, path = this.#path;
    if (level < 2) return;
    const f = path.frames[level], g = path.frames[level - 1];
    const entry = path.entries[level], join = pages.parent(g, entry);
    if (pages.weight(f) >= this.#mergeFill || join === NONE) return;
    // No entry may become the root of the page above.
    if (pages.parent(g, join) === NONE || !pages.isEnd(g, entry)) return;
    const i = metaAt(g, join), isLeft = u16[i + 1] === entry;
    const other = isLeft ? u16[i + 2] : u16[i + 1];
    if (!pages.isEnd(g, other)) return;
    const from = this.pool.child(g, other);
    const nodes = pages.liveNodes(from) + 1, heap = pages.heapLive(from);
    const weight = pages.weight(f) + pages.weight(from);
    if (weight > 2 * this.#mergeFill || pages.leadsOn(from)) return;
    // In small pages groups of four nodes take a good part of it.
    if (!pages.fitsCompacted(f, nodes, heap)) return;
    this.#reopen();
    this.#keepOnly(f, pages.root(f));
    const top = pages.allocateNode(f), root = pages.root(f);
    const depth = pages.depth(g, join);
    this.#takeHome(level, root, depth);
    const n = pages.copySubtree(from, pages.root(from), f, this.#mover);
    this.#comeHome(g, other, f, n);
    const [left, right] = isLeft ? [root, n] : [n, root];
    pages.makeJoin(f, top, depth, left, right, NONE);
    pages.setRoot(f, top);
    path.markDirty(level, top);
    pages.replaceInParent(g, join, entry);
    pages.freeNode(g, other);
    pages.freeNode(g, join);
    path.drop(from);
  }

  /** A node whose page has been moved takes hash and flags from the entry that led there. */
  #comeHome(g: number, entry: number, f: number, n: number): void {
    const pages = this.#pages, { u16 } = pages;
    const flags = u16[metaAt(g, entry)] & (DIRTY | EXTEND);
    pages.copyHash(hashAt(g, entry), hashAt(f, n));
    u16[metaAt(f, n)] |= flags;
    if ((flags & EXTEND) !== 0) this.#moveExtended(g, entry, f, n);
  }

  /** Closed pages, which another thread may work on, are about to change. */
  #reopen(): void {
    this.seeker.closed.length = 0;
    this.#host.reopen();
  }

  /** Moves a page's tree into the page above; false when it had no room. */
  #dissolve(level: number): boolean {
    const pages = this.#pages, f = this.#path.frames[level];
    const nodes = pages.liveNodes(f), heap = pages.heapLive(f);
    // The way of a key that is gone may lead into a closed page.
    this.#reopen();
    if (!this.#ensureRoom(level - 1, nodes, heap)) return false;
    const g = this.#path.frames[level - 1], entry = this.#path.entries[level];
    const parent = pages.parent(g, entry);
    const n = pages.copySubtree(f, pages.root(f), g, this.#mover);
    this.#comeHome(g, entry, g, n);
    pages.replaceInParent(g, entry, n);
    if (parent === NONE) {
      this.#path.setEntryDepth(
        level - 2,
        this.#path.entries[level - 1],
        this.#nodeDepth(g, n),
      );
    }
    pages.freeNode(g, entry);
    this.#path.dropPage(level);
    return true;
  }

  /** A root page that only leads to another page gives way to it. */
  #collapseRoot(): void {
    const pages = this.#pages,
      f = this.#path.frames[1],
      anchor = this.#path.frames[0];
    const n = pages.root(f);
    if (pages.kind(f, n) !== CHILD) return;
    const from = pages.record(f, n) >>> 2;
    const to = pages.record(anchor, ANCHOR_ENTRY) >>> 2;
    pages.u32.copyWithin(to, from, from + 3);
    this.#path.setEntryDepth(0, ANCHOR_ENTRY, this.#nodeDepth(f, n));
    this.#path.dropPage(1);
    this.seeker.forget();
  }

  /**
   * Whether nodes and heap bytes fit into a level's page. When they do not, the
   * page is compacted or cut and the caller has to find its way anew.
   */
  #ensureRoom(level: number, nodes: number, heap: number): boolean {
    const pages = this.#pages, f = this.#path.frames[level];
    if (pages.fits(f, nodes, heap)) return true;
    this.seeker.forget();
    if (pages.fitsCompacted(f, nodes, heap)) {
      this.#keepOnly(f, pages.root(f));
    } else {
      this.#split(level);
    }
    return false;
  }

  /** Puts a new root page above the root page. */
  #growRoot(): void {
    const pages = this.#pages, anchor = this.#path.frames[0];
    const below = this.#path.frames[1];
    const f = this.#path.newPage();
    this.pool.setInner(f);
    const n = pages.allocateNode(f);
    const i = metaAt(anchor, ANCHOR_ENTRY);
    pages.makeChild(f, n, pages.pageOf(below), pages.u16[i + 2], NONE);
    pages.setHeight(f, n, below);
    pages.setRoot(f, n);
    pages.copyHash(hashAt(anchor, ANCHOR_ENTRY), hashAt(f, n));
    pages.u16[metaAt(f, n)] |= pages.u16[i] & DIRTY;
    pages.setChildPage(anchor, ANCHOR_ENTRY, pages.pageOf(f));
    this.#path.insertRoot(f, n);
  }

  /** Makes a level's page smaller: takes a part out of it, or cuts it at its root join. */
  #split(level: number): void {
    const pages = this.#pages;
    if (this.#pushDown(level)) return;
    if (level === 1) {
      this.#growRoot();
      level = 2;
    }
    const f = this.#path.frames[level], i = metaAt(f, pages.root(f));
    const left = pages.u16[i + 1], right = pages.u16[i + 2];
    const leftBytes = pages.subtreeWeight(f, left);
    const rightBytes = pages.subtreeWeight(f, right);
    const heavySide = leftBytes >= rightBytes ? 0 : 1;
    const lightBytes = Math.min(leftBytes, rightBytes);
    const cut = lightBytes >= this.#minFill;
    const lightNodes = cut
      ? 1
      : pages.subtreeNodes(f, [right, left][heavySide]);
    const heap = cut ? CHILD_RECORD_BYTES : lightBytes - 40 * lightNodes;
    if (!this.#ensureRoom(level - 1, 1 + lightNodes, heap)) return;
    this.#divide(level, heavySide, cut);
  }

  /**
   * Makes a page of the part of a level's page that is least high, if that is less than
   * the page itself; returns whether it did. Or else what moves up from below would grow
   * there, and some paths lead through many pages.
   */
  #pushDown(level: number): boolean {
    const pages = this.#pages, u16 = pages.u16, f = this.#path.frames[level];
    const n = pages.lowestPart(f, this.#minFill);
    if (n === NONE) return false;
    const page = this.#path.newPage(), i = metaAt(f, n);
    const extend = u16[i] & EXTEND;
    // What is remembered of this flag stays where it is, as the hash does.
    u16[i] &= ~EXTEND;
    const depth = this.#nodeDepth(f, n);
    pages.setRoot(page, pages.copySubtree(f, n, page, this.#mover));
    u16[i] |= extend;
    pages.becomeChild(f, n, pages.pageOf(page), depth);
    pages.setHeight(f, n, page);
    if (!pages.isEnd(f, n)) this.pool.setInner(page);
    if ((u16[i] & DIRTY) !== 0) pages.swizzle(f, n, page);
    this.pool.setInner(f);
    return true;
  }

  /** Leaves the heavy half of a page in it and moves the rest up or out. */
  #divide(level: number, heavySide: number, cut: boolean): void {
    const pages = this.#pages, u16 = pages.u16;
    const f = this.#path.frames[level], g = this.#path.frames[level - 1];
    const root = pages.root(f), entry = this.#path.entries[level];
    const heavy = u16[metaAt(f, root) + 1 + heavySide];
    const light = u16[metaAt(f, root) + 2 - heavySide];
    const join = pages.allocateNode(g);
    const parent = pages.parent(g, entry);
    pages.copyHash(hashAt(g, entry), hashAt(g, join));
    const flags = u16[metaAt(g, entry)] & (DIRTY | EXTEND);
    if ((flags & EXTEND) !== 0) this.#moveExtended(g, entry, g, join);
    pages.replaceInParent(g, entry, join);
    const other = cut
      ? this.#cutOff(f, light, g)
      : pages.copySubtree(f, light, g, this.#mover);
    pages.makeJoin(
      g,
      join,
      pages.depth(f, root),
      heavySide === 0 ? entry : other,
      heavySide === 0 ? other : entry,
      parent,
    );
    u16[metaAt(g, join)] |= flags;
    u16[metaAt(g, entry)] &= ~DIRTY;
    this.#leadTo(f, heavy, g, entry, f);
    this.#keepOnly(f, heavy);
    pages.setHeight(g, entry, f);
  }

  /** Makes a page of the subtree at `n`; returns its new entry in `g`. */
  #cutOff(f: number, n: number, g: number): number {
    const pages = this.#pages;
    const page = this.#path.newPage();
    if (this.pool.isInner(f)) this.pool.setInner(page);
    const entry = pages.allocateNode(g);
    pages.makeChild(g, entry, pages.pageOf(page), DEPTH_NONE, NONE);
    this.#leadTo(f, n, g, entry, page);
    pages.setRoot(page, pages.copySubtree(f, n, page, this.#mover));
    pages.setHeight(g, entry, page);
    return entry;
  }

  /**
   * Gives an entry the hash, flags and depth of a node, which becomes the root of the
   * page that the entry leads to.
   *
   * @param page The frame of that page.
   */
  #leadTo(f: number, n: number, g: number, entry: number, page: number): void {
    const pages = this.#pages, u16 = pages.u16;
    const flags = u16[metaAt(f, n)] & (DIRTY | EXTEND);
    pages.copyHash(hashAt(f, n), hashAt(g, entry));
    u16[metaAt(g, entry)] |= flags;
    u16[metaAt(g, entry) + 2] = this.#nodeDepth(f, n);
    if ((flags & DIRTY) !== 0) pages.swizzle(g, entry, page);
    if ((flags & EXTEND) !== 0) this.#moveExtended(f, n, g, entry);
  }
}

function copyWords(
  from: Uint32Array,
  at: number,
  to: Uint32Array,
  toAt: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[at + i];
}

function prefixError(relation: number): KeyPrefixError {
  return new KeyPrefixError(
    relation === PREFIX
      ? "Cannot set key: it is a prefix of a key in the store"
      : "Cannot set key: a key in the store is a prefix of it",
  );
}
