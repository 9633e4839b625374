// This module is browser compatible.
//
// Checksums of written pages that whoever refers to them may not know yet. Most pages
// that are asked for have none here, which one bit says: all bits together lie in the
// CPU's cache, and the checksums do not. These are a list by page number, as frames are
// in `PageTable`, and up to a bound for the same reason.

import { U32Table } from "./u32_table.ts";
import { grown } from "./words.ts";

/** Page numbers in the list at most, for each frame. */
const NUMBERS_PER_FRAME = 16;
const LIST_MIN = 256;
/** Words of bits in the beginning. */
const WORDS_MIN = 64;

/** Checksums by page number. */
export class KeptChecksums {
  #bits: Uint32Array = new Uint32Array(WORDS_MIN);
  /** By page number: the low and the high half, where the page's bit is set. */
  #list: Uint32Array = new Uint32Array(2 * LIST_MIN);
  readonly #listMax: number;
  readonly #others: U32Table = new U32Table(LIST_MIN, 2);

  /** @param frames Frames that there are. */
  constructor(frames: number) {
    this.#listMax = Math.max(LIST_MIN, NUMBERS_PER_FRAME * frames);
  }

  /** Whether there is one. */
  has(page: number): boolean {
    return (this.#bits[page >>> 5] >>> (page & 31) & 1) === 1;
  }

  /** Puts a page's checksum into two words, if there is one; tells whether there is. */
  get(page: number, out: Uint32Array, at: number): boolean {
    if (!this.has(page)) return false;
    const list = this.#list;
    if (2 * page < list.length) {
      out[at] = list[2 * page];
      out[at + 1] = list[2 * page + 1];
    } else {
      const place = this.#others.find(page);
      out[at] = this.#others.first(place);
      out[at + 1] = this.#others.second(place);
    }
    return true;
  }

  /** Keeps a page's checksum, instead of the one before. */
  set(page: number, low: number, high: number): void {
    const word = page >>> 5;
    if (word >= this.#bits.length) this.#bits = grown(this.#bits, word + 1);
    this.#bits[word] |= 1 << (page & 31);
    if (2 * page >= this.#list.length && page < this.#listMax) {
      this.#list = grown(this.#list, 2 * page + 2, 2 * this.#listMax);
    }
    const list = this.#list;
    if (2 * page < list.length) {
      list[2 * page] = low;
      list[2 * page + 1] = high;
    } else this.#others.set(page, low, high);
  }

  delete(page: number): void {
    if (!this.has(page)) return;
    this.#bits[page >>> 5] &= ~(1 << (page & 31));
    if (2 * page >= this.#list.length) this.#others.delete(page);
  }

  clear(): void {
    this.#bits.fill(0);
    this.#others.clear();
  }
}
