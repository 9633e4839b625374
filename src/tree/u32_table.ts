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

/** Words of a slot: key, two values, one spare, so that a slot is aligned. */
const WORDS = 4;

/** A map from u32 keys (not 0) to a pair of u32 values. */
export class U32Table {
  #slots: Uint32Array;
  #mask: number;
  #size = 0;

  /** @param expected Entries that fit before the table grows. */
  constructor(expected: number) {
    let slots = 16;
    while (slots < 2 * expected) slots *= 2;
    this.#slots = new Uint32Array(WORDS * slots);
    this.#mask = WORDS * slots - 1;
  }

  /** Entries in the table. */
  get size(): number {
    return this.#size;
  }

  /** Slot of a key, or -1. Valid until the next change. */
  find(key: number): number {
    const slots = this.#slots, mask = this.#mask;
    let i = mix(key) * WORDS & mask;
    for (;;) {
      const at = slots[i];
      if (at === key) return i;
      if (at === 0) return -1;
      i = (i + WORDS) & mask;
    }
  }

  /** First value in a slot. */
  first(slot: number): number {
    return this.#slots[slot + 1];
  }

  /** Second value in a slot. */
  second(slot: number): number {
    return this.#slots[slot + 2];
  }

  /** Adds or replaces an entry. */
  set(key: number, first: number, second = 0): void {
    if (2 * WORDS * (this.#size + 1) > this.#slots.length) this.#grow();
    const slots = this.#slots, mask = this.#mask;
    let i = mix(key) * WORDS & mask;
    while (slots[i] !== 0 && slots[i] !== key) i = (i + WORDS) & mask;
    if (slots[i] === 0) this.#size++;
    slots[i] = key;
    slots[i + 1] = first;
    slots[i + 2] = second;
  }

  /** Removes an entry when it is there. */
  delete(key: number): void {
    let hole = this.find(key);
    if (hole < 0) return;
    const slots = this.#slots, mask = this.#mask;
    this.#size--;
    for (
      let i = (hole + WORDS) & mask;
      slots[i] !== 0;
      i = (i + WORDS) & mask
    ) {
      const home = mix(slots[i]) * WORDS & mask;
      // The entry may move back only if its home does not lie behind the hole.
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots[hole] = slots[i];
      slots[hole + 1] = slots[i + 1];
      slots[hole + 2] = slots[i + 2];
      hole = i;
    }
    slots[hole] = 0;
  }

  /** Removes everything. */
  clear(): void {
    if (this.#size === 0) return;
    this.#slots.fill(0);
    this.#size = 0;
  }

  #grow(): void {
    const slots = this.#slots;
    this.#slots = new Uint32Array(2 * slots.length);
    this.#mask = 2 * slots.length - 1;
    this.#size = 0;
    for (let i = 0; i < slots.length; i += WORDS) {
      if (slots[i] !== 0) this.set(slots[i], slots[i + 1], slots[i + 2]);
    }
  }
}
