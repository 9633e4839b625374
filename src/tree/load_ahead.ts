// This module is browser compatible.
//
// Loads what the paths of many keys need: all that is missing one level down at a
// time, in the order of the file, pages that lie close together by one call.

import { bitAt } from "./keys.ts";
import { CHILD, DEPTH_MASK, JOIN, KIND_SHIFT, metaAt } from "./layout.ts";
import type { TreeRoot } from "./path.ts";
import type { PagePool } from "./pool.ts";

/** Where pages come from: `PageFile`. */
export interface PageSource {
  /** Whether {@linkcode expect} does anything. */
  readonly canExpect: boolean;
  /** Lets storage begin to read a page that will be asked for soon. */
  expect(page: number): void;
  /** Reads pages that follow each other by one call, for whoever asks for them next. */
  readAhead(first: number, count: number): void;
  /** Forgets them. */
  endReadAhead(): void;
}

/** Pages read by one call at most, in bytes. */
const CALL_BYTES_MAX = 1 << 18;
/** From one page to the next in a call, at most: what lies between costs less than a call. */
const STEP_MAX = 5;
/** Pages that storage is told of before they are asked for. */
const EXPECTED = 128;
/** Times to go one level down; what is missing then was pushed out again. */
const WAVES_MAX = 16;

/** A reference to a page that is not in the pool. */
interface Missing {
  readonly page: number;
  readonly low: number;
  readonly high: number;
}

/** Loads paths into a pool. */
export class LoadAhead {
  readonly #pool: PagePool;
  readonly #source: PageSource;

  constructor(pool: PagePool, source: PageSource) {
    this.#pool = pool;
    this.#source = source;
  }

  /** Keys that may be loaded together: their pages must not push each other out. */
  get keysMax(): number {
    return Math.max(1, this.#pool.frameCount >>> 2);
  }

  /**
   * Loads the pages of keys' paths.
   *
   * @returns Keys whose paths may lack pages, as the pool is too small for them.
   * @throws {CorruptError} When a page is not what refers to it says.
   */
  load(tree: TreeRoot, keys: readonly Uint8Array[]): readonly Uint8Array[] {
    let left = keys;
    for (let wave = 0; left.length > 0 && wave < WAVES_MAX; wave++) {
      const missing: Missing[] = [];
      left = left.filter((key) => {
        const lack = this.#walk(tree, key);
        if (lack !== undefined) missing.push(lack);
        return lack !== undefined;
      });
      this.#read(missing);
    }
    return left;
  }

  /** Follows a key as far as there are pages. */
  #walk(tree: TreeRoot, key: Uint8Array): Missing | undefined {
    const pool = this.#pool, { pages } = pool, { u16, u32 } = pages;
    if (tree.page === 0) return undefined;
    if (pool.peek(tree.page) === 0) {
      const [low, high] = tree.sum;
      return { page: tree.page, low, high };
    }
    let f = pool.top(tree), n = pages.root(f);
    for (;;) {
      const at = metaAt(f, n), meta = u16[at], kind = meta >> KIND_SHIFT;
      if (kind === JOIN) {
        n = u16[at + 1 + bitAt(key, 0, meta & DEPTH_MASK)];
      } else if (kind === CHILD) {
        const i = pages.record(f, n) >>> 2, page = u32[i];
        if (pool.peek(page) === 0) {
          return { page, low: u32[i + 1], high: u32[i + 2] };
        }
        f = pool.child(f, n);
        n = pages.root(f);
      } else {
        return undefined;
      }
    }
  }

  #read(missing: Missing[]): void {
    missing.sort((a, b) => a.page - b.page);
    const most = Math.max(1, CALL_BYTES_MAX / this.#pool.pageBytes);
    try {
      for (let i = 0, told = 0; i < missing.length;) {
        told = this.#expect(missing, told, i + EXPECTED);
        const first = missing[i].page;
        let end = i + 1;
        while (
          end < missing.length && missing[end].page - first < most &&
          missing[end].page - missing[end - 1].page <= STEP_MAX
        ) end++;
        const count = missing[end - 1].page - first + 1;
        if (count > 1) this.#source.readAhead(first, count);
        for (; i < end; i++) {
          const { page, low, high } = missing[i];
          this.#pool.get(page, low, high);
        }
      }
    } finally {
      this.#source.endReadAhead();
    }
  }

  /** Tells storage of pages that are not read with others; returns how far it came. */
  #expect(missing: readonly Missing[], from: number, to: number): number {
    if (!this.#source.canExpect) return from;
    const end = Math.min(to, missing.length);
    for (let i = from; i < end; i++) {
      const { page } = missing[i];
      const isBehind = page - (missing[i - 1]?.page ?? -Infinity) <= STEP_MAX;
      const isBefore = (missing[i + 1]?.page ?? Infinity) - page <= STEP_MAX;
      if (!isBehind && !isBefore) this.#source.expect(page);
    }
    return Math.max(from, end);
  }
}
