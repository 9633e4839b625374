// This module is browser compatible.
//
// Which page each frame of the pool holds, what state it is in, and which frame is
// given up when all are taken. A page that storage does not have is *unwritten*;
// neither it nor a pinned one is ever given up.

import type { Counters } from "../metrics.ts";
import { FreeFrames } from "./free_frames.ts";
import { PageTable } from "./page_table.ts";

/** No page's number. */
export const NOBODY = -1;

/** State of a frame: flags, how many lives it has, and above that one more flag. */
const UNWRITTEN = 1;
const REFERENCED = 2;
const LIFE = 4;
/** Lives of a page that leads to others. */
const LIVES = 31;
const ALL_LIVES = LIVES * LIFE;
const LENT = 128;
/** Frames that the clock passes until it takes lives in any case. */
const PATIENCE = 256;

/** The frames of a pool, by number from 0 on. */
export class Frames {
  readonly count: number;
  readonly #at: number;
  readonly #pageBytes: number;
  readonly #shift: number;
  readonly #page: Uint32Array;
  readonly #state: Uint8Array;
  readonly #pin: Uint32Array;
  /** How often each frame was taken. */
  readonly #uses: Uint32Array;
  readonly #table: PageTable;
  readonly #free: FreeFrames;
  readonly #counters: Counters;
  #clock = 0;
  /** Pages that the clock gave up, a quarter as many as there are frames. */
  readonly #givenUp: Uint32Array;
  #epoch = 1;
  #pinned = 0;
  #unwritten = 0;

  /**
   * @param count Frames.
   * @param at Offset of the first.
   * @param pageBytes Size of each, a power of two.
   */
  constructor(
    count: number,
    at: number,
    pageBytes: number,
    counters: Counters,
  ) {
    this.#counters = counters;
    this.count = count;
    this.#at = at;
    this.#pageBytes = pageBytes;
    this.#shift = Math.log2(pageBytes);
    this.#page = new Uint32Array(count);
    this.#state = new Uint8Array(count);
    this.#pin = new Uint32Array(count);
    this.#uses = new Uint32Array(count);
    this.#table = new PageTable(count);
    this.#free = new FreeFrames(count);
    this.#givenUp = new Uint32Array(1 << 29 - Math.clz32(count));
  }

  /** Frames that hold something. */
  get taken(): number {
    return this.count - this.#free.count;
  }

  /** Frames holding pages that storage does not have. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** Frames that are pinned. */
  get pinned(): number {
    return this.#pinned;
  }

  /** Offset of a frame. */
  offset(frame: number): number {
    return this.#at + frame * this.#pageBytes;
  }

  /** The frame at an offset. */
  at(f: number): number {
    return f - this.#at >>> this.#shift;
  }

  /** The page that a frame holds; 0 for none. */
  page(frame: number): number {
    return this.#page[frame];
  }

  /**
   * How often a frame was taken: as long as that stays and its page does, nobody else's page
   * has been there.
   */
  uses(frame: number): number {
    return this.#uses[frame];
  }

  /** The frame that holds a page, or -1. */
  find(page: number): number {
    return this.#table.find(page);
  }

  /** Gives a frame that holds nothing, or a page without a name, its page. */
  name(frame: number, page: number): void {
    this.#page[frame] = page;
    this.#table.set(page, frame);
  }

  /** Makes a page impossible to find; returns its frame, or -1. */
  unname(page: number): number {
    return this.#table.delete(page);
  }

  /**
   * Takes a frame that holds nothing, or one that the clock gives up; -1 when all
   * are unwritten or pinned.
   *
   * @param page What it is for, or {@linkcode NOBODY}.
   */
  take(page: number): number {
    let frame = this.#free.take();
    if (frame < 0) frame = this.#evict(page);
    if (frame < 0) return -1;
    this.#page[frame] = 0;
    this.#state[frame] = 0;
    this.#uses[frame]++;
    return frame;
  }

  /** Gives back a frame whose page nobody finds any more. */
  release(frame: number): void {
    this.setWritten(frame);
    this.unpin(frame);
    this.#page[frame] = 0;
    this.#state[frame] = 0;
    this.#free.give(frame);
  }

  /** Counts as finding the page again. */
  meet(frame: number): void {
    this.#state[frame] |= REFERENCED;
  }

  /** The page leads to others: gives it all its lives. */
  setInner(frame: number): void {
    this.#state[frame] |= ALL_LIVES;
  }

  /**
   * Whether the page is known to lead to others. It is, if it refers to unwritten
   * pages; otherwise it may be.
   */
  isInner(frame: number): boolean {
    return (this.#state[frame] & ALL_LIVES) !== 0;
  }

  isUnwritten(frame: number): boolean {
    return (this.#state[frame] & UNWRITTEN) !== 0;
  }

  setUnwritten(frame: number): void {
    if (this.isUnwritten(frame)) return;
    this.#state[frame] |= UNWRITTEN;
    this.#unwritten++;
  }

  setWritten(frame: number): void {
    if (!this.isUnwritten(frame)) return;
    this.#state[frame] &= ~UNWRITTEN;
    this.#unwritten--;
  }

  isPinned(frame: number): boolean {
    return this.#pin[frame] === this.#epoch;
  }

  /** Keeps a frame until {@linkcode unpinAll}. */
  pin(frame: number): void {
    if (this.isPinned(frame)) return;
    this.#pin[frame] = this.#epoch;
    this.#pinned++;
  }

  /** Lets go of a frame before the others. */
  unpin(frame: number): void {
    if (!this.isPinned(frame)) return;
    this.#pin[frame] = 0;
    this.#pinned--;
  }

  /** Whether another thread works on the page. */
  isLent(frame: number): boolean {
    return (this.#state[frame] & LENT) !== 0;
  }

  /** Another thread works on the page until {@linkcode giveBack}. */
  lend(frame: number): void {
    this.#state[frame] |= LENT;
  }

  giveBack(frame: number): void {
    this.#state[frame] &= ~LENT;
  }

  /** Lets go of every pin. */
  unpinAll(): void {
    this.#epoch++;
    this.#pinned = 0;
  }

  /**
   * Gives up one page that storage has, by the clock; -1 when there is none. Pages
   * that lead to others are worth more than those at the ends of paths, of which
   * there are many more and each is met rarely. So they lose lives only for a page
   * that was given up not long ago and comes back, or where there is nothing else.
   */
  #evict(page: number): number {
    const count = this.count, state = this.#state;
    const givenUp = this.#givenUp, mask = givenUp.length - 1;
    const isBack = givenUp[page & mask] === page;
    // Where everything is unwritten or pinned, once around will do.
    let most = count;
    for (let i = 0; i < most; i++) {
      const frame = this.#clock;
      this.#clock = frame + 1 === count ? 0 : frame + 1;
      if (this.#page[frame] === 0) continue;
      if ((state[frame] & UNWRITTEN) !== 0) continue;
      if (this.#pin[frame] === this.#epoch) continue;
      most = PATIENCE + (LIVES + 2) * count;
      if ((state[frame] & ALL_LIVES) !== 0) {
        if (isBack || i > PATIENCE) state[frame] -= LIFE;
        continue;
      }
      if ((state[frame] & REFERENCED) !== 0) {
        state[frame] &= ~REFERENCED;
        continue;
      }
      const old = this.#page[frame];
      givenUp[old & mask] = old;
      this.#table.delete(old);
      this.#counters.evictions++;
      return frame;
    }
    return -1;
  }
}
