// This module is browser compatible.
//
// Walks ahead of an edit, key by key, to the first page that the pool lacks, and lets
// storage begin to read it. Nothing depends on what it finds: the edit loads its pages
// as ever, and finds them read.

import { bitAt } from "./keys.ts";
import { CHILD, DEPTH_MASK, JOIN, KIND_SHIFT, metaAt } from "./layout.ts";
import type { PageSource } from "./load_ahead.ts";
import { ANCHOR_ENTRY } from "./path.ts";
import type { PagePool } from "./pool.ts";

/** Pages that lead from the root to a key's end at most; what is longer is left. */
const LEVELS_MAX = 64;
/** Pages read from one look to the next, at least: else others are hardly worth it. */
const READS_MIN = 8;

/** Lets storage read pages before an edit comes to them. */
export class Scout {
  readonly #pool: PagePool;
  readonly #source: PageSource;
  /** Pages read that storage was not told of, as counted when that was asked last. */
  #reads = 0;
  #last = 0;

  constructor(pool: PagePool, source: PageSource) {
    this.#pool = pool;
    this.#source = source;
  }

  /**
   * Whether it is worth looking ahead: pages had to be read since this was asked last.
   *
   * @param expected Pages read so far that somebody else had storage told of.
   */
  isNeeded(expected: number): boolean {
    const reads = this.#pool.counters.pageReads - expected;
    const before = this.#reads;
    this.#reads = reads;
    return this.#source.canExpect && reads - before >= READS_MIN;
  }

  /**
   * Has the first page read that the path of a key lacks, if any, in the tree that an
   * edit works on.
   *
   * @param at Offset of the key.
   */
  look(keys: Uint8Array, at: number): void {
    const page = this.#firstMissing(keys, at);
    // Neighbours often lack the same.
    if (page !== 0 && page !== this.#last) this.#source.expect(page);
    this.#last = page;
  }

  /** The first page of a key's path that is not in the pool; 0 when all are. */
  #firstMissing(keys: Uint8Array, at: number): number {
    const pool = this.#pool, { pages, pages: { u16, u32 } } = pool;
    let page = pages.childPage(pool.anchorAt, ANCHOR_ENTRY);
    for (let level = 0; page !== 0 && level < LEVELS_MAX; level++) {
      const f = pool.peek(page);
      if (f === 0) return page;
      let n = pages.root(f), i = metaAt(f, n);
      while (u16[i] >> KIND_SHIFT === JOIN) {
        n = u16[i + 1 + bitAt(keys, at, u16[i] & DEPTH_MASK)];
        i = metaAt(f, n);
      }
      page = u16[i] >> KIND_SHIFT === CHILD ? u32[pages.record(f, n) >>> 2] : 0;
    }
    return 0;
  }
}
