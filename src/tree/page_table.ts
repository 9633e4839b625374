// This module is browser compatible.
//
// Which frame holds a page. Page numbers begin at 1 and files have few more pages than
// are in use, so a list by number finds most pages with one look at memory, where a hash
// table needs two and deleting three. Numbers beyond the list's bound go to a hash table:
// memory follows the frames, not the file.

import { U32Table } from "./u32_table.ts";
import { grown } from "./words.ts";

/** Numbers in the list at most, for each frame. */
const NUMBERS_PER_FRAME = 32;
const LIST_MIN = 256;

/** A map from page numbers to frames. */
export class PageTable {
  /** By page number: the frame's number plus one; 0 for none. */
  #list: Uint32Array = new Uint32Array(LIST_MIN);
  readonly #listMax: number;
  readonly #others: U32Table = new U32Table(LIST_MIN, 1);

  /** @param frames Frames that there are. */
  constructor(frames: number) {
    this.#listMax = Math.max(LIST_MIN, NUMBERS_PER_FRAME * frames);
  }

  /** The frame that holds a page, or -1. */
  find(page: number): number {
    if (page < this.#list.length) return this.#list[page] - 1;
    const place = this.#others.find(page);
    return place < 0 ? -1 : this.#others.first(place);
  }

  /** Gives a page that has no frame its frame. */
  set(page: number, frame: number): void {
    if (page >= this.#list.length && page < this.#listMax) {
      this.#list = grown(this.#list, page + 1, this.#listMax);
    }
    if (page < this.#list.length) this.#list[page] = frame + 1;
    else this.#others.set(page, frame);
  }

  /** Takes a page out; returns its frame, or -1. */
  delete(page: number): number {
    if (page >= this.#list.length) return this.#others.delete(page);
    const frame = this.#list[page] - 1;
    this.#list[page] = 0;
    return frame;
  }
}
