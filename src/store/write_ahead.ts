// This module is browser compatible.
//
// Pages that are written before a checkpoint needs them written. What a commit makes of
// a store that does not fit into its cache is soon as good as on its way: most of its
// pages lie at ends of paths, and few of those change again before they would be given up.
// They get numbers that follow each other when they are made, and go to the file beside
// later commits, the oldest first, so that the disk always has something to do.

import { MadeEnds } from "../tree/made_ends.ts";
import type { PagePool } from "../tree/pool.ts";
import type { Space } from "./space.ts";
import type { Version } from "./versions.ts";

/** Share of the cache that stays unwritten: what changes again soon is written once. */
const UNWRITTEN_SHARE = 1 / 16;
/** Page numbers that are taken together, so that runs of free pages are used whole. */
const NUMBERS_MAX = 1 << 16;
/** The same as a share of the cache. */
const NUMBERS_SHARE = 1 / 8;

const NONE = new Uint32Array(0);

/** Numbers pages at the ends of paths, and has them written. */
export class WriteAhead {
  readonly #pool: PagePool;
  readonly #space: Space;
  /** What committed versions made, the oldest first. */
  readonly #ends: MadeEnds = new MadeEnds();
  /** An empty queue with memory, for the next version. */
  #spare: MadeEnds | undefined;
  /** Numbers taken for pages to come, from the next on. */
  #numbers: Uint32Array = NONE;
  #next = 0;
  #isWanted = false;
  #evictions = 0;

  constructor(pool: PagePool, space: Space) {
    this.#pool = pool;
    this.#space = space;
  }

  /** Starts an edit. */
  begin(): void {
    const { counters: { evictions }, writer } = this.#pool;
    const isOutgrown = evictions !== this.#evictions;
    this.#evictions = evictions;
    this.#isWanted = isOutgrown && writer.canWriteLater;
  }

  /**
   * A number for the page at the end of a path that a version is about to make at `f`, if
   * it may be written ahead; else 0.
   */
  number(version: Version, f: number): number {
    if (!this.#isWanted) return 0;
    if (this.#next === this.#numbers.length) this.#take();
    const page = this.#numbers[this.#next++];
    const [frame, uses] = this.#pool.placeOf(f);
    (version.ends ??= this.#takeSpare()).push(frame, uses, page);
    return page;
  }

  #take(): void {
    const { frameCount } = this.#pool;
    const share = Math.ceil(frameCount * NUMBERS_SHARE);
    this.#numbers = this.#space.allocateNext(Math.min(share, NUMBERS_MAX));
    this.#next = 0;
  }

  #takeSpare(): MadeEnds {
    const spare = this.#spare ?? new MadeEnds();
    this.#spare = undefined;
    return spare;
  }

  /** A version has been committed. */
  published(version: Version): void {
    const { ends } = version;
    if (ends === undefined) return;
    version.ends = undefined;
    this.#ends.takeAll(ends);
    this.#spare = ends;
  }

  /** All pages are about to be written: gives back numbers that nothing got. */
  reset(): void {
    const numbers = this.#numbers;
    for (let k = this.#next; k < numbers.length; k++) {
      this.#space.release(numbers[k]);
    }
    this.#numbers = NONE;
    this.#next = 0;
    this.#ends.clear();
  }

  /** Has pages written, if too many are not. */
  run(): void {
    if (this.#ends.count === 0) return;
    const pool = this.#pool, { writer } = pool;
    if (!writer.settle()) {
      this.#space.hasRoom = false;
      return;
    }
    const many = pool.unwritten - pool.frameCount * UNWRITTEN_SHARE;
    if (many <= 0) return;
    this.#ends.drop(writer.writeLater(this.#ends, many));
  }
}
