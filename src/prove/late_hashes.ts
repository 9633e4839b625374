// This module is browser compatible.

// Hashes that a proof of the `nomt` family needs and no page holds: of values, and
// of joins lifted less far than their cells say. What they are made of is copied
// into the pool's list region, so that pages may go; the batch hasher computes them
// when the region is full, and they are put where the proof has left room.

import {
  type BatchHasher,
  OP_PAIR_TOP_CLEARED,
  OP_VALUE,
} from "../hash/ops.ts";
import { bitAt } from "../tree/keys.ts";
import { hashAt, metaAt } from "../tree/layout.ts";
import type { Pages } from "../tree/pages.ts";
import type { PagePool } from "../tree/pool.ts";
import type { ProofWriter } from "./writer.ts";

/** Longest value that is put aside, in bytes. */
export const LATE_VALUE_BYTES_MAX = 64;

/**
 * Bytes of a slot: left, right and a key for a join, whose hash comes to stand
 * for left; a value and its hash for a value.
 */
const SLOT_BYTES = 96;
const THIRD_AT = 64;
/** Bytes of a list entry of the two ops. */
const ENTRY_BYTES = 12;
/** One list entry and one hash, for what is not put aside. */
const ALONE_BYTES = 64;
const ALONE_OUT_AT = 32;

/** Hashes put aside, in slots of the pool's list region. */
export class LateHashes {
  readonly #pool: PagePool;
  readonly #pages: Pages;
  readonly #hasher: BatchHasher;
  readonly #capacity: number;
  readonly #slotsAt: number;
  readonly #listAt: number;
  /** Where the hash of each slot goes in the proof. */
  readonly #targets: Float64Array;
  /** Of a join the next level to lift from, and the last one; of a value -1. */
  readonly #levels: Int16Array;
  readonly #lasts: Int16Array;
  /** Slots of joins that are not lifted all the way. */
  readonly #open: Int32Array;
  #count = 0;
  #out!: ProofWriter;

  constructor(pool: PagePool, hasher: BatchHasher) {
    this.#pool = pool;
    this.#pages = pool.pages;
    this.#hasher = hasher;
    this.#capacity = Math.floor(
      (pool.listBytes - ALONE_BYTES - 16) / (SLOT_BYTES + ENTRY_BYTES),
    );
    this.#slotsAt = pool.listAt + ALONE_BYTES;
    this.#listAt = this.#slotsAt + SLOT_BYTES * this.#capacity + 15 & -16;
    this.#targets = new Float64Array(this.#capacity);
    this.#levels = new Int16Array(this.#capacity);
    this.#lasts = new Int16Array(this.#capacity);
    this.#open = new Int32Array(this.#capacity);
  }

  /** Begins a proof. */
  start(out: ProofWriter): void {
    this.#out = out;
    this.#count = 0;
  }

  /** Leaves room for the hash of a value of at most 64 bytes. */
  value(at: number, length: number): void {
    const slot = this.#take(), { u8 } = this.#pages;
    const to = this.#slotsAt + SLOT_BYTES * slot;
    for (let i = 0; i < length; i++) u8[to + i] = u8[at + i];
    this.#levels[slot] = -1;
    this.#lasts[slot] = length;
  }

  /**
   * Leaves room for the hash of a join as seen from depth `top`.
   *
   * @param key Offset of a key below it.
   */
  join(f: number, n: number, key: number, top: number): void {
    const slot = this.#take(), pages = this.#pages, { u16, u32 } = pages;
    const i = metaAt(f, n), to = this.#slotsAt + SLOT_BYTES * slot;
    pages.copyHash(hashAt(f, u16[i + 1]), to);
    pages.copyHash(hashAt(f, u16[i + 2]), to + 32);
    for (let word = 0; word < 8; word++) {
      u32[(to + THIRD_AT >>> 2) + word] = u32[(key >>> 2) + word];
    }
    this.#levels[slot] = pages.depth(f, n);
    this.#lasts[slot] = top;
  }

  /** Offset of the hash of a value of any length, until the next call. */
  valueNow(at: number, length: number): number {
    const list = this.#pool.listAt, out = list + ALONE_OUT_AT;
    this.#entry(list, 0, at, length, out);
    this.#hasher.hashBatch(OP_VALUE, list, 1);
    return out;
  }

  /** Computes what was put aside. */
  flush(): void {
    this.#hashValues();
    this.#hashJoins();
    const { u8 } = this.#pages, { bytes } = this.#out;
    for (let slot = 0; slot < this.#count; slot++) {
      const third = this.#levels[slot] === -1 ? THIRD_AT : 0;
      const from = this.#slotsAt + SLOT_BYTES * slot + third;
      const to = this.#targets[slot];
      for (let i = 0; i < 32; i++) bytes[to + i] = u8[from + i];
    }
    this.#count = 0;
  }

  /** A slot whose hash goes to the next 32 bytes of the proof. */
  #take(): number {
    if (this.#count === this.#capacity) this.flush();
    const slot = this.#count++;
    this.#targets[slot] = this.#out.reserve(32);
    return slot;
  }

  #hashValues(): void {
    let entries = 0;
    for (let slot = 0; slot < this.#count; slot++) {
      if (this.#levels[slot] !== -1) continue;
      const at = this.#slotsAt + SLOT_BYTES * slot;
      const length = this.#lasts[slot];
      this.#entry(this.#listAt, entries++, at, length, at + THIRD_AT);
    }
    this.#hasher.hashBatch(OP_VALUE, this.#listAt, entries);
  }

  /** Joins first, then one level of all that are to be lifted, and so on. */
  #hashJoins(): void {
    const open = this.#open, levels = this.#levels, { u8 } = this.#pages;
    let count = 0;
    for (let slot = 0; slot < this.#count; slot++) {
      if (levels[slot] === -1) continue;
      const at = this.#slotsAt + SLOT_BYTES * slot;
      this.#entry(this.#listAt, count, at, at + 32, at);
      open[count++] = slot;
    }
    const zero = this.#pool.zeroAt;
    while (count > 0) {
      this.#hasher.hashBatch(OP_PAIR_TOP_CLEARED, this.#listAt, count);
      let left = 0;
      for (let i = 0; i < count; i++) {
        const slot = open[i];
        if (levels[slot] === this.#lasts[slot]) continue;
        const at = this.#slotsAt + SLOT_BYTES * slot;
        const bit = bitAt(u8, at + THIRD_AT, --levels[slot]);
        if (bit === 1) this.#entry(this.#listAt, left, zero, at, at);
        else this.#entry(this.#listAt, left, at, zero, at);
        open[left++] = slot;
      }
      count = left;
    }
  }

  #entry(list: number, entry: number, a: number, b: number, c: number): void {
    const { u32 } = this.#pages, i = (list >>> 2) + 3 * entry;
    u32[i] = a;
    u32[i + 1] = b;
    u32[i + 2] = c;
  }
}
