// This module is browser compatible.
//
// The page pool: one block of memory, reserved once, that holds every cached
// page, the lists of the batch hasher and its constants. Frames are found by
// page number through an open-addressing table and given up by a clock. A page
// made by a version is *unwritten* until it has been put into the page file;
// unwritten and pinned pages are never given up. Every page that comes from
// storage is compared with the checksum in the reference that led to it.

import { CorruptError } from "../errors.ts";
import { type Counters, counters } from "../metrics.ts";
import { FreeFrames } from "./free_frames.ts";
import type { KeyRule } from "./keys.ts";
import {
  AT_SLOTS,
  CHILD,
  DEPTH_MASK,
  DEPTH_NONE,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NODE_BYTES,
  PAGE_HEADER_BYTES,
} from "./layout.ts";
import { Pages } from "./pages.ts";
import { RunWriter } from "./run_writer.ts";
import { U32Table } from "./u32_table.ts";

/** Where pages are kept when they are not in the pool. */
export interface PageIo {
  /** Reads a page into `frame`; throws `CorruptError` when it is not there. */
  readPage(page: number, frame: Uint8Array): void;
  /** Writes whole pages that follow each other, from page `first` on. */
  writePages(first: number, bytes: Uint8Array): void;
  /** Checksum of the page whose frame is at `f`, into `out` as [low, high]. */
  checksumFrame(page: number, f: number, out: Uint32Array): void;
}

/** Where page numbers come from: `Space`. */
export interface PageNumbers {
  release(page: number): void;
  /** Ascending numbers, in runs as long as can be had. */
  allocateMany(count: number, mayGrow: boolean): Uint32Array;
}

/** Frames that an edit needs besides those on its paths. */
const SPARE_FRAMES = 128;
const WASM_PAGE_BYTES = 65536;
/** Longest key and more. */
const SPARE_BYTES = 512;

/** No page's number. */
const NOBODY = -1;

/** State of a frame: flags, and in the bits above them how many lives it has. */
const UNWRITTEN = 1;
const REFERENCED = 2;
const LIFE = 4;
/** Lives of a page that led to another one. */
const LIVES = 31;
/** Frames that the clock passes until it takes lives in any case. */
const PATIENCE = 256;

/** How a pool is laid out. */
export interface PoolOptions {
  readonly pageBytes: number;
  /** Bytes of frames. */
  readonly cacheBytes: number;
  /** Frames at least; enough for the longest path if not given. */
  readonly framesMin?: number;
  readonly rule: KeyRule;
  /** Bytes that the hasher wants for itself. */
  readonly reservedBytes: number;
  /** Bytes for frames of the commit log on their way to or from the file. */
  readonly stagingBytes: number;
  /** Whether to use a `WebAssembly.Memory`. */
  readonly wasm: boolean;
  /** Whether that memory is shared between threads. */
  readonly shared: boolean;
  /** Gets the memory before anything is written to it. */
  readonly prepareMemory?: (memory: ArrayBufferLike) => unknown;
  readonly counters?: Counters;
}

/** Frames, the table that finds them, and the clock that frees them. */
export class PagePool {
  readonly memory: WebAssembly.Memory | undefined;
  readonly buffer: ArrayBufferLike;
  readonly pages: Pages;
  readonly pageBytes: number;
  readonly frameCount: number;
  /** Offset of 32 zero bytes. */
  readonly zeroAt: number;
  /** Offset of 32 bytes for a digest on its way elsewhere. */
  readonly digestAt: number;
  /** Offset of the page-like anchor that holds a version's root entry. */
  readonly anchorAt: number;
  /** Offset and size of the list region. */
  readonly listAt: number;
  readonly listBytes: number;
  /** Offset of the hasher's own region. */
  readonly reservedAt: number;
  /** Offset of the log's region. */
  readonly stagingAt: number;
  /** Offset of a spare frame. */
  readonly scratchAt: number;
  readonly counters: Counters;
  readonly #framesAt: number;
  readonly #pageShift: number;
  readonly #framePage: Uint32Array;
  readonly #frameState: Uint8Array;
  readonly #framePin: Uint32Array;
  readonly #frames: U32Table;
  readonly #free: FreeFrames;
  readonly #writer: RunWriter;
  readonly #rule: KeyRule;
  /** Checksums of written pages that a parent may not know yet. */
  readonly #checksums: U32Table = new U32Table(64, 2);
  #checksumHolds = 0;
  readonly #sum: Uint32Array = new Uint32Array(2);
  #clock = 0;
  /** Pages that the clock gave up, a quarter as many as there are frames. */
  readonly #givenUp: Uint32Array;
  #epoch = 1;
  #pinned = 0;
  #unwritten = 0;
  #io: PageIo | undefined;

