// This module is browser compatible.
//
// Checksums of written pages that whoever refers to them may not know yet. Most pages
// that are asked for have none here, which one bit says: all bits together lie in the
// CPU's cache, and the table does not.

import { U32Table } from "./u32_table.ts";

/** Words of bits in the beginning. */
const WORDS_MIN = 64;

/** Checksums by page number. */
export class KeptChecksums {
  readonly #table: U32Table = new U32Table(64, 2);
  #bits: Uint32Array = new Uint32Array(WORDS_MIN);

  /** Whether there is one. */
  has(page: number): boolean {
    return (this.#bits[page >>> 5] >>> (page & 31) & 1) === 1;
  }

  /** Puts a page's checksum into two words, if there is one; tells whether there is. */
  get(page: number, out: Uint32Array, at: number): boolean {
    if (!this.has(page)) return false;
    const place = this.#table.find(page);
    out[at] = this.#table.first(place);
    out[at + 1] = this.#table.second(place);
    return true;
  }

  /** Keeps a page's checksum, instead of the one before. */
  set(page: number, low: number, high: number): void {
    const word = page >>> 5;
    if (word >= this.#bits.length) this.#grow(word);
    this.#bits[word] |= 1 << (page & 31);
    this.#table.set(page, low, high);
  }

  delete(page: number): void {
    if (!this.has(page)) return;
    this.#bits[page >>> 5] &= ~(1 << (page & 31));
    this.#table.delete(page);
  }

  clear(): void {
    this.#bits.fill(0);
    this.#table.clear();
  }

  #grow(word: number): void {
    const longer = new Uint32Array(Math.max(word + 1, 2 * this.#bits.length));
    longer.set(this.#bits);
    this.#bits = longer;
  }
}
