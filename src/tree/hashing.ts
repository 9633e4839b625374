// This module is browser compatible.
//
// The hashing pass: visits the dirty nodes that an edit left behind, writes
// down which hashes they need as entries of `hashBatch` lists, and runs them
// level by level from the deepest up, each level in one batch. A one-child
// level is an entry like any other, with the zero cell as sibling.

import type { Scheme } from "@stemma/verify";
import {
  type BatchHasher,
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
  OP_VALUE,
  OP_WORDS,
  type PageHasher,
} from "../hash/ops.ts";
import { bitAt } from "./keys.ts";
import {
  CHILD,
  DEPTH_MASK,
  DIRTY,
  EXTEND,
  hashAt,
  inlineBytesMax,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NONE,
  OVERFLOW_HASH_AT,
  STEM_BITS,
} from "./layout.ts";
import type { Pages } from "./pages.ts";
import type { PagePool } from "./pool.ts";
import { grown } from "./words.ts";

/** Levels that a tree can have: 255-byte keys, and one for stems. */
const LEVELS = 2048 + 1;

/** Hashes groups of pages while the edit goes on: `SecondThread`. */
export interface LaterPages {
  /** Pages that it takes at a time. */
  readonly pagesMax: number;
  /** Begins to hash pages, children before parents, unless it cannot. */
  hashLater(
    family: Scheme["family"],
    pages: readonly number[],
    frames: readonly number[],
  ): boolean;
  /** Returns when all pages have been hashed. */
  finishGroups(): void;
}

/** A growing list of u32 words. */
class Words {
  data: Uint32Array = new Uint32Array(16);
  length = 0;

  room(words: number): void {
    if (this.length + words <= this.data.length) return;
    this.data = grown(this.data);
  }
}

/** Computes the hashes of a pool's dirty nodes. */
export class HashingPass {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #hasher: BatchHasher;
  readonly #family: Scheme["family"];
  readonly #pairOp: number;
  readonly #leafOp: number;
  readonly #values: Words = new Words();
  readonly #leaves: Words = new Words();
  /** Entries by level; a level's list is made when it is first needed. */
  readonly #pairs: (Words | undefined)[] = new Array(LEVELS).fill(undefined);
  #stack: Uint32Array = new Uint32Array(1 << 10);
  #stackTop = 0;
  #extended: ReadonlyMap<number, number> = new Map();
  #keys: Uint8Array = new Uint8Array(0);
  readonly #later: LaterPages | undefined;
  readonly #hashPages: PageHasher | undefined;
  /** Where frames are, as kernels want it: the first, the end, bytes of one less 1. */
  readonly #frames: readonly number[];
  /** Pages that a second thread has. */
  readonly #lent: number[] = [];
  /** Deepest level of the entries. */
  #deepest = 0;

