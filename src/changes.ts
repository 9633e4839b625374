// This module is browser compatible.
//
// A set of pending writes: keys and values copied into one block of bytes, an
// open-addressing index to find a key again, and the order of the keys. One
// entry a key: a later write of the same key replaces the earlier one.

import type { KeyRule } from "./tree/keys.ts";
import { align4 } from "./tree/layout.ts";

/** Values longer than this are kept as arrays of their own. */
const LARGE_BYTES = 1 << 16;
/** Up to this length a loop copies faster than a call. */
const SHORT_BYTES = 256;
/** Bucket size up to which insertion sort is used. */
const SMALL_SORT = 24;
const DELETED = -1;
/** Entries of the index, at least: a power of four. */
const INDEX_MIN = 256;
// What is known of a key, four words together: where it begins and its length, both in
// its own unit, and the same of its value.
const ENTRY_WORDS = 4;
const KEY_WORD = 0, KEY_BYTES = 1, VALUE_WORD = 2, VALUE_BYTES = 3;

/** Writes by key, last one wins. */
export class Changes {
  /** Keys and values, each from a multiple of four on; zeros fill the gaps. */
  bytes: Uint8Array = new Uint8Array(1 << 12);
  /** The same bytes. */
  words: Uint32Array = new Uint32Array(this.bytes.buffer);
  #length = 0;
  #count = 0;
  #entries: Int32Array = new Int32Array(64 * ENTRY_WORDS);
  #index: Int32Array = new Int32Array(INDEX_MIN).fill(-1);
  #ends: Uint32Array = new Uint32Array(0);
  #large: Map<number, Uint8Array> = new Map();
  #largeBytes = 0;
  #order: Uint32Array | undefined;
  /** What came of reading ahead: nothing, but it has to go somewhere. */
  #ahead = 0;
  readonly #seed: number = (Math.random() * 2 ** 32) | 0;

  /** Keys written. */
  get count(): number {
    return this.#count;
  }

  /** Slots of the index. */
  get slots(): number {
    return this.#index.length;
  }

  /** Bytes held. */
  get byteLength(): number {
    return this.#length + this.#largeBytes + 24 * this.#count;
  }

  /** Number of the entry of a key, or -1. */
  find(key: Uint8Array): number {
    return this.#index[this.#slot(this.#stage(key), key.length)];
  }

