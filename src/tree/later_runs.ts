// This module is browser compatible.
//
// Pages on their way into the page file while their owner goes on: a list says where
// they lie, and the thread that writes copies and sums them, run by run, in a place of its
// own. What becomes of a frame meanwhile is of no matter where nothing refers to its
// page any more.

import { COPY_SUM, COPY_WORDS } from "../hash/ops.ts";
import { KERNEL_BYTES } from "../hash/kernel_layout.ts";
import type { Pages } from "./pages.ts";
import type { PageIo } from "./pool.ts";

/** Bytes that the thread puts together at a time: they stay in its core's cache. */
const PIECE_BYTES_MAX = 1 << 18;
/** Pages that a list has room for, at most. */
const PAGES_MAX = 1 << 15;

function piecePages(pageBytes: number): number {
  return Math.max(1, Math.floor(PIECE_BYTES_MAX / pageBytes));
}

function listPages(frames: number): number {
  return Math.min(frames, PAGES_MAX);
}

/** Bytes of the region of {@linkcode LaterRuns}: kernel's area, a piece, the list. */
export function laterBytes(pageBytes: number, frames: number): number {
  return KERNEL_BYTES + piecePages(pageBytes) * pageBytes +
    4 * COPY_WORDS * listPages(frames);
}

/** Has runs of pages copied, summed and written by somebody else. */
export class LaterRuns {
  /** Pages that may be on their way together. */
  readonly pagesMax: number;
  readonly #pages: Pages;
  readonly #io: PageIo;
  /** Offset of a piece, and of the list. */
  readonly #piece: number;
  readonly #list: number;
  readonly #perPiece: number;
  #count = 0;
  /** The first entry of the run that is not given away, and the number of its page. */
  #from = 0;
  #first = 0;

  /** @param at Offset of a region of {@linkcode laterBytes}. */
  constructor(pages: Pages, io: PageIo, at: number, frames: number) {
    this.#pages = pages;
    this.#io = io;
    this.pagesMax = listPages(frames);
    this.#perPiece = piecePages(pages.pageBytes);
    this.#piece = at + KERNEL_BYTES;
    this.#list = this.#piece + this.#perPiece * pages.pageBytes;
  }

  /** Starts a list; what was given away before is written. */
  start(): void {
    this.#count = 0;
    this.#from = 0;
  }

  /** Takes the page whose frame is at `f`. */
  push(page: number, f: number): void {
    let length = this.#count - this.#from;
    if (page !== this.#first + length || length === this.#perPiece) {
      this.end();
      length = 0;
    }
    if (length === 0) this.#first = page;
    const { u32, pageBytes } = this.#pages, i = this.#entry(this.#count++);
    u32[i] = f;
    u32[i + 1] = this.#piece + length * pageBytes;
    this.#io.seedOf(page, u32, i + 2);
  }

  /** Gives away what is left. */
  end(): void {
    const count = this.#count - this.#from, list = 4 * this.#entry(this.#from);
    this.#from = this.#count;
    if (count > 0) this.#io.writeMade(this.#first, this.#piece, list, count);
  }

  /** Index of the word where the checksum of the k-th page of the list is, once written. */
  sumAt(k: number): number {
    return this.#entry(k) + COPY_SUM;
  }

  #entry(k: number): number {
    return (this.#list >>> 2) + COPY_WORDS * k;
  }
}
