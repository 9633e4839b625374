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
} from "../hash/ops.ts";
import { STEM_BITS } from "./edit.ts";
import { bitAt } from "./keys.ts";
import {
  AT_SLOTS,
  CHILD,
  DEPTH_MASK,
  DIRTY,
  EXTEND,
  hashAt,
  JOIN,
  KIND_SHIFT,
  metaAt,
  OVERFLOW_HASH_AT,
} from "./layout.ts";
import type { Pages } from "./pages.ts";
import type { PagePool } from "./pool.ts";

/** Levels that a tree can have: 255-byte keys, and one for stems. */
const LEVELS = 2048 + 1;

/** Runs batches while the edit goes on: `SecondThread`. */
export interface LaterBatches {
  /** Room for the lists of a group of batches, which are not run at once; or 0. */
  beginGroup(words: number, calls: number): number;
  endGroup(): void;
  /** Returns when all groups have been run. */
  finishGroups(): void;
}

/** A growing list of u32 words. */
class Words {
  data: Uint32Array = new Uint32Array(1 << 10);
  length = 0;

  room(words: number): void {
    if (this.length + words <= this.data.length) return;
    const longer = new Uint32Array(2 * this.data.length);
    longer.set(this.data);
    this.data = longer;
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
  readonly #pairWords: number;
  readonly #values: Words = new Words();
  readonly #leaves: Words = new Words();
  /** Entries of all levels in the order of the visit, and their levels. */
  readonly #pairs: Words = new Words();
  #levels: Uint16Array = new Uint16Array(1 << 10);
  #sorted: Uint32Array = new Uint32Array(1 << 10);
  readonly #starts: Int32Array = new Int32Array(LEVELS + 1);
  #stack: Int32Array = new Int32Array(1 << 10);
  #stackTop = 0;
  #extended: ReadonlyMap<number, number> = new Map();
  #keys: Uint8Array = new Uint8Array(0);
  readonly #later: LaterBatches | undefined;
  /** Where a group's next list goes; 0: lists are run at once. */
  #listTop = 0;
  #entries = 0;
  /** Deepest level of the entries. */
  #deepest = 0;

  constructor(
    pool: PagePool,
    hasher: BatchHasher,
    scheme: Scheme,
    later?: LaterBatches,
  ) {
    this.#later = later;
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#hasher = hasher;
    this.#family = scheme.family;
    [this.#pairOp, this.#leafOp] = opsOf(scheme.family);
    this.#pairWords = OP_WORDS[this.#pairOp];
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
    this.#later?.finishGroups();
    this.#visitAll(anchor, 0, hashAt(anchor, 0), -1);
    this.#execute();
  }

  /**
   * Begins to hash what is dirty in pages that the running part of an edit will
   * not come back to; {@linkcode run} waits for it. Root nodes are left to it, as
   * their hashes lie in pages above, and so are pages above dirty ones.
   */
  runLater(frames: readonly number[]): void {
    for (const f of frames) {
      if (!this.#isLowest(f)) continue;
      const u16 = this.#pages.u16, i = metaAt(f, this.#pages.root(f));
      if (u16[i] >> KIND_SHIFT !== JOIN || (u16[i] & DIRTY) === 0) continue;
      this.#pushDirty(f, i);
      this.#visitPushed();
    }
    const values = this.#values.length, leaves = this.#leaves.length;
    this.#listTop = this.#later!.beginGroup(
      values + leaves + this.#pairs.length,
      values / 3 + this.#deepest + 3,
    );
    this.#execute();
    if (this.#listTop > 0) this.#later!.endGroup();
    this.#listTop = 0;
  }

  /** Whether a page can be hashed by itself. */
  #isLowest(f: number): boolean {
    const u16 = this.#pages.u16;
    for (let n = u16[f + AT_SLOTS >> 1] - 1; n >= 0; n--) {
      const meta = u16[metaAt(f, n)];
      if ((meta & EXTEND) !== 0) return false;
      if (meta >> KIND_SHIFT === CHILD && (meta & DIRTY) !== 0) return false;
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
    this.#visitAll(f, this.#pages.root(f), home, above);
    this.#execute();
  }

  #visitAll(f: number, n: number, home: number, above: number): void {
    this.#stackTop = 0;
    this.#visit(f, n, home, above);
    this.#visitPushed();
  }

  #visitPushed(): void {
    while (this.#stackTop > 0) {
      const stack = this.#stack;
      this.#stackTop -= 4;
      const i = this.#stackTop;
      this.#visit(stack[i], stack[i + 1], stack[i + 2], stack[i + 3]);
    }
  }

  /** Writes down what one flagged node needs. */
  #visit(f: number, n: number, home: number, above: number): void {
    const u16 = this.#pages.u16, i = metaAt(f, n);
    const flags = u16[i];
    u16[i] = flags & ~(DIRTY | EXTEND);
    if ((flags & DIRTY) === 0) {
      if ((flags & EXTEND) !== 0) this.#extend(f, n, home, above);
      return;
    }
    const kind = flags >> KIND_SHIFT;
    if (kind === JOIN) {
      this.#join(f, n, home, above);
    } else if (kind === CHILD) {
      if (this.#pages.childPage(f, n) === 0) {
        this.#pages.u8.fill(0, home, home + 32);
        return;
      }
      const child = this.#pool.child(f, n);
      this.#pool.pin(child);
      const root = this.#pages.root(child);
      const m = metaAt(child, root);
      // The entry is dirty because the root node is to be hashed, whether or
      // not anything below that has changed.
      if ((u16[m] & DIRTY) === 0) this.#relift(child, root, home, above);
      else this.#push(child, root, home, above);
    } else {
      this.#terminal(f, n, home, above);
    }
  }

