// This module is browser compatible.

// Writes the pruned tree of a version for a sorted list of keys, straight from its
// pages: what `TreeEncoder` writes, for keys of 32 bytes in the families `nomt` and
// `eip8297`, in one walk over numbers. Hashes that no page holds (of values, and of
// joins seen through one-child levels) are put aside and computed in batches. Pages of
// the path are pinned, all others may go. Format and rules: docs/proofs.md.

import {
  BRANCH,
  EMPTY,
  HASH,
  TERMINAL,
  VALUE_MAX,
} from "@stemma/verify/encoding";
import type { Scheme } from "@stemma/verify";
import type { PageFile } from "../store/page_file.ts";
import { readValue } from "../store/values.ts";
import type { TreeRoot } from "../tree/edit.ts";
import { bitAt } from "../tree/keys.ts";
import {
  CHILD,
  DEPTH_MASK,
  hashAt,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NONE,
  OVERFLOW_HASH_AT,
} from "../tree/layout.ts";
import type { Pages } from "../tree/pages.ts";
import type { PagePool } from "../tree/pool.ts";
import { LATE_VALUE_BYTES_MAX, type LateHashes } from "./late_hashes.ts";
import type { ProofWriter } from "./writer.ts";

/** Bytes of a key. */
export const POINT_BYTES = 32;
const POINT_BITS = 8 * POINT_BYTES;

/** Keys to open: distinct and in order. */
export interface Points {
  /** The keys, one behind the other. */
  readonly keys: Uint8Array;
  /** For each key, 1 when its value is asked for. */
  readonly wanted: Uint8Array;
  readonly count: number;
}

/** Where pages come from. */
export interface PointParts {
  readonly scheme: Scheme;
  readonly pool: PagePool;
  readonly file: PageFile;
}

/** Numbers of a stack entry: level, node, depth, first point, last point. */
const ENTRY = 5;
/** Levels of bits, and so of pages at most, with room to spare. */
const LEVELS = POINT_BITS + 8;

