// This module is browser compatible.
//
// A set of pending writes: keys and values copied into one block of bytes, an
// open-addressing index to find a key again, and the order of the keys. One
// entry a key: a later write of the same key replaces the earlier one.

import type { KeyRule } from "./tree/keys.ts";

/** Values longer than this are kept as arrays of their own. */
const LARGE_BYTES = 1 << 16;
/** Up to this length a loop copies faster than a call. */
const SHORT_BYTES = 64;
/** Bucket size up to which insertion sort is used. */
const SMALL_SORT = 24;
const DELETED = -1;

/** Writes by key, last one wins. */
export class Changes {
  /** Keys and values; offsets below refer to it. */
  bytes: Uint8Array = new Uint8Array(1 << 12);
  #length = 0;
  #count = 0;
  #keyAt: Float64Array = new Float64Array(64);
  #keyBytes: Uint16Array = new Uint16Array(64);
  #valueAt: Float64Array = new Float64Array(64);
  #valueBytes: Int32Array = new Int32Array(64);
  #index: Int32Array = new Int32Array(256).fill(-1);
  #large: Map<number, Uint8Array> = new Map();
  #largeBytes = 0;
  #order: Uint32Array | undefined;
  readonly #seed: number = (Math.random() * 2 ** 32) | 0;

  /** Keys written. */
  get count(): number {
    return this.#count;
  }

  /** Bytes held. */
  get byteLength(): number {
    return this.#length + this.#largeBytes + 24 * this.#count;
  }

  /** Number of the entry of a key, or -1. */
  find(key: Uint8Array): number {
    return this.#index[this.#slot(key)];
  }