  constructor(options: PoolOptions) {
    const { pageBytes, rule } = options;
    this.pageBytes = pageBytes;
    this.#rule = rule;
    this.counters = options.counters ?? counters();
    this.frameCount = Math.max(
      options.framesMin ?? framesMin(rule),
      Math.floor(options.cacheBytes / pageBytes),
    );
    this.listBytes = Math.min(
      1 << 20,
      Math.max(1 << 14, this.frameCount * 16 & ~0xfff),
    );
    this.zeroAt = 64;
    this.digestAt = 128;
    this.anchorAt = 512;
    this.reservedAt = 1024;
    this.listAt = this.reservedAt + (options.reservedBytes + 63 & ~63);
    this.stagingAt = this.listAt + this.listBytes;
    const framesAt = this.stagingAt + options.stagingBytes + pageBytes - 1 &
      -pageBytes;
    this.scratchAt = framesAt;
    this.#framesAt = framesAt + pageBytes;
    // Behind the last frame lies what reading a key past its end may touch.
    const bytes = this.#framesAt + this.frameCount * pageBytes + SPARE_BYTES;
    const wasmPages = Math.ceil(bytes / WASM_PAGE_BYTES);
    this.memory = options.wasm
      ? new WebAssembly.Memory({
        initial: wasmPages,
        maximum: wasmPages,
        shared: options.shared,
      })
      : undefined;
    this.buffer = this.memory?.buffer ??
      new ArrayBuffer(wasmPages * WASM_PAGE_BYTES);
    options.prepareMemory?.(this.buffer);
    this.pages = new Pages(this.buffer, pageBytes, rule, this.scratchAt);
    this.#pageShift = Math.log2(pageBytes);
    this.#writer = new RunWriter(
      this.pages.u8.subarray(this.#framesAt),
      pageBytes,
    );
    this.#framePage = new Uint32Array(this.frameCount);
    this.#frameState = new Uint8Array(this.frameCount);
    this.#framePin = new Uint32Array(this.frameCount);
    this.#frames = new U32Table(this.frameCount, 1);
    this.#givenUp = new Uint32Array(1 << 29 - Math.clz32(this.frameCount));
    this.#free = new FreeFrames(this.frameCount);
  }

  /** Gives the pool the file that its pages come from and go to. */
  attach(io: PageIo): void {
    this.#io = io;
  }

  /** Frames holding pages that storage does not have. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** Frames that the running edit holds. */
  get pinned(): number {
    return this.#pinned;
  }