/** Encodes pruned trees of one store. */
export class PointEncoder {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #file: PageFile;
  readonly #late: LateHashes;
  /** Whether branches hold the bits that their keys share: `eip8297`. */
  readonly #hasPrefixes: boolean;
  readonly #stack: Int32Array = new Int32Array(2 * ENTRY * LEVELS);
  #top = 0;
  /** Pinned pages from the root's to the one that is walked. */
  readonly #frames: Uint32Array = new Uint32Array(LEVELS);
  #level = 0;
  #points: Points = {
    keys: new Uint8Array(0),
    wanted: new Uint8Array(0),
    count: 0,
  };
  #out!: ProofWriter;

  constructor({ scheme, pool, file }: PointParts, late: LateHashes) {
    this.#hasPrefixes = scheme.family === "eip8297";
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#file = file;
    this.#late = late;
  }

  /** Writes tags and payload of the whole tree. */
  run(tree: TreeRoot, points: Points, out: ProofWriter): void {
    if (tree.page === 0) return out.tag(EMPTY);
    if (points.count === 0) {
      out.tag(HASH);
      return out.append(tree.hash);
    }
    this.#points = points;
    this.#out = out;
    this.#top = 0;
    this.#level = 0;
    this.#late.start(out);
    try {
      const f = this.#pool.top(tree);
      this.#open(f);
      this.#push(this.#pages.root(f), 0, 0, points.count);
      while (this.#top > 0) this.#next();
      this.#late.flush();
    } finally {
      this.#pool.unpinAll();
    }
  }

  /** Makes a page the one that is walked. */
  #open(f: number): void {
    this.#pool.pin(f);
    this.#pages.touchNodes(f);
    this.#frames[++this.#level] = f;
  }

  #push(n: number, depth: number, from: number, to: number): void {
    const stack = this.#stack, i = this.#top;
    stack[i] = this.#level;
    stack[i + 1] = n;
    stack[i + 2] = depth;
    stack[i + 3] = from;
    stack[i + 4] = to;
    this.#top = i + ENTRY;
  }

  /** Takes a node from the stack, and goes down to the left as far as it goes. */
  #next(): void {
    const stack = this.#stack, i = this.#top -= ENTRY;
    for (; this.#level > stack[i]; this.#level--) {
      this.#pool.unpin(this.#frames[this.#level]);
    }
    const u16 = this.#pages.u16, out = this.#out;
    let n = stack[i + 1], depth = stack[i + 2], to = stack[i + 4];
    const from = stack[i + 3];
    let f = this.#frames[this.#level];
    if (n === NONE) {
      for (; depth > 0; depth--) out.tag(EMPTY);
      return;
    }
    while (from < to) {
      const at = metaAt(f, n), meta = u16[at], kind = meta >> KIND_SHIFT;
      if (kind === CHILD) {
        f = this.#pool.child(f, n);
        this.#open(f);
        n = this.#pages.root(f);
        continue;
      }
      if (kind !== JOIN) {
        return this.#hasPrefixes
          ? this.#longTerminal(f, n)
          : this.#terminal(f, n, from, to);
      }
      const join = meta & DEPTH_MASK;
      // Points may leave on the way down, so the rest is done by entries.
      if (depth < join || join >= POINT_BITS) {
        return this.#hasPrefixes
          ? this.#prefixed(n, depth, from, to)
          : this.#oneChild(n, depth, from, to);
      }
      out.tag(BRANCH);
      if (this.#hasPrefixes) out.number(0, 2);
      const middle = this.#middle(from, to, join);
      depth = join + 1;
      this.#push(u16[at + 2], depth, middle, to);
      n = u16[at + 1];
      to = middle;
    }
    out.tag(HASH);
    out.hash(this.#pages, hashAt(f, n));
  }

  /** First point of a run that has a one as bit `depth`. */
  #middle(from: number, to: number, depth: number): number {
    const { keys } = this.#points;
    const byte = depth >> 3, mask = 0x80 >> (depth & 7);
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((keys[POINT_BYTES * middle + byte] & mask) !== 0) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  /** The one-child levels from `depth` to a join, then the join. */
  #oneChild(n: number, depth: number, from: number, to: number): void {
    const f = this.#frames[this.#level], out = this.#out, { u8 } = this.#pages;
    const join = this.#pages.depth(f, n), key = this.#keyBelow(f, n);
    let empties = 0;
    for (; depth < join; depth++) {
      const bit = bitAt(u8, key, depth);
      out.tag(BRANCH);
      if (bit === 1) out.tag(EMPTY);
      else empties++;
      const middle = this.#middle(from, to, depth);
      if (bit === 1) from = middle;
      else to = middle;
      if (from < to) continue;
      out.tag(HASH);
      this.#late.join(f, n, key, depth + 1);
      for (; empties > 0; empties--) out.tag(EMPTY);
      return;
    }
    if (empties > 0) this.#push(NONE, empties, 0, 0);
    this.#push(n, depth, from, to);
  }

  /** A branch with its prefix from `depth` on, which some points may not have. */
  #prefixed(n: number, depth: number, from: number, to: number): void {
    const f = this.#frames[this.#level], out = this.#out, pages = this.#pages;
    const at = metaAt(f, n), join = pages.u16[at] & DEPTH_MASK;
    const key = this.#keyBelow(f, n);
    out.tag(BRANCH);
    out.number(join - depth, 2);
    out.bits(pages.u8, key, depth, join - depth);
    // A key that ends at the join, or above it, goes on nowhere.
    if (join >= POINT_BITS) from = to;
    while (from < to && !this.#passes(from, key, depth, join)) from++;
    while (from < to && !this.#passes(to - 1, key, depth, join)) to--;
    const middle = this.#middle(from, to, join);
    this.#push(pages.u16[at + 2], join + 1, middle, to);
    this.#push(pages.u16[at + 1], join + 1, from, middle);
  }

  /** Whether a point, which has the path's bits, has those of a key up to a join. */
  #passes(point: number, key: number, depth: number, join: number): boolean {
    const { keys } = this.#points, { u8 } = this.#pages;
    const at = POINT_BYTES * point, end = join >> 3, rest = join & 7;
    for (let i = depth >> 3; i < end; i++) {
      if (keys[at + i] !== u8[key + i]) return false;
    }
    return rest === 0 || (keys[at + end] ^ u8[key + end]) >> (8 - rest) === 0;
  }

  /** Offset of a key below a node, good until the next page is loaded. */
  #keyBelow(f: number, n: number): number {
    const pages = this.#pages, { u16 } = pages;
    for (;;) {
      const i = metaAt(f, n), kind = u16[i] >> KIND_SHIFT;
      if (kind === JOIN) {
        // A terminal on the right spares the walk through further pages.
        n = pages.kind(f, u16[i + 1]) === CHILD ? u16[i + 2] : u16[i + 1];
      } else if (kind === CHILD) {
        f = this.#pool.child(f, n);
        n = pages.root(f);
      } else {
        return pages.keyAt(f, n);
      }
    }
  }

  /** A terminal: its key, and its value when a point asks for it, or the hash. */
  #terminal(f: number, n: number, from: number, to: number): void {
    const pages = this.#pages, out = this.#out;
    const key = pages.keyAt(f, n), size = pages.valueBytes(f, n);
    const held = size <= VALUE_MAX && this.#isWanted(key, from, to);
    const form = !held ? 0 : size === 32 ? 1 : 2;
    out.tag(TERMINAL);
    out.tag(form);
    if (form === 2) out.number(size, 2);
    out.hash(pages, key);
    const value = pages.valueAt(f, n);
    if (form === 2) out.append(readValue(pages, this.#file, f, n));
    else if (form === 1) out.hash(pages, value);
    else if (pages.isOverflow(f, n)) {
      out.hash(pages, value + OVERFLOW_HASH_AT);
    } else if (size <= LATE_VALUE_BYTES_MAX) this.#late.value(value, size);
    else out.hash(pages, this.#late.valueNow(value, size));
  }

  /** A terminal whose key has a length, and whose value is always open. */
  #longTerminal(f: number, n: number): void {
    const pages = this.#pages, out = this.#out;
    const length = pages.keyBytes(f, n);
    out.tag(TERMINAL);
    out.number(length, 2);
    out.copy(pages, pages.keyAt(f, n), length);
    out.hash(pages, pages.valueAt(f, n));
  }

  /** Whether a point of a run asks for the value under the key at an offset. */
  #isWanted(key: number, from: number, to: number): boolean {
    const { keys, wanted } = this.#points, { u8 } = this.#pages;
    for (let i = from; i < to; i++) {
      if (wanted[i] === 0) continue;
      const at = POINT_BYTES * i;
      let same = 0;
      while (same < POINT_BYTES && keys[at + same] === u8[key + same]) same++;
      if (same === POINT_BYTES) return true;
    }
    return false;
  }
}
