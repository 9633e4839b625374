// This module is browser compatible.
//
// Pages at the ends of paths in the order in which they were made: a queue in one piece of
// memory, which is kept when it is emptied, as every commit fills one.

import { grown } from "./words.ts";

/** Words of an entry: frame, how often that had been taken, page. */
const ENTRY_WORDS = 3;
const WORDS_MIN = 3 << 6;

/** A queue of pages. */
export class MadeEnds {
  #words: Uint32Array = new Uint32Array(0);
  #from = 0;
  #end = 0;

  /** Pages in it. */
  get count(): number {
    return (this.#end - this.#from) / ENTRY_WORDS;
  }

  /** Frame of the k-th page. */
  frame(k: number): number {
    return this.#words[this.#from + ENTRY_WORDS * k];
  }

  /** How often the k-th page's frame had been taken when the page was made. */
  uses(k: number): number {
    return this.#words[this.#from + ENTRY_WORDS * k + 1];
  }

  /** Number of the k-th page. */
  page(k: number): number {
    return this.#words[this.#from + ENTRY_WORDS * k + 2];
  }

  push(frame: number, uses: number, page: number): void {
    this.#reserve(ENTRY_WORDS);
    const words = this.#words, end = this.#end;
    words[end] = frame;
    words[end + 1] = uses;
    words[end + 2] = page;
    this.#end = end + ENTRY_WORDS;
  }

  /** Takes all that is in another queue, which is empty then, behind what is in this one. */
  takeAll(other: MadeEnds): void {
    const words = other.#words.subarray(other.#from, other.#end);
    this.#reserve(words.length);
    this.#words.set(words, this.#end);
    this.#end += words.length;
    other.clear();
  }

  /** Takes out the first `count`. */
  drop(count: number): void {
    this.#from += ENTRY_WORDS * count;
  }

  clear(): void {
    this.#from = 0;
    this.#end = 0;
  }

  /** Makes room behind the last entry. */
  #reserve(words: number): void {
    if (this.#end + words <= this.#words.length) return;
    const used = this.#end - this.#from;
    // It moves only where as much as moves is free: so each entry moves few times.
    if (2 * used + words <= this.#words.length) {
      this.#words.copyWithin(0, this.#from, this.#end);
    } else {
      const old = this.#words.subarray(this.#from, this.#end);
      this.#words = grown(old, Math.max(WORDS_MIN, 2 * (used + words)));
    }
    this.#from = 0;
    this.#end = used;
  }
}
