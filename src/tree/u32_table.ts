// This module is browser compatible.
//
// Open-addressing hash tables from non-zero u32 keys to numbers, on typed
// arrays: page number to frame, page number to checksum. Linear probing with
// backward-shift deletion, so there are no tombstones and no rehash while the
// size stays.

/** Mixes a u32 (finalizer of MurmurHash3). */
function mix(key: number): number {
  key = Math.imul(key ^ (key >>> 16), 0x85ebca6b);
  key = Math.imul(key ^ (key >>> 13), 0xc2b2ae35);
  return key ^ (key >>> 16);
}

/** A map from u32 keys (not 0) to a pair of u32 values. */
export class U32Table {
  #keys: Uint32Array;
  #values: Uint32Array;
  #mask: number;
  #size = 0;

  /** @param expected Entries that fit before the table grows. */
  constructor(expected: number) {
    let slots = 16;
    while (slots < 2 * expected) slots *= 2;
    this.#keys = new Uint32Array(slots);
    this.#values = new Uint32Array(2 * slots);
    this.#mask = slots - 1;
  }

  /** Entries in the table. */
  get size(): number {
    return this.#size;
  }

  /** Slot of a key, or -1. Valid until the next change. */
  find(key: number): number {
    const keys = this.#keys, mask = this.#mask;
    let i = mix(key) & mask;
    for (;;) {
      const at = keys[i];
      if (at === key) return i;
      if (at === 0) return -1;
      i = (i + 1) & mask;
    }
  }

  /** First value in a slot. */
  first(slot: number): number {
    return this.#values[2 * slot];
  }

  /** Second value in a slot. */
  second(slot: number): number {
    return this.#values[2 * slot + 1];
  }

  /** Adds or replaces an entry. */
  set(key: number, first: number, second = 0): void {
    if (2 * (this.#size + 1) > this.#keys.length) this.#grow();
    const keys = this.#keys, mask = this.#mask;
    let i = mix(key) & mask;
    while (keys[i] !== 0 && keys[i] !== key) i = (i + 1) & mask;
    if (keys[i] === 0) this.#size++;
    keys[i] = key;
    this.#values[2 * i] = first;
    this.#values[2 * i + 1] = second;
  }

  /** Removes an entry when it is there. */
  delete(key: number): void {
    let hole = this.find(key);
    if (hole < 0) return;
    const keys = this.#keys, values = this.#values, mask = this.#mask;
    this.#size--;
    for (let i = (hole + 1) & mask; keys[i] !== 0; i = (i + 1) & mask) {
      const home = mix(keys[i]) & mask;
      // The entry may move back only if its home does not lie behind the hole.
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      keys[hole] = keys[i];
      values[2 * hole] = values[2 * i];
      values[2 * hole + 1] = values[2 * i + 1];
      hole = i;
    }
    keys[hole] = 0;
  }

  /** Removes everything. */
  clear(): void {
    if (this.#size === 0) return;
    this.#keys.fill(0);
    this.#size = 0;
  }

  #grow(): void {
    const keys = this.#keys, values = this.#values;
    this.#keys = new Uint32Array(2 * keys.length);
    this.#values = new Uint32Array(4 * keys.length);
    this.#mask = 2 * keys.length - 1;
    this.#size = 0;
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] !== 0) this.set(keys[i], values[2 * i], values[2 * i + 1]);
    }
  }
}
