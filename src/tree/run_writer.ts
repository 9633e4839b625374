// This module is browser compatible.
//
// Pages on their way into the page file: copied side by side, with their checksums if
// these are not known yet, and those that follow each other go by one call.

import { COPY_SUM, COPY_WORDS } from "../hash/ops.ts";
import type { Pages } from "./pages.ts";
import type { PageIo } from "./pool.ts";

/** Pages written by one call at most, in bytes. */
const CALL_BYTES_MAX = 1 << 20;
/** Pages that are copied together. */
const COPIES_MAX = 64;
/** Before the pages: a list of copies, and room for what refers to a root page. */
const COPIES_BYTES = 4 * COPY_WORDS * COPIES_MAX;
const REFERENCE_BYTES = 64;

/** Pages that go by one call, at most. */
function pagesMax(pageBytes: number): number {
  return Math.max(1, Math.floor(CALL_BYTES_MAX / pageBytes));
}

/** Bytes of the region that a writer of runs works in. */
export function runBytes(pageBytes: number): number {
  return COPIES_BYTES + REFERENCE_BYTES + pagesMax(pageBytes) * pageBytes;
}

/** Writes pages, one after another, in the order in which they are given. */
export class RunWriter {
  readonly #pages: Pages;
  readonly #io: PageIo;
  /** Offset of the list of copies. */
  readonly #list: number;
  /** Offset of the first page. */
  readonly #at: number;
  readonly #perCall: number;
  /** A reference, as a word's index, for a page to which none leads. */
  readonly rootReference: number;
  /** For each copy of the list, where the reference to the page lies. */
  readonly #references: Uint32Array = new Uint32Array(COPIES_MAX);
  #copies = 0;
  #first = 0;
  #count = 0;

  /** @param at Offset of a region of {@linkcode runBytes}. */
  constructor(pages: Pages, io: PageIo, at: number) {
    this.#pages = pages;
    this.#io = io;
    this.#list = at;
    this.rootReference = at + COPIES_BYTES >>> 2;
    this.#at = at + COPIES_BYTES + REFERENCE_BYTES;
    this.#perCall = pagesMax(pages.pageBytes);
  }

  /** Starts anew, whatever became of the pages before. */
  start(): void {
    this.#count = 0;
    this.#copies = 0;
  }

  /** Takes a copy of the page at `f`. */
  push(page: number, f: number): void {
    this.#io.copyFrame(this.#place(page), f);
  }

  /**
   * Takes a copy of a page, which must not change until {@linkcode seal} puts its checksum
   * into the reference to it.
   */
  pushUnsealed(page: number, f: number, reference: number): void {
    const to = this.#place(page), { u32 } = this.#pages;
    const i = (this.#list >>> 2) + COPY_WORDS * this.#copies;
    u32[i] = f;
    u32[i + 1] = to;
    this.#io.seedOf(page, u32, i + 2);
    this.#references[this.#copies++] = reference;
    if (this.#copies === COPIES_MAX) this.seal();
  }

  /** Makes the copies, and tells references the checksums. */
  seal(): void {
    const count = this.#copies, { u32 } = this.#pages;
    this.#copies = 0;
    if (count === 0) return;
    this.#io.copySummed(this.#list, count);
    for (let k = 0; k < count; k++) {
      const i = (this.#list >>> 2) + COPY_WORDS * k + COPY_SUM;
      const reference = this.#references[k];
      u32[reference + 1] = u32[i];
      u32[reference + 2] = u32[i + 1];
    }
  }

  /** Writes what is left. */
  end(): void {
    this.seal();
    const count = this.#count, { u8, pageBytes } = this.#pages;
    this.#count = 0;
    if (count === 0) return;
    const bytes = u8.subarray(this.#at, this.#at + count * pageBytes);
    this.#io.writePages(this.#first, bytes);
  }

  /** Where the copy of a page goes, behind that of the page before. */
  #place(page: number): number {
    if (page !== this.#first + this.#count || this.#count === this.#perCall) {
      this.end();
    }
    if (this.#count === 0) this.#first = page;
    return this.#at + this.#count++ * this.#pages.pageBytes;
  }
}