  /** Bytes of the page file's pages in the pool. */
  get cachedBytes(): number {
    return (this.frameCount - this.#free.count) * this.pageBytes;
  }

  /** Lets go of every pin: a new edit, or a new part of one, starts. */
  unpinAll(): void {
    this.#epoch++;
    this.#pinned = 0;
  }

  /** Offset of a page's frame, or 0 when the page is not in the pool. */
  peek(page: number): number {
    const slot = this.#frames.find(page);
    return slot < 0 ? 0 : this.#offset(this.#frames.first(slot));
  }

  /**
   * Offset of a page's frame; loads the page when needed.
   *
   * @param low Low half of the checksum in the reference that led here.
   * @param high High half; both 0 when the reference does not know it yet.
   * @throws {CorruptError} When storage has other bytes than that.
   */
  get(page: number, low: number, high: number): number {
    const slot = this.#frames.find(page);
    if (slot >= 0) {
      const frame = this.#frames.first(slot);
      if ((this.#frameState[frame] & UNWRITTEN) !== 0) {
        this.#refuseOther(this.#offset(frame), low, high);
      }
      this.#frameState[frame] |= REFERENCED;
      this.counters.cacheHits++;
      return this.#offset(frame);
    }
    return this.#load(page, low, high);
  }

  /**
   * Whether the frame at `f` holds a page that was found there before; if so, this
   * counts as finding it again. A frame that is given up names no page.
   */
  refind(page: number, f: number): boolean {
    const frame = this.#frame(f);
    if (this.#framePage[frame] !== page) return false;
    this.#frameState[frame] |= REFERENCED;
    this.counters.cacheHits++;
    return true;
  }

  /** Refuses references to what storage had under an unwritten page's number. */
  #refuseOther(f: number, low: number, high: number): void {
    if (low === 0 && high === 0) return;
    // Writing it has failed after its parent learned its checksum, or it is the
    // wrong page.
    const sum = this.#sum, page = this.pages.pageOf(f);
    this.#io!.checksumFrame(page, f, sum);
    if (sum[0] !== low || sum[1] !== high) throw inUse(page);
  }

  /**
   * As {@linkcode get}, for the page that a child entry refers to. Its root must
   * be where the entry says: so depths grow from page to page and every walk
   * comes to an end, whatever storage holds.
   */
  child(f: number, n: number): number {
    const { pages } = this, { u16, u32 } = pages;
    const i = pages.record(f, n) >> 2;
    // Loading the child may take the frame of a page that is not pinned.
    const wanted = u16[metaAt(f, n) + 2];
    if (f >= this.#framesAt) this.#frameState[this.#frame(f)] |= LIVES * LIFE;
    const child = this.get(u32[i], u32[i + 1], u32[i + 2]);
    return this.#rooted(child, wanted);
  }

  /** As {@linkcode get}, for a tree's root page. */
  top(
    { page, depth, sum }: {
      readonly page: number;
      readonly depth: number;
      readonly sum: readonly [number, number];
    },
  ): number {
    return this.#rooted(this.get(page, sum[0], sum[1]), depth);
  }

  /**
   * As {@linkcode child}, for an edit: a pinned page itself, of any other a staged
   * copy. Copying comes before the first look at the page, so that the two misses
   * of the CPU's caches become one.
   */
  childToEdit(f: number, n: number, birth: number): number {
    const { pages } = this, { u16, u32 } = pages;
    const i = pages.record(f, n) >> 2;
    const wanted = u16[metaAt(f, n) + 2];
    if (f >= this.#framesAt) this.#frameState[this.#frame(f)] |= LIVES * LIFE;
    const child = this.get(u32[i], u32[i + 1], u32[i + 2]);
    if (this.#framePin[this.#frame(child)] === this.#epoch) {
      return this.#rooted(child, wanted);
    }
    const copy = this.stage(child);
    const isOther = pages.birthOf(copy) !== birth;
    if (isOther && this.#depthOf(copy) === wanted) return copy;
    this.unstage(copy);
    return this.#rooted(child, wanted);
  }

  /** The page at `f`, whose root must be at a depth. */
  #rooted(f: number, wanted: number): number {
    if (this.#depthOf(f) === wanted) return f;
    const page = this.pages.pageOf(f);
    throw new CorruptError(`Cannot read page ${page}: its root is elsewhere`, {
      file: "pages",
      page,
    });
  }

  /** Depth of the join that the root of the page at `f` is, or leads to. */
  #depthOf(f: number): number {
    const { pages } = this, { u16 } = pages;
    const root = metaAt(f, pages.root(f)), meta = u16[root];
    const kind = meta >> KIND_SHIFT;
    if (kind === JOIN) return meta & DEPTH_MASK;
    // While an edit runs, a page may for a moment only lead to another one.
    return kind === CHILD ? u16[root + 2] : DEPTH_NONE;
  }

  /** Keeps a frame until {@linkcode unpinAll}. */
  pin(f: number): void {
    const frame = this.#frame(f);
    if (this.#framePin[frame] !== this.#epoch) {
      this.#framePin[frame] = this.#epoch;
      this.#pinned++;
    }
  }

  /** Lets go of a frame before the others. */
  unpin(f: number): void {
    const frame = this.#frame(f);
    if (this.#framePin[frame] !== this.#epoch) return;
    this.#framePin[frame] = 0;
    this.#pinned--;
  }

  /** Makes a frame for a page that no storage has: empty, pinned, unwritten. */
  create(page: number, birth: number): number {
    const f = this.#takeNew(page);
    this.#setUnwritten(f);
    this.pages.reset(f, page, birth);
    this.pin(f);
    return f;
  }

  /**
   * Copies a page to a frame that is no page yet: one to work on, which
   * {@linkcode adopt} makes a page and {@linkcode unstage} gives back.
   */
  stage(from: number): number {
    this.pin(from);
    const f = this.#offset(this.#takeFrame(NOBODY));
    this.unpin(from);
    this.pages.u8.copyWithin(f, from, from + this.pageBytes);
    return f;
  }

  /** Makes a staged frame page `page` of a version. */
  adopt(f: number, page: number, birth: number): void {
    if (this.#frames.find(page) >= 0) throw inUse(page);
    const frame = this.#frame(f);
    this.#framePage[frame] = page;
    this.#frames.set(page, frame);
    this.#setUnwritten(f);
    this.pages.u32[f >> 2] = page;
    this.pages.setBirth(f, birth);
    this.pin(f);
  }

  /** Gives back a staged frame. */
  unstage(f: number): void {
    this.#release(this.#frame(f));
  }

  /** Reads a cached page anew, unless storage does not have it. */
  reload(page: number, low: number, high: number): void {
    const f = this.peek(page);
    if (f === 0 || this.#isUnwritten(f)) return;
    this.#fetch(f, page, low, high);
  }

  /** Marks a page changed since it was last written. */
  touch(f: number): void {
    const frame = this.#frame(f);
    if ((this.#frameState[frame] & UNWRITTEN) !== 0) return;
    this.#setUnwritten(f);
    this.#checksums.delete(this.#framePage[frame]);
  }

  /** Forgets a page: nothing refers to it any more. */
  drop(page: number): void {
    this.#checksums.delete(page);
    const frame = this.#frames.delete(page);
    if (frame < 0) return;
    if ((this.#frameState[frame] & UNWRITTEN) !== 0) this.#unwritten--;
    if (this.#framePin[frame] === this.#epoch) this.#pinned--;
    this.#release(frame);
  }

  /** Gives up a page's frame when storage has the page. */
  retire(page: number): void {
    const slot = this.#frames.find(page);
    if (slot < 0) return;
    const frame = this.#frames.first(slot);
    if ((this.#frameState[frame] & UNWRITTEN) !== 0) return;
    if (this.#framePin[frame] === this.#epoch) return;
    this.#frames.delete(page);
    this.#release(frame);
  }

  /** Forgets everything but what is unwritten. */
  forgetClean(): void {
    for (let frame = 0; frame < this.frameCount; frame++) {
      const page = this.#framePage[frame];
      if (page === 0 || (this.#frameState[frame] & UNWRITTEN) !== 0) continue;
      if (this.#framePin[frame] === this.#epoch) continue;
      this.#frames.delete(page);
      this.#release(frame);
    }
  }

  /** Whether somebody goes on later from references that were read before. */
  get holdsChecksums(): boolean {
    return this.#checksumHolds > 0;
  }

  /** Drops the checksums kept for parents when nobody can need them. */
  forgetChecksums(): void {
    if (this.#unwritten === 0 && this.#checksumHolds === 0) {
      this.#checksums.clear();
    }
  }

  /**
   * Keeps them until {@linkcode releaseChecksums}: for whoever goes on later from
   * references that were read before what they refer to was written.
   */
  holdChecksums(): void {
    this.#checksumHolds++;
  }

  releaseChecksums(): void {
    this.#checksumHolds--;
  }

  /**
   * Writes unwritten pages that are not pinned, children before parents, neighbours
   * in one call: those at the ends of paths, as the ones that lead to others are
   * about to change again; all of them where those are few.
   *
   * @returns Pages written.
   */
  writeBack(): number {
    const sealed: number[] = [], all = this.#unwritten;
    this.#sealAll(sealed, LIFE);
    if (sealed.length < all / 4) this.#sealAll(sealed, Infinity);
    this.#write(sealed);
    return sealed.length;
  }

  /** Seals the unwritten pages whose state is below a bound. */
  #sealAll(sealed: number[], bound: number): void {
    const state = this.#frameState;
    for (let frame = 0; frame < this.frameCount; frame++) {
      if ((state[frame] & UNWRITTEN) === 0 || state[frame] >= bound) continue;
      if (this.#framePin[frame] !== this.#epoch) this.#seal(frame, sealed);
    }
  }

  /**
   * Writes the unwritten pages of the tree below `root`.
   *
   * @param sum Receives the root page's checksum as [low, high].
   * @returns Pages written.
   */
  writeTree(root: number, sum: Uint32Array): number {
    const sealed: number[] = [];
    const f = this.peek(root);
    if (f !== 0 && this.#isUnwritten(f)) this.#seal(this.#frame(f), sealed);
    this.#write(sealed);
    if (!this.checksumOf(root, sum)) {
      throw new Error("unreachable: root page was not written");
    }
    return sealed.length;
  }

  /**
   * Gives the unwritten pages of a tree new numbers, so that they can be written as
   * few long runs: their own are those of many commits, with gaps where pages have
   * been replaced since.
   *
   * @param root The root page.
   * @param after Only pages made by later versions are part of no other tree.
   * @param mayGrow Whether the file may grow for it.
   * @returns The root page's number.
   */
  renumber(
    root: number,
    after: number,
    numbers: PageNumbers,
    mayGrow: boolean,
  ): number {
    const { frames, entries } = this.#unwrittenBelow(root, after);
    if (frames.length === 0) return root;
    const { pages } = this, { u32 } = pages;
    for (const frame of frames) {
      const page = this.#framePage[frame];
      this.#frames.delete(page);
      this.#checksums.delete(page);
      numbers.release(page);
    }
    const given = numbers.allocateMany(frames.length, mayGrow);
    for (let k = 0; k < frames.length; k++) {
      const frame = frames[k], page = given[k], i = entries[k];
      this.#framePage[frame] = page;
      this.#frames.set(page, frame);
      pages.setPage(this.#offset(frame), page);
      if (k === 0) continue;
      u32[i] = page;
      // A write that failed may have left the sum of the page's old number.
      u32[i + 1] = u32[i + 2] = 0;
    }
    return given[0];
  }

  /**
   * Unwritten pages of a tree that versions after one made, each followed by those
   * below it: what is used together gets numbers that do not lie far apart.
   *
   * @returns Their frames, and where the references to all but the first lie.
   * @throws {CorruptError} When two references lead to one page.
   */
  #unwrittenBelow(
    root: number,
    after: number,
  ): { readonly frames: number[]; readonly entries: number[] } {
    const frames: number[] = [], entries: number[] = [], { u32 } = this.pages;
    const stack: number[] = [], isMet = new Uint8Array(this.frameCount);
    const visit = (page: number, entry: number): void => {
      const f = this.peek(page);
      if (f === 0 || !this.#isUnwritten(f)) return;
      if (this.pages.birthOf(f) <= after) return;
      const frame = this.#frame(f);
      if (isMet[frame] === 1) throw inUse(page);
      isMet[frame] = 1;
      frames.push(frame);
      entries.push(entry);
      this.#forEachChild(f, (i) => stack.push(i));
    };
    visit(root, 0);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      visit(u32[i], i);
    }
    return { frames, entries };
  }

  /** Visits the child records of a page, as indices of words. */
  #forEachChild(f: number, visit: (i: number) => void): void {
    const { u16 } = this.pages, slots = u16[f + AT_SLOTS >> 1];
    for (let n = 0; n < slots; n++) {
      const meta = metaAt(f, n);
      if (u16[meta] >> KIND_SHIFT === CHILD) visit(f + u16[meta + 1] >> 2);
    }
  }

  /** Checksum of a written page that its parent does not know, if any. */
  checksumOf(page: number, sum: Uint32Array): boolean {
    const slot = this.#checksums.find(page);
    if (slot < 0) return false;
    sum[0] = this.#checksums.first(slot);
    sum[1] = this.#checksums.second(slot);
    return true;
  }

  #offset(frame: number): number {
    return this.#framesAt + frame * this.pageBytes;
  }

  #frame(f: number): number {
    return f - this.#framesAt >>> this.#pageShift;
  }

  #isUnwritten(f: number): boolean {
    return (this.#frameState[this.#frame(f)] & UNWRITTEN) !== 0;
  }

  #setUnwritten(f: number): void {
    const frame = this.#frame(f);
    if ((this.#frameState[frame] & UNWRITTEN) !== 0) return;
    this.#frameState[frame] |= UNWRITTEN;
    this.#unwritten++;
  }

  #release(frame: number): void {
    this.#framePage[frame] = 0;
    this.#frameState[frame] = 0;
    this.#framePin[frame] = 0;
    this.#free.give(frame);
  }

  #view(f: number): Uint8Array {
    return this.pages.u8.subarray(f, f + this.pageBytes);
  }

  #load(page: number, low: number, high: number): number {
    const f = this.#take(page);
    try {
      this.#fetch(f, page, low, high);
    } catch (error) {
      this.#frames.delete(page);
      this.#release(this.#frame(f));
      throw error;
    }
    return f;
  }

  /** Reads a page into its frame and compares it with the reference to it. */
  #fetch(f: number, page: number, low: number, high: number): void {
    const bytes = this.#view(f), sum = this.#sum;
    if (low === 0 && high === 0 && this.checksumOf(page, sum)) {
      [low, high] = sum;
    }
    this.#io!.readPage(page, bytes);
    this.counters.pageReads++;
    this.#io!.checksumFrame(page, f, sum);
    const isReferenced = sum[0] === low && sum[1] === high;
    if (isReferenced && this.pages.isSound(f, page, this.#rule.max)) return;
    const why = isReferenced
      ? "it is no tree page"
      : "its checksum is not the referenced one";
    throw new CorruptError(`Cannot read page ${page}: ${why}`, {
      file: "pages",
      page,
    });
  }

  /** A frame for a page that is made now; nobody else may have its number. */
  #takeNew(page: number): number {
    if (this.#frames.find(page) >= 0) throw inUse(page);
    return this.#take(page);
  }

  /** A frame for a page, in the table. */
  #take(page: number): number {
    const frame = this.#takeFrame(page);
    // Referenced when found again: pages read once must not push out the
    // upper levels, which every path meets.
    this.#framePage[frame] = page;
    this.#frames.set(page, frame);
    return this.#offset(frame);
  }

  /** A frame that holds nothing, in no table, for a page or {@linkcode NOBODY}. */
  #takeFrame(page: number): number {
    let frame = this.#free.take();
    if (frame < 0) {
      frame = this.#evict(page);
      if (frame < 0) {
        this.writeBack();
        frame = this.#evict(page);
      }
      if (frame < 0) {
        throw new RangeError(
          "Cannot cache page: every frame is in use: cacheBytes is too small",
        );
      }
    }
    this.#framePage[frame] = 0;
    this.#frameState[frame] = 0;
    return frame;
  }

  /**
   * Gives up one page that storage has, by the clock; -1 when there is none. Pages
   * that lead to others are worth more than those at the ends of paths, of which
   * there are many more and each is met rarely. So they lose lives only for a page
   * that was given up not long ago and comes back, or where there is nothing else.
   */
  #evict(page: number): number {
    const count = this.frameCount, state = this.#frameState;
    const givenUp = this.#givenUp, mask = givenUp.length - 1;
    const isBack = givenUp[page & mask] === page;
    // Where everything is unwritten or pinned, once around will do.
    let most = count;
    for (let i = 0; i < most; i++) {
      const frame = this.#clock;
      this.#clock = frame + 1 === count ? 0 : frame + 1;
      if (this.#framePage[frame] === 0) continue;
      if ((state[frame] & UNWRITTEN) !== 0) continue;
      if (this.#framePin[frame] === this.#epoch) continue;
      most = PATIENCE + (LIVES + 2) * count;
      if (state[frame] >= LIFE) {
        if (isBack || i > PATIENCE) state[frame] -= LIFE;
        continue;
      }
      if ((state[frame] & REFERENCED) !== 0) {
        state[frame] &= ~REFERENCED;
        continue;
      }
      const old = this.#framePage[frame];
      givenUp[old & mask] = old;
      this.#frames.delete(old);
      this.counters.evictions++;
      return frame;
    }
    return -1;
  }

  #write(sealed: readonly number[]): void {
    try {
      this.#writer.write(this.#io!, sealed, this.#framePage);
    } catch (error) {
      // All of them count as unwritten: below a written page, all is written.
      for (const f of sealed) this.#checksums.delete(this.#framePage[f]);
      throw error;
    }
    for (const frame of sealed) this.#frameState[frame] &= ~UNWRITTEN;
    this.#unwritten -= sealed.length;
    this.counters.pageWrites += sealed.length;
  }

  /**
   * Fills in what a page's child entries do not know and computes its
   * checksum, children first. Skips a page with a pinned unwritten child.
   *
   * @param sealed Receives the frames that are ready to be written.
   */
  #seal(start: number, sealed: number[]): void {
    const stack = [start];
    while (stack.length > 0) {
      const frame = stack[stack.length - 1];
      const page = this.#framePage[frame];
      if (stack.length > this.frameCount) throw inUse(page);
      if (this.#checksums.find(page) >= 0) {
        stack.pop();
        continue;
      }
      const depth = stack.length;
      const complete = this.#fillChecksums(this.#offset(frame), stack);
      if (stack.length > depth) continue;
      stack.pop();
      if (!complete) return;
      this.#io!.checksumFrame(page, this.#offset(frame), this.#sum);
      this.#checksums.set(page, this.#sum[0], this.#sum[1]);
      sealed.push(frame);
    }
  }

  /** Pushes children to seal first; false when one of them may not be. */
  #fillChecksums(f: number, stack: number[]): boolean {
    const { u32 } = this.pages;
    let complete = true;
    this.#forEachChild(f, (i) => {
      const child = u32[i], place = this.#checksums.find(child);
      if (place >= 0) {
        u32[i + 1] = this.#checksums.first(place);
        u32[i + 2] = this.#checksums.second(place);
        return;
      }
      // What is known may be of a write that has failed.
      const below = this.peek(child);
      if (below === 0 || !this.#isUnwritten(below)) return;
      const frame = this.#frame(below);
      if (this.#framePin[frame] === this.#epoch) complete = false;
      else stack.push(frame);
    });
    return complete;
  }

  /** Smallest page that has room for a scheme's terminals, in bytes. */
  static pageBytesMin(rule: KeyRule): number {
    const terminal = NODE_BYTES + rule.max + 40;
    let bytes = 512;
    while ((bytes - PAGE_HEADER_BYTES) / 4 < terminal) bytes *= 2;
    return bytes;
  }
}

/**
 * Frames that a pool needs at least. The longest path has a page for every bit of a
 * key; an edit lets go of its pins when they fill half of the frames, and may be
 * about to add a path to them.
 */
function framesMin(rule: KeyRule): number {
  return 2 * 8 * rule.max + SPARE_FRAMES;
}

function inUse(page: number): CorruptError {
  return new CorruptError(`Cannot make page ${page}: it is in use`, {
    file: "pages",
    page,
  });
}
