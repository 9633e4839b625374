// This module is browser compatible.
//
// Open-addressing hash tables from non-zero u32 keys to numbers, on typed
// arrays: page number to frame or to checksum, beyond a list. Pages that are made
// together have numbers that follow each other and are used together, so
// sixteen neighbours share a place: a walk in key order finds most of them in
// cache lines that it has just had. Backward-shift deletion, so there are no
// tombstones and no rehash while the size stays.

/** Mixes a u32 (finalizer of MurmurHash3). */
function mix(key: number): number {
  key = Math.imul(key ^ (key >>> 16), 0x85ebca6b);
  key = Math.imul(key ^ (key >>> 13), 0xc2b2ae35);
  return key ^ (key >>> 16);
}

/** Slot of a key, before it is cut to the table's size: neighbours stay so. */
function home(key: number): number {
  return mix(key >>> 4) << 4 | key & 15;
}

/** Slots from one probe to the next: odd, so that probes meet every slot. */
const STEP = 17;
/** Undoes a multiplication by `STEP`, modulo 2^32. */
const STEP_INVERSE = 0xf0f0f0f1;

/** A map from u32 keys (not 0) to one or two u32 values. */
export class U32Table {
  #words: Uint32Array;
  #mask: number;
  /** Slots are 2 or 4 words: a key and its values, aligned. */
  readonly #shift: number;
  #size = 0;

  /**
   * @param expected Entries that fit before the table grows.
   * @param values Values of an entry: 1 or 2.
   */
  constructor(expected: number, values: 1 | 2) {
    let slots = 16;
    while (slots < 2 * expected) slots *= 2;
    this.#shift = values;
    this.#words = new Uint32Array(slots << values);
    this.#mask = slots - 1;
  }

  /** Entries in the table. */
  get size(): number {
    return this.#size;
  }

  /** Place of an entry, or -1. Valid until the next change. */
  find(key: number): number {
    const words = this.#words, mask = this.#mask, shift = this.#shift;
    for (let slot = home(key) & mask;; slot = slot + STEP & mask) {
      const at = words[slot << shift];
      if (at === key) return slot << shift;
      if (at === 0) return -1;
    }
  }

  /** First value of the entry at a place. */
  first(place: number): number {
    return this.#words[place + 1];
  }

  /** Second value of the entry at a place. */
  second(place: number): number {
    return this.#words[place + 2];
  }

  /** Adds or replaces an entry. */
  set(key: number, first: number, second = 0): void {
    if (2 * (this.#size + 1) > this.#mask + 1) this.#grow();
    const words = this.#words, mask = this.#mask, shift = this.#shift;
    let slot = home(key) & mask;
    for (;; slot = slot + STEP & mask) {
      const at = words[slot << shift];
      if (at === key) break;
      if (at !== 0) continue;
      this.#size++;
      break;
    }
    const i = slot << shift;
    words[i] = key;
    words[i + 1] = first;
    if (shift === 2) words[i + 2] = second;
  }

  /** Removes an entry when it is there; its first value, or -1. */
  delete(key: number): number {
    const words = this.#words, mask = this.#mask, shift = this.#shift;
    const place = this.#size === 0 ? -1 : this.find(key);
    if (place < 0) return -1;
    const first = words[place + 1];
    this.#size--;
    let hole = place >> shift;
    for (let slot = hole + STEP & mask;; slot = slot + STEP & mask) {
      const at = words[slot << shift];
      if (at === 0) break;
      // The entry may move back only if its home does not lie behind the hole.
      if (steps(home(at), slot, mask) < steps(hole, slot, mask)) continue;
      const to = hole << shift, from = slot << shift;
      words[to] = at;
      words[to + 1] = words[from + 1];
      if (shift === 2) words[to + 2] = words[from + 2];
      hole = slot;
    }
    words[hole << shift] = 0;
    return first;
  }

  /** Removes everything. */
  clear(): void {
    if (this.#size === 0) return;
    this.#words.fill(0);
    this.#size = 0;
  }

  #grow(): void {
    const words = this.#words, step = 1 << this.#shift;
    this.#words = new Uint32Array(2 * words.length);
    this.#mask = 2 * this.#mask + 1;
    this.#size = 0;
    for (let i = 0; i < words.length; i += step) {
      if (words[i] !== 0) this.set(words[i], words[i + 1], words[i + 2]);
    }
  }
}

/** Probes from one slot to another. */
function steps(from: number, to: number, mask: number): number {
  return Math.imul(to - from, STEP_INVERSE) & mask;
}