  constructor(
    pool: PagePool,
    hasher: BatchHasher,
    scheme: Scheme,
    later?: LaterPages,
  ) {
    this.#later = later;
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#hasher = hasher;
    this.#family = scheme.family;
    [this.#pairOp, this.#leafOp] = opsOf(scheme.family);
    const { framesAt, frameCount, pageBytes } = pool;
    this.#frames = [framesAt, framesAt + frameCount * pageBytes, pageBytes - 1];
    const longest = inlineBytesMax(pageBytes);
    this.#hashPages = hasher.pageHasher?.(scheme.family, longest);
    this.#pages.swizzles = this.#hashPages !== undefined;
  }

  /** Whether {@linkcode runClosed} does anything. */
  get hashesPages(): boolean {
    return this.#hashPages !== undefined;
  }

  /**
   * Hashes everything dirty below the pool's anchor.
   *
   * @param extended Where nodes flagged EXTEND stood, as `TreeEdit` keeps it.
   * @param keys The bytes that its key offsets refer to.
   */
  run(extended: ReadonlyMap<number, number>, keys: Uint8Array): void {
    this.#extended = extended;
    this.#keys = keys;
    const anchor = this.#pool.anchorAt;
    this.takeBack();
    this.#visit(anchor, 0, hashAt(anchor, 0), -1);
    this.#execute();
  }

  /**
   * Hashes pages that the running part of an edit will not come back to; {@linkcode run}
   * does what is left: root nodes, whose hashes lie in pages above, and pages for which
   * something was missing.
   *
   * @param mayWait Whether a second thread may do it while the edit goes on; it has the
   *   pages until {@linkcode takeBack}.
   */
  runClosed(pages: readonly number[], mayWait: boolean): void {
    if (this.#hashPages === undefined || pages.length === 0) return;
    if (mayWait && this.#hashLater(pages)) return;
    this.takeBack();
    const { listAt } = this.#pool, { u32 } = this.#pages;
    u32.set(pages, listAt >>> 2);
    u32.set(this.#frames, (listAt >>> 2) + pages.length);
    this.#hashPages(listAt, pages.length);
  }

  /** Waits for the pages that a second thread has. */
  takeBack(): void {
    this.#later?.finishGroups();
    for (const f of this.#lent) this.#pool.giveBack(f);
    this.#lent.length = 0;
  }

  /** Leaves pages to a second thread, unless there is none to take them. */
  #hashLater(pages: readonly number[]): boolean {
    const later = this.#later, most = later?.pagesMax ?? 1;
    for (let i = 0; i < pages.length; i += most) {
      const some = pages.slice(i, i + most);
      if (!later?.hashLater(this.#family, some, this.#frames)) return false;
      for (const f of some) this.#pool.lend(f);
      this.#lent.push(...some);
    }
    return true;
  }

  /**
   * Hashes every node of one page, trusting the hashes of its child entries.
   *
   * @param f The page, every node of it marked dirty.
   * @param home Where the hash of its root node goes.
   * @param above Depth of the join above the page, -1 for none.
   */
  runPage(f: number, home: number, above: number): void {
    this.#extended = new Map();
    this.#visit(f, this.#pages.root(f), home, above);
    this.#execute();
  }

  /** Writes down what a flagged node, and what is flagged below it, need. */
  #visit(f: number, n: number, home: number, above: number): void {
    const u16 = this.#pages.u16, bottom = this.#stackTop;
    for (;;) {
      const i = metaAt(f, n), flags = u16[i], kind = flags >> KIND_SHIFT;
      u16[i] = flags & ~(DIRTY | EXTEND);
      let next = NONE;
      if ((flags & DIRTY) === 0) {
        if ((flags & EXTEND) !== 0) this.#extend(f, n, home, above);
      } else if (kind === JOIN) {
        this.#join(f, n, home, above);
        next = this.#nextBelow(f, i);
        above = flags & DEPTH_MASK;
        if (next !== NONE) home = hashAt(f, next);
      } else if (kind === CHILD) {
        const child = this.#enter(f, n, home, above);
        if (child !== 0) next = this.#pages.root(f = child);
      } else this.#terminal(f, n, home, above);
      if (next === NONE) {
        if (this.#stackTop === bottom) return;
        const top = this.#stackTop -= 3, stack = this.#stack;
        f = stack[top];
        next = stack[top + 1];
        above = stack[top + 2];
        home = hashAt(f, next);
      }
      n = next;
    }
  }

  /**
   * The flagged node below the join whose meta is at `i`, or NONE; when both are,
   * the right one waits on the stack.
   */
  #nextBelow(f: number, i: number): number {
    const u16 = this.#pages.u16, left = u16[i + 1], right = u16[i + 2];
    const isLeft = (u16[metaAt(f, left)] & (DIRTY | EXTEND)) !== 0;
    if ((u16[metaAt(f, right)] & (DIRTY | EXTEND)) === 0) {
      return isLeft ? left : NONE;
    }
    if (!isLeft) return right;
    if (this.#stackTop + 3 > this.#stack.length) {
      this.#stack = grown(this.#stack);
    }
    const stack = this.#stack, top = this.#stackTop;
    stack[top] = f;
    stack[top + 1] = right;
    stack[top + 2] = u16[i] & DEPTH_MASK;
    this.#stackTop = top + 3;
    return left;
  }

  /**
   * Goes on from an entry for a page.
   *
   * @returns The page's frame when its root node is to be visited, else 0.
   */
  #enter(f: number, n: number, home: number, above: number): number {
    const pages = this.#pages;
    if (pages.childPage(f, n) === 0) {
      pages.u8.fill(0, home, home + 32);
      return 0;
    }
    const child = this.#pool.child(f, n);
    this.#pool.pin(child);
    // The entry is dirty because the root node is to be hashed, whether or
    // not anything below that has changed.
    const root = pages.root(child);
    if ((pages.u16[metaAt(child, root)] & DIRTY) !== 0) return child;
    this.#relift(child, root, home, above);
    return 0;
  }

  /** A clean page's root node stands under another join now. */
  #relift(f: number, n: number, home: number, above: number): void {
    const kind = this.#pages.kind(f, n);
    if (kind === JOIN) this.#join(f, n, home, above);
    else if (kind !== CHILD) this.#terminal(f, n, home, above);
    else throw new Error("unreachable: page with a child entry as root");
  }

  #join(f: number, n: number, home: number, above: number): void {
    const u16 = this.#pages.u16, i = metaAt(f, n);
    const depth = u16[i] & DEPTH_MASK;
    const left = u16[i + 1], right = u16[i + 2];
    const leftHome = hashAt(f, left), rightHome = hashAt(f, right);
    if (this.#family === "eip8297") {
      this.#prefixed(f, n, depth, leftHome, rightHome, home, above);
    } else {
      this.#pair(levelOf(depth, this.#family), leftHome, rightHome, home);
      if (this.#needsKey(depth, above)) {
        this.#liftAll(home, depth - 1, above, this.#keyBelow(f, n));
      }
    }
  }

  /** Whether the node is lifted, or is the top of a stem. */
  #needsKey(depth: number, above: number): boolean {
    return depth - 1 > above ||
      (this.#family === "eip7864" && depth >= STEM_BITS && above < STEM_BITS);
  }

  /** Carries a hash from depth `level + 1` to `level`, on side `bit`. */
  #lift(home: number, level: number, bit: number): void {
    const zero = this.#pool.zeroAt, at = levelOf(level, this.#family);
    if (bit === 0) this.#pair(at, home, zero, home);
    else this.#pair(at, zero, home, home);
  }

  /** Lifts a hash from depth `from + 1` to one below the join at `above`. */
  #liftAll(home: number, from: number, above: number, key: number): void {
    const u8 = this.#pages.u8;
    const stem = this.#family === "eip7864" && from + 1 >= STEM_BITS &&
      above < STEM_BITS;
    const last = stem ? STEM_BITS : above + 1;
    for (let level = from; level >= last; level--) {
      this.#lift(home, level, bitAt(u8, key, level));
    }
    if (stem) this.#pair(STEM_BITS, key, home, home);
  }

