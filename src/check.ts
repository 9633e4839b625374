// This module is browser compatible.
//
// The full check: every page of the head is read, compared with the checksum in
// the reference to it, and every hash in it is computed anew from what lies
// below, up to the root; values in extents are hashed again; the space map is
// compared with what was reached. Then every log record of the history is read.

import type { Core } from "./core.ts";
import { CorruptError } from "./errors.ts";
import { HashingPass } from "./tree/hashing.ts";
import { CHILD, DIRTY, hashAt, JOIN, metaAt, NONE } from "./tree/layout.ts";
import { overflowHash, readValue } from "./store/values.ts";
import { Space } from "./store/space.ts";

/** How a store is checked. */
export interface CheckOptions {
  /** Stops the check. */
  readonly signal?: AbortSignal;
  /** Told of progress now and then, and once at the end. */
  readonly onProgress?: (progress: CheckProgress) => void;
}

/** How far a check has come. */
export interface CheckProgress {
  /** Pages read and found good. */
  readonly pages: number;
  /** Entries found good. */
  readonly entries: number;
}

/** Pages checked between two pauses. */
const PAUSE = 256;

/** Checks the head of a store. */
export async function checkStore(
  core: Core,
  options: CheckOptions,
): Promise<void> {
  const { storage } = core;
  const head = storage.versions.head;
  storage.versions.hold(head);
  storage.pool.writer.holdChecksums();
  try {
    const check = new Check(core);
    check.start();
    while (check.step(PAUSE)) {
      options.onProgress?.(check.progress);
      await new Promise((resolve) => setTimeout(resolve, 0));
      options.signal?.throwIfAborted();
      core.refuseClosed();
    }
    options.onProgress?.(check.progress);
    storage.checkHistory();
  } finally {
    storage.pool.writer.releaseChecksums();
    if (!core.isClosed) storage.versions.release(head);
  }
}

/** A page to be checked and what its parent says of it. */
interface Expected {
  readonly page: number;
  readonly low: number;
  readonly high: number;
  readonly above: number;
  readonly depth: number;
  readonly hash: Uint8Array;
}

class Check {
  readonly #core: Core;
  readonly #pass: HashingPass;
  readonly #queue: Expected[] = [];
  readonly #reached: Space = new Space();
  #pages = 0;
  #entries = 0;

  constructor(core: Core) {
    this.#core = core;
    const { pool, hasher, scheme } = core.storage;
    this.#pass = new HashingPass(pool, hasher, scheme);
    this.#reached.reset(core.storage.space.pageCount);
    this.#reached.forget(1, core.storage.space.pageCount);
  }

  get progress(): CheckProgress {
    return { pages: this.#pages, entries: this.#entries };
  }

  start(): void {
    const { tree } = this.#core.storage.versions.head;
    if (tree.page === 0) {
      if (tree.hash.some((byte) => byte !== 0)) {
        throw new CorruptError("Cannot check store: empty tree with a root");
      }
      return;
    }
    this.#queue.push({
      page: tree.page,
      low: tree.sum[0],
      high: tree.sum[1],
      above: -1,
      depth: tree.depth,
      hash: tree.hash,
    });
  }

  /** Checks up to `most` pages; returns whether there are more. */
  step(most: number): boolean {
    for (let i = 0; i < most; i++) {
      const next = this.#queue.pop();
      if (next === undefined) return false;
      this.#page(next);
    }
    return this.#queue.length > 0;
  }

  #page(expected: Expected): void {
    const { page } = expected;
    const { pool, space } = this.#core.storage;
    if (!space.isUsed(page) || this.#reached.isUsed(page)) {
      throw this.#wrong(page, "it is free, or reached twice");
    }
    this.#reached.use(page);
    const cached = pool.peek(page);
    // A page that storage has is read from there, not from memory.
    if (cached !== 0) pool.reload(page, expected.low, expected.high);
    const f = pool.get(page, expected.low, expected.high);
    pool.pin(f);
    try {
      this.#entriesOf(f, expected);
      this.#hashes(f, expected);
    } finally {
      pool.unpinAll();
    }
    this.#pages++;
  }

  /** Values in extents, and the pages below. */
  #entriesOf(f: number, { page }: Expected): void {
    const { storage } = this.#core, { pages } = storage.pool;
    for (let n = 0; n < pages.u16[f + 14 >>> 1]; n++) {
      const kind = pages.kind(f, n);
      if (kind === CHILD) {
        const i = pages.record(f, n) >>> 2, cell = hashAt(f, n);
        const parent = pages.parent(f, n);
        this.#queue.push({
          page: pages.u32[i],
          low: pages.u32[i + 1],
          high: pages.u32[i + 2],
          above: parent === NONE ? -1 : pages.depth(f, parent),
          depth: pages.u16[metaAt(f, n) + 2],
          hash: pages.u8.slice(cell, cell + 32),
        });
      } else if (kind !== JOIN && kind !== 0) {
        this.#entries++;
        const hash = overflowHash(pages, f, n);
        if (hash === undefined) continue;
        const value = readValue(pages, storage.file, f, n);
        const found = storage.scheme.hash(value);
        if (found.some((byte, i) => byte !== hash[i])) {
          throw this.#wrong(page, "a large value has another hash");
        }
        this.#reachExtent(pages.u32[pages.valueAt(f, n) / 4 + 1], value.length);
      }
    }
  }

  #reachExtent(first: number, length: number): void {
    const { file, space } = this.#core.storage;
    for (let i = 0; i < file.extentPages(length); i++) {
      if (!space.isUsed(first + i) || this.#reached.isUsed(first + i)) {
        throw this.#wrong(first, "an extent is free, or reached twice");
      }
      this.#reached.use(first + i);
    }
  }

  /** Computes every hash of the page again, in a copy. */
  #hashes(f: number, { page, above, depth, hash }: Expected): void {
    const { pool } = this.#core.storage, { pages, scratchAt: g } = pool;
    const root = pages.root(f);
    const rootDepth = pages.kind(f, root) === JOIN
      ? pages.depth(f, root)
      : 0xffff;
    if (rootDepth !== depth) throw this.#wrong(page, "its root is elsewhere");
    pages.u8.copyWithin(g, f, f + pages.pageBytes);
    const slots = pages.u16[g + 14 >>> 1];
    for (let n = 0; n < slots; n++) {
      const kind = pages.kind(g, n);
      if (kind !== CHILD && kind !== 0) pages.u16[metaAt(g, n)] |= DIRTY;
    }
    const home = pool.digestAt;
    this.#pass.runPage(g, home, above);
    for (let n = 0; n < slots; n++) {
      if (n === root || pages.kind(f, n) === 0) continue;
      if (!sameCell(pages.u32, hashAt(f, n), hashAt(g, n))) {
        throw this.#wrong(page, "a cached hash is wrong");
      }
    }
    for (let i = 0; i < 32; i++) {
      if (pages.u8[home + i] !== hash[i]) {
        throw this.#wrong(page, "its hash is not the one above it");
      }
    }
  }

  #wrong(page: number, why: string): CorruptError {
    return new CorruptError(`Cannot accept page ${page}: ${why}`, {
      file: "pages",
      page,
    });
  }
}

function sameCell(u32: Uint32Array, a: number, b: number): boolean {
  for (let i = 0; i < 8; i++) {
    if (u32[(a >>> 2) + i] !== u32[(b >>> 2) + i]) return false;
  }
  return true;
}