  /** Writes a value, or deletes with `undefined`. */
  write(key: Uint8Array, value: Uint8Array | undefined): void {
    const hash = this.#stage(key);
    const slot = this.#slot(hash, key.length);
    let entry = this.#index[slot];
    if (entry < 0) {
      entry = this.#count++;
      this.#order = undefined;
      this.#index[slot] = entry;
      if (entry * ENTRY_WORDS === this.#entries.length) this.#growEntries();
      this.#entries[entry * ENTRY_WORDS + KEY_WORD] = this.#length >> 2;
      this.#entries[entry * ENTRY_WORDS + KEY_BYTES] = key.length;
      this.#length += align4(key.length);
      if (2 * this.#count > this.#index.length) this.#growIndex();
    }
    this.#setValue(entry, value);
  }

  keyAt(entry: number): number {
    return 4 * this.#entries[entry * ENTRY_WORDS + KEY_WORD];
  }

  keyBytes(entry: number): number {
    return this.#entries[entry * ENTRY_WORDS + KEY_BYTES];
  }

  /**
   * Reads from some entries, so that keys and short values are in the CPU's cache when
   * they are seen to: they come from memory together, not one after another.
   *
   * @param from Place of the first in the order of {@linkcode sorted}.
   * @param to Place behind the last.
   */
  readAhead(from: number, to: number): void {
    const order = this.sorted(), words = this.words, entries = this.#entries;
    let sum = 0;
    for (let i = from; i < to; i++) {
      const at = order[i] * ENTRY_WORDS;
      const length = entries[at + VALUE_BYTES];
      sum ^= words[entries[at + KEY_WORD]];
      // Longer values are not among these words.
      if (length > LARGE_BYTES) continue;
      sum ^= words[entries[at + VALUE_WORD] + (length + 3 >> 2)];
    }
    this.#ahead = sum;
  }

  /** A view of a key. */
  key(entry: number): Uint8Array {
    const at = this.keyAt(entry);
    return this.bytes.subarray(at, at + this.keyBytes(entry));
  }

  /** Copies a key to `to`. */
  copyKey(entry: number, to: Uint8Array, at: number): void {
    const { bytes } = this, from = this.keyAt(entry);
    const length = this.keyBytes(entry);
    for (let i = 0; i < length; i++) to[at + i] = bytes[from + i];
  }

  /** Copies a value to `to`; its length. */
  copyValue(entry: number, to: Uint8Array, at: number): number {
    const length = this.valueBytes(entry), from = this.valueAt(entry);
    if (length > SHORT_BYTES) to.set(this.value(entry)!, at);
    else for (let i = 0; i < length; i++) to[at + i] = this.bytes[from + i];
    return length;
  }

  isDelete(entry: number): boolean {
    return this.valueBytes(entry) === DELETED;
  }

  /** Length of the value, -1 for a delete. */
  valueBytes(entry: number): number {
    return this.#entries[entry * ENTRY_WORDS + VALUE_BYTES];
  }

  valueAt(entry: number): number {
    return 4 * this.#entries[entry * ENTRY_WORDS + VALUE_WORD];
  }

  /** A view of a value; `undefined` for a delete. */
  value(entry: number): Uint8Array | undefined {
    if (this.isDelete(entry)) return undefined;
    const large = this.#large.get(entry);
    if (large !== undefined) return large;
    const at = this.valueAt(entry);
    return this.bytes.subarray(at, at + this.valueBytes(entry));
  }

  /** Where a value lies; a length of -1 for a delete. */
  locate(
    entry: number,
    to: {
      bytes: Uint8Array;
      words: Uint32Array | undefined;
      at: number;
      length: number;
    },
  ): void {
    const large = this.#largeBytes === 0 ? undefined : this.#large.get(entry);
    to.bytes = large ?? this.bytes;
    to.words = large === undefined ? this.words : undefined;
    to.at = large === undefined ? this.valueAt(entry) : 0;
    to.length = this.valueBytes(entry);
  }

  /** Empties the set, if it is not; what is much larger than it needed is made anew. */
  clear(): void {
    if (this.#count === 0) return;
    const enough = Math.max(INDEX_MIN, 16 * this.#count);
    this.#length = 0;
    this.#count = 0;
    this.#order = undefined;
    this.#large.clear();
    this.#largeBytes = 0;
    if (this.bytes.length > 1 << 24) this.#setBuffer(new Uint8Array(1 << 12));
    if (this.#index.length <= enough) this.#index.fill(-1);
    else this.#index = new Int32Array(INDEX_MIN).fill(-1);
  }

  /**
   * The entries in ascending order of their keys, shorter before longer. Not to be
   * written to: it is kept until a key is added.
   */
  sorted(): Uint32Array {
    return this.#order ??= this.#sort();
  }

  #sort(): Uint32Array {
    const count = this.#count;
    const order = new Uint32Array(count);
    if (count <= SMALL_SORT) {
      for (let i = 0; i < count; i++) order[i] = i;
      this.#insertionSort(order, 0, count);
      return order;
    }
    // As many buckets as entries, or twice; up to two bytes of the keys.
    const shift = Math.max(0, Math.clz32(count) - 16);
    const ends = this.#placeInBuckets(order, shift);
    for (let bucket = 0, from = 0; bucket < ends.length; bucket++) {
      const to = ends[bucket];
      if (to - from > 1) this.#sortRange(order, from, to);
      from = to;
    }
    return order;
  }

  /**
   * Counting sort by the first bits of the keys.
   *
   * @param shift How many of the first 16 bits are left out.
   * @returns Where each bucket ends in `order`.
   */
  #placeInBuckets(order: Uint32Array, shift: number): Uint32Array {
    const buckets = 1 << 16 - shift, count = this.#count;
    if (this.#ends.length < buckets) this.#ends = new Uint32Array(buckets);
    const ends = this.#ends.subarray(0, buckets).fill(0);
    for (let i = 0; i < count; i++) ends[this.#prefix(i) >> shift]++;
    for (let bucket = 0, sum = 0; bucket < buckets; bucket++) {
      const size = ends[bucket];
      ends[bucket] = sum;
      sum += size;
    }
    for (let i = 0; i < count; i++) order[ends[this.#prefix(i) >> shift]++] = i;
    return ends;
  }

  /** The first two bytes of a key. */
  #prefix(entry: number): number {
    const word = this.words[this.#entries[entry * ENTRY_WORDS + KEY_WORD]];
    return (word & 0xff) << 8 | word >>> 8 & 0xff;
  }

  #sortRange(order: Uint32Array, from: number, to: number): void {
    if (to - from <= SMALL_SORT) this.#insertionSort(order, from, to);
    else order.subarray(from, to).sort((a, b) => this.#compare(a, b));
  }

  #insertionSort(order: Uint32Array, from: number, to: number): void {
    for (let i = from + 1; i < to; i++) {
      const entry = order[i];
      let j = i - 1;
      while (j >= from && this.#compare(order[j], entry) > 0) {
        order[j + 1] = order[j];
        j--;
      }
      order[j + 1] = entry;
    }
  }

  #compare(a: number, b: number): number {
    const bytes = this.bytes;
    const aAt = this.keyAt(a), bAt = this.keyAt(b);
    const aBytes = this.keyBytes(a), bBytes = this.keyBytes(b);
    const shared = Math.min(aBytes, bBytes);
    for (let i = 0; i < shared; i++) {
      const difference = bytes[aAt + i] - bytes[bAt + i];
      if (difference !== 0) return difference;
    }
    return aBytes - bBytes;
  }

  #setValue(entry: number, value: Uint8Array | undefined): void {
    if (this.#largeBytes > 0) this.#dropLarge(entry);
    const at = entry * ENTRY_WORDS;
    this.#entries[at + VALUE_WORD] = 0;
    if (value === undefined) {
      this.#entries[at + VALUE_BYTES] = DELETED;
      return;
    }
    this.#entries[at + VALUE_BYTES] = value.length;
    if (value.length > LARGE_BYTES) {
      this.#large.set(entry, value.slice());
      this.#largeBytes += value.length;
    } else {
      this.#entries[at + VALUE_WORD] = this.#length >> 2;
      this.#place(value);
      this.#length += align4(value.length);
    }
  }

  #dropLarge(entry: number): void {
    const large = this.#large.get(entry);
    if (large === undefined) return;
    this.#large.delete(entry);
    this.#largeBytes -= large.length;
  }

  /**
   * Puts a key behind all bytes held, where it stays if it is a new one.
   *
   * @returns A hash of it.
   */
  #stage(key: Uint8Array): number {
    this.#place(key);
    const words = this.words, end = this.#length + key.length + 3 >> 2;
    let hash = this.#seed ^ key.length;
    for (let i = this.#length >> 2; i < end; i++) {
      hash = Math.imul(hash ^ words[i], 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  /** Copies bytes behind all that are held, and zeros to a multiple of four. */
  #place(from: Uint8Array): void {
    const at = this.#length, length = from.length;
    if (at + length + 4 > this.bytes.length) this.#grow(at + length + 4);
    const words = this.words, whole = length & ~3;
    let word = at >> 2;
    if (length > SHORT_BYTES) {
      this.bytes.set(from, at);
      word += whole >> 2;
    } else {
      for (let i = 0; i < whole; i += 4) {
        words[word++] = from[i] | from[i + 1] << 8 | from[i + 2] << 16 |
          from[i + 3] << 24;
      }
    }
    if (whole === length) return;
    let last = 0;
    for (let i = length - 1; i >= whole; i--) last = last << 8 | from[i];
    words[word] = last;
  }

  #grow(bytes: number): void {
    const longer = new Uint8Array(Math.max(bytes, 2 * this.bytes.length));
    longer.set(this.bytes.subarray(0, this.#length));
    this.#setBuffer(longer);
  }

  #setBuffer(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  }

  /** Where the staged key is in the index, or where it would go. */
  #slot(hash: number, keyBytes: number): number {
    const index = this.#index, mask = index.length - 1;
    for (let i = (hash ^ hash >>> 13) & mask;; i = (i + 1) & mask) {
      const entry = index[i];
      if (entry < 0 || this.#isStaged(entry, keyBytes)) return i;
    }
  }

  /** Whether an entry has the staged key. */
  #isStaged(entry: number, keyBytes: number): boolean {
    if (this.keyBytes(entry) !== keyBytes) return false;
    const words = this.words, at = this.keyAt(entry) >> 2;
    const staged = this.#length >> 2;
    for (let i = (keyBytes + 3 >> 2) - 1; i >= 0; i--) {
      if (words[at + i] !== words[staged + i]) return false;
    }
    return true;
  }

  #growIndex(): void {
    this.#index = new Int32Array(4 * this.#index.length).fill(-1);
    for (let entry = 0; entry < this.#count; entry++) {
      const key = this.key(entry);
      this.#index[this.#slot(this.#stage(key), key.length)] = entry;
    }
  }

  #growEntries(): void {
    const longer = new Int32Array(2 * this.#entries.length);
    longer.set(this.#entries);
    this.#entries = longer;
  }
}

/** Refuses keys that the scheme does not take. */
export function checkKey(
  key: Uint8Array,
  rule: KeyRule,
  action: string,
): void {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(`Cannot ${action}: key must be a Uint8Array`);
  }
  if (key.length >= rule.min && key.length <= rule.max) return;
  const wanted = rule.min === rule.max
    ? `${rule.min} bytes`
    : `${rule.min} to ${rule.max} bytes`;
  throw new RangeError(
    `Cannot ${action}: key must be ${wanted}: received ${key.length}`,
  );
}