  /** A clean page's root node stands under another join now. */
  #relift(f: number, n: number, home: number, above: number): void {
    const kind = this.#pages.kind(f, n);
    if (kind === JOIN) this.#join(f, n, home, above);
    else if (kind !== CHILD) this.#terminal(f, n, home, above);
    else throw new Error("unreachable: page with a child entry as root");
  }

  #push(f: number, n: number, home: number, above: number): void {
    if (this.#stackTop + 4 > this.#stack.length) {
      const longer = new Int32Array(2 * this.#stack.length);
      longer.set(this.#stack);
      this.#stack = longer;
    }
    const i = this.#stackTop;
    this.#stack[i] = f;
    this.#stack[i + 1] = n;
    this.#stack[i + 2] = home;
    this.#stack[i + 3] = above;
    this.#stackTop = i + 4;
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
    this.#pushDirty(f, i);
  }

  /** Goes on to what is flagged below the join whose meta is at `i`. */
  #pushDirty(f: number, i: number): void {
    const u16 = this.#pages.u16, depth = u16[i] & DEPTH_MASK;
    for (let side = 1; side <= 2; side++) {
      const n = u16[i + side];
      if ((u16[metaAt(f, n)] & (DIRTY | EXTEND)) === 0) continue;
      this.#push(f, n, hashAt(f, n), depth);
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
    const words = this.#pairs;
    words.room(6);
    const { data, length } = words;
    this.#setLevel(depth);
    data[length] = bits === 0 ? this.#pool.zeroAt : this.#keyBelow(f, n);
    data[length + 1] = above + 1;
    data[length + 2] = bits;
    data[length + 3] = left;
    data[length + 4] = right;
    data[length + 5] = home;
    words.length += 6;
  }

  #pair(level: number, left: number, right: number, out: number): void {
    const words = this.#pairs;
    words.room(3);
    const { data, length } = words;
    this.#setLevel(level);
    data[length] = left;
    data[length + 1] = right;
    data[length + 2] = out;
    words.length = length + 3;
  }

  /** Notes the level of the next entry. */
  #setLevel(level: number): void {
    const entry = this.#entries++;
    if (entry >= this.#levels.length) {
      const longer = new Uint16Array(2 * this.#levels.length);
      longer.set(this.#levels);
      this.#levels = longer;
    }
    this.#levels[entry] = level;
    if (level > this.#deepest) this.#deepest = level;
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
    this.#batches(OP_VALUE, this.#values.data, 0, this.#values.length / 3);
    this.#values.length = 0;
    const leafWords = OP_WORDS[this.#leafOp];
    const leaves = this.#leaves.length / leafWords;
    this.#batches(this.#leafOp, this.#leaves.data, 0, leaves);
    this.#leaves.length = 0;
    this.#sortByLevel();
    for (let level = this.#deepest; level >= 0; level--) {
      const from = this.#starts[level], to = this.#starts[level + 1];
      if (from === to) continue;
      const stem = this.#family === "eip7864" && level === STEM_BITS;
      const op = stem ? OP_STEM : this.#pairOp;
      this.#batches(op, this.#sorted, from, to - from);
    }
    this.#pairs.length = 0;
    this.#entries = 0;
    this.#deepest = 0;
  }

  /** Counting sort of the entries: `#starts[level]` is where a level begins. */
  #sortByLevel(): void {
    const words = this.#pairWords, entries = this.#entries;
    const { data } = this.#pairs, levels = this.#levels, starts = this.#starts;
    if (this.#sorted.length < this.#pairs.length) {
      this.#sorted = new Uint32Array(data.length);
    }
    const sorted = this.#sorted;
    const ends = this.#deepest + 1;
    starts.fill(0, 0, ends + 1);
    for (let i = 0; i < entries; i++) starts[levels[i]]++;
    let sum = 0;
    for (let level = 0; level <= ends; level++) {
      sum += starts[level];
      starts[level] = sum;
    }
    for (let i = entries - 1; i >= 0; i--) {
      let to = --starts[levels[i]] * words;
      for (let from = i * words; from < (i + 1) * words;) {
        sorted[to++] = data[from++];
      }
    }
  }

  /** Runs a list through the pool's list region. */
  #batches(op: number, list: Uint32Array, from: number, count: number): void {
    const words = OP_WORDS[op], { listAt, listBytes } = this.#pool;
    if (this.#listTop > 0) {
      const at = this.#listTop,
        part = list.subarray(from * words, (from + count) * words);
      this.#pages.u32.set(part, at >> 2);
      this.#listTop += 4 * part.length;
      this.#hasher.hashBatch(op, at, count);
      return;
    }
    const most = Math.floor(listBytes / 4 / words);
    for (let done = 0; done < count; done += most) {
      const part = Math.min(most, count - done);
      const start = (from + done) * words;
      this.#pages.u32.set(
        list.subarray(start, start + part * words),
        listAt >> 2,
      );
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