  /** Writes a value, or deletes with `undefined`. */
  write(key: Uint8Array, value: Uint8Array | undefined): void {
    let slot = this.#slot(key);
    let entry = this.#index[slot];
    if (entry < 0) {
      if (4 * (this.#count + 1) > this.#index.length) {
        this.#growIndex();
        slot = this.#slot(key);
      }
      entry = this.#count++;
      this.#order = undefined;
      this.#index[slot] = entry;
      if (entry === this.#keyBytes.length) this.#growEntries();
      this.#keyAt[entry] = this.#copy(key);
      this.#keyBytes[entry] = key.length;
    }
    this.#setValue(entry, value);
  }

  keyAt(entry: number): number {
    return this.#keyAt[entry];
  }

  keyBytes(entry: number): number {
    return this.#keyBytes[entry];
  }

  /** A view of a key. */
  key(entry: number): Uint8Array {
    const at = this.#keyAt[entry];
    return this.bytes.subarray(at, at + this.#keyBytes[entry]);
  }

  /** Copies a key to `to`. */
  copyKey(entry: number, to: Uint8Array, at: number): void {
    const { bytes } = this, from = this.#keyAt[entry];
    const length = this.#keyBytes[entry];
    for (let i = 0; i < length; i++) to[at + i] = bytes[from + i];
  }

  /** Copies a value to `to`; its length. */
  copyValue(entry: number, to: Uint8Array, at: number): number {
    const length = this.#valueBytes[entry], from = this.#valueAt[entry];
    if (length > SHORT_BYTES) to.set(this.value(entry)!, at);
    else for (let i = 0; i < length; i++) to[at + i] = this.bytes[from + i];
    return length;
  }

  isDelete(entry: number): boolean {
    return this.#valueBytes[entry] === DELETED;
  }

  /** Length of the value, -1 for a delete. */
  valueBytes(entry: number): number {
    return this.#valueBytes[entry];
  }

  valueAt(entry: number): number {
    return this.#valueAt[entry];
  }

  /** A view of a value; `undefined` for a delete. */
  value(entry: number): Uint8Array | undefined {
    if (this.isDelete(entry)) return undefined;
    const large = this.#large.get(entry);
    if (large !== undefined) return large;
    const at = this.#valueAt[entry];
    return this.bytes.subarray(at, at + this.#valueBytes[entry]);
  }

  /** Where a value lies; a length of -1 for a delete. */
  locate(
    entry: number,
    to: { bytes: Uint8Array; at: number; length: number },
  ): void {
    const large = this.#large.get(entry);
    to.bytes = large ?? this.bytes;
    to.at = large === undefined ? this.#valueAt[entry] : 0;
    to.length = this.#valueBytes[entry];
  }

  /** Empties the set. */
  clear(): void {
    this.#length = 0;
    this.#count = 0;
    this.#order = undefined;
    this.#large.clear();
    this.#largeBytes = 0;
    if (this.bytes.length > 1 << 24) this.bytes = new Uint8Array(1 << 12);
    this.#index.fill(-1);
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
    const starts = this.#bucketStarts();
    const next = starts.slice();
    for (let i = 0; i < count; i++) order[next[this.#bucket(i)]++] = i;
    for (let b = 0; b + 1 < starts.length; b++) {
      this.#sortRange(order, starts[b], starts[b + 1]);
    }
    return order;
  }

  #bucketStarts(): Uint32Array {
    const starts = new Uint32Array((1 << 16) + 1);
    for (let i = 0; i < this.#count; i++) starts[this.#bucket(i) + 1]++;
    for (let b = 1; b < starts.length; b++) starts[b] += starts[b - 1];
    return starts;
  }

  /** The first two bytes of the key. */
  #bucket(entry: number): number {
    const at = this.#keyAt[entry];
    const second = this.#keyBytes[entry] > 1 ? this.bytes[at + 1] : 0;
    return this.bytes[at] << 8 | second;
  }

  #sortRange(order: Uint32Array, from: number, to: number): void {
    if (to - from < 2) return;
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
    const aAt = this.#keyAt[a], bAt = this.#keyAt[b];
    const aBytes = this.#keyBytes[a], bBytes = this.#keyBytes[b];
    const shared = Math.min(aBytes, bBytes);
    for (let i = 0; i < shared; i++) {
      const difference = bytes[aAt + i] - bytes[bAt + i];
      if (difference !== 0) return difference;
    }
    return aBytes - bBytes;
  }

  #setValue(entry: number, value: Uint8Array | undefined): void {
    const large = this.#large.get(entry);
    if (large !== undefined) {
      this.#large.delete(entry);
      this.#largeBytes -= large.length;
    }
    if (value === undefined) {
      this.#valueBytes[entry] = DELETED;
      return;
    }
    this.#valueBytes[entry] = value.length;
    if (value.length > LARGE_BYTES) {
      this.#large.set(entry, value.slice());
      this.#largeBytes += value.length;
    } else {
      this.#valueAt[entry] = this.#copy(value);
    }
  }

  #copy(from: Uint8Array): number {
    const at = this.#length, end = at + from.length;
    if (end > this.bytes.length) {
      const longer = new Uint8Array(Math.max(end, 2 * this.bytes.length));
      longer.set(this.bytes.subarray(0, at));
      this.bytes = longer;
    }
    const to = this.bytes;
    if (from.length > SHORT_BYTES) to.set(from, at);
    else for (let i = 0; i < from.length; i++) to[at + i] = from[i];
    this.#length = end;
    return at;
  }

  /** Where the key is in the index, or where it would go. */
  #slot(key: Uint8Array): number {
    const mask = this.#index.length - 1;
    for (let i = this.#hash(key) & mask;; i = (i + 1) & mask) {
      const entry = this.#index[i];
      if (entry < 0 || this.#isKey(entry, key)) return i;
    }
  }

  #isKey(entry: number, key: Uint8Array): boolean {
    if (this.#keyBytes[entry] !== key.length) return false;
    const at = this.#keyAt[entry], bytes = this.bytes;
    for (let i = key.length - 1; i >= 0; i--) {
      if (bytes[at + i] !== key[i]) return false;
    }
    return true;
  }

  #hash(key: Uint8Array): number {
    let hash = this.#seed;
    for (let i = 0; i < key.length; i++) {
      hash = Math.imul(hash ^ key[i], 0x01000193);
    }
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }

  #growIndex(): void {
    this.#index = new Int32Array(4 * this.#index.length).fill(-1);
    for (let entry = 0; entry < this.#count; entry++) {
      this.#index[this.#slot(this.key(entry))] = entry;
    }
  }

  #growEntries(): void {
    const size = 2 * this.#keyBytes.length;
    this.#keyAt = grown(new Float64Array(size), this.#keyAt);
    this.#keyBytes = grown(new Uint16Array(size), this.#keyBytes);
    this.#valueAt = grown(new Float64Array(size), this.#valueAt);
    this.#valueBytes = grown(new Int32Array(size), this.#valueBytes);
  }
}

function grown<T extends Float64Array | Uint16Array | Int32Array>(
  longer: T,
  list: T,
): T {
  longer.set(list);
  return longer;
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
