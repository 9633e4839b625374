// This module is browser compatible.
//
// Pages on their way into the page file: those that follow each other go by one
// call.

import type { PageIo } from "./pool.ts";

/** Pages written by one call at most, in bytes. */
const CALL_BYTES_MAX = 1 << 20;

/** Writes pages, one after another, in the order in which they are given. */
export class RunWriter {
  readonly #u8: Uint8Array;
  readonly #pageBytes: number;
  readonly #perCall: number;
  #staging: Uint8Array = new Uint8Array(0);
  #first = 0;
  #count = 0;

  /** @param u8 The pool's memory. */
  constructor(u8: Uint8Array, pageBytes: number) {
    this.#u8 = u8;
    this.#pageBytes = pageBytes;
    this.#perCall = Math.max(1, Math.floor(CALL_BYTES_MAX / pageBytes));
  }

  /** Starts anew, whatever became of the pages before. */
  start(): void {
    this.#count = 0;
  }

  /** Takes a copy of the page at `f`. */
  push(io: PageIo, page: number, f: number): void {
    const size = this.#pageBytes;
    if (page !== this.#first + this.#count || this.#count === this.#perCall) {
      this.end(io);
    }
    if (this.#count === 0) this.#first = page;
    const at = this.#count++ * size;
    if (this.#staging.length === 0) {
      this.#staging = new Uint8Array(this.#perCall * size);
    }
    this.#staging.set(this.#u8.subarray(f, f + size), at);
  }

  /** Writes what is left. */
  end(io: PageIo): void {
    const count = this.#count;
    this.#count = 0;
    if (count === 0) return;
    const bytes = this.#staging.subarray(0, count * this.#pageBytes);
    io.writePages(this.#first, bytes);
  }
}