  /** A delete moved the node up: lifts its hash from where it stood. */
  #extend(f: number, n: number, home: number, above: number): void {
    const stood = this.#extended.get(home)!;
    const from = stood % 4096, key = Math.floor(stood / 4096);
    const stem = this.#family === "eip7864" && from >= STEM_BITS &&
      above < STEM_BITS;
    const last = stem ? STEM_BITS : above + 1;
    for (let level = from; level >= last; level--) {
      // The deleted key shares the bits above `from` and took the other side.
      const bit = bitAt(this.#keys, key, level);
      this.#lift(home, level, level === from ? bit ^ 1 : bit);
    }
    if (stem) this.#pair(STEM_BITS, this.#keyBelow(f, n), home, home);
  }

  #terminal(f: number, n: number, home: number, above: number): void {
    const pages = this.#pages;
    const key = pages.keyAt(f, n), value = pages.valueAt(f, n);
    const length = pages.valueBytes(f, n);
    const overflow = pages.isOverflow(f, n);
    switch (this.#family) {
      case "nomt":
        if (!overflow) this.#value(value, length, home);
        this.#leaf3(key, overflow ? value + OVERFLOW_HASH_AT : home, home);
        break;
      case "jam":
        if (overflow) {
          this.#leaf4(key, value + OVERFLOW_HASH_AT, length, home);
        } else if (length <= 32) this.#leaf4(key, value, length, home);
        else {
          this.#value(value, length, home);
          this.#leaf4(key, home, length, home);
        }
        break;
      case "eip7864":
        this.#value(value, length, home);
        this.#liftAll(home, 255, above, key);
        break;
      case "eip8297":
        this.#leaf4(key, pages.keyBytes(f, n), value, home);
    }
  }

  /** An EIP-8297 branch: six words. */
  #prefixed(
    f: number,
    n: number,
    depth: number,
    left: number,
    right: number,
    home: number,
    above: number,
  ): void {
    const bits = depth - above - 1;
    const words = this.#level(depth, 6), { data, length } = words;
    data[length] = bits === 0 ? this.#pool.zeroAt : this.#keyBelow(f, n);
    data[length + 1] = above + 1;
    data[length + 2] = bits;
    data[length + 3] = left;
    data[length + 4] = right;
    data[length + 5] = home;
    words.length += 6;
  }

  #pair(level: number, left: number, right: number, out: number): void {
    const words = this.#level(level, 3), { data, length } = words;
    data[length] = left;
    data[length + 1] = right;
    data[length + 2] = out;
    words.length = length + 3;
  }

  /** The list of a level, with room for an entry. */
  #level(level: number, words: number): Words {
    const list = this.#pairs[level] ??= new Words();
    list.room(words);
    if (level > this.#deepest) this.#deepest = level;
    return list;
  }

  #value(at: number, length: number, out: number): void {
    const words = this.#values;
    words.room(3);
    words.data[words.length++] = at;
    words.data[words.length++] = length;
    words.data[words.length++] = out;
  }

  #leaf3(key: number, valueHash: number, out: number): void {
    const words = this.#leaves;
    words.room(3);
    words.data[words.length++] = key;
    words.data[words.length++] = valueHash;
    words.data[words.length++] = out;
  }

  #leaf4(a: number, b: number, c: number, out: number): void {
    const words = this.#leaves;
    words.room(4);
    words.data[words.length++] = a;
    words.data[words.length++] = b;
    words.data[words.length++] = c;
    words.data[words.length++] = out;
  }

  /**
   * Offset of a key below a node, preferably without loading a page. The page
   * it lies in is pinned.
   */
  #keyBelow(f: number, n: number): number {
    const pages = this.#pages, u16 = pages.u16;
    for (;;) {
      const kind = pages.kind(f, n);
      if (kind === JOIN) {
        const i = metaAt(f, n);
        n = this.#isFar(f, u16[i + 1]) ? u16[i + 2] : u16[i + 1];
      } else if (kind === CHILD) {
        f = this.#pool.child(f, n);
        this.#pool.pin(f);
        n = pages.root(f);
      } else {
        return pages.keyAt(f, n);
      }
    }
  }

  #isFar(f: number, n: number): boolean {
    return this.#pages.kind(f, n) === CHILD &&
      this.#pool.peek(this.#pages.childPage(f, n)) === 0;
  }

  #execute(): void {
    this.#batches(OP_VALUE, this.#values.data, this.#values.length / 3);
    this.#values.length = 0;
    const leafWords = OP_WORDS[this.#leafOp];
    const leaves = this.#leaves.length / leafWords;
    this.#batches(this.#leafOp, this.#leaves.data, leaves);
    this.#leaves.length = 0;
    for (let level = this.#deepest; level >= 0; level--) {
      const pairs = this.#pairs[level];
      if (pairs === undefined || pairs.length === 0) continue;
      const stem = this.#family === "eip7864" && level === STEM_BITS;
      const op = stem ? OP_STEM : this.#pairOp;
      this.#batches(op, pairs.data, pairs.length / OP_WORDS[op]);
      pairs.length = 0;
    }
    this.#deepest = 0;
  }

  /** Runs a list through the pool's list region. */
  #batches(op: number, list: Uint32Array, count: number): void {
    const words = OP_WORDS[op], { listAt, listBytes } = this.#pool;
    const most = Math.floor(listBytes / 4 / words), { u32 } = this.#pages;
    for (let done = 0; done < count; done += most) {
      const part = Math.min(most, count - done), from = done * words;
      u32.set(list.subarray(from, from + part * words), listAt >>> 2);
      this.#hasher.hashBatch(op, listAt, part);
    }
  }
}

/** Level of the batches in which a depth is hashed: stems come between. */
function levelOf(depth: number, family: Scheme["family"]): number {
  return family === "eip7864" && depth >= STEM_BITS ? depth + 1 : depth;
}

/** The pair and the leaf op of a family. */
function opsOf(family: Scheme["family"]): [number, number] {
  switch (family) {
    case "nomt":
      return [OP_PAIR_TOP_CLEARED, OP_PAIR_TOP_SET];
    case "jam":
      return [OP_PAIR_LEFT_MASKED, OP_JAM_LEAF];
    case "eip7864":
      return [OP_PAIR, OP_VALUE];
    case "eip8297":
      return [OP_EIP8297_BRANCH, OP_EIP8297_LEAF];
  }
}
