// This module is browser compatible.
//
// The page pool: one block of memory, reserved once, that holds every cached
// page, the lists of the batch hasher and its constants. A page made by a version
// is *unwritten* until it has been put into the page file. Every page that comes
// from storage is compared with the checksum in the reference that led to it.

import { CorruptError } from "../errors.ts";
import { type Counters, counters } from "../metrics.ts";
import { Frames, NOBODY } from "./frames.ts";
import type { KeyRule } from "./keys.ts";
import {
  CHILD,
  DEPTH_MASK,
  DEPTH_NONE,
  JOIN,
  KIND_SHIFT,
  metaAt,
  NODE_BYTES,
  PAGE_HEADER_BYTES,
} from "./layout.ts";
import { laterBytes, LaterRuns } from "./later_runs.ts";
import { inUse, PageWriter } from "./page_writer.ts";
import { Pages } from "./pages.ts";
import { runBytes, RunWriter } from "./run_writer.ts";

/** Where pages are kept when they are not in the pool. */
export interface PageIo {
  /** Reads a page into `frame`; throws `CorruptError` when it is not there. */
  readPage(page: number, frame: Uint8Array): void;
  /**
   * Writes whole pages that follow each other, from page `first` on; they need not have been
   * written before {@linkcode finishWrites} returns.
   */
  writePages(first: number, bytes: Uint8Array): void;
  finishWrites(): void;
  /** Whether there is {@linkcode writeMade}. */
  readonly canWriteMade: boolean;
  /**
   * Has `count` pages from page `first` on copied to `piece`, summed and written by somebody
   * else; they need not have been written before {@linkcode finishWrites} returns.
   *
   * @param list Entries for {@linkcode copySummed}, which is done first.
   */
  writeMade(first: number, piece: number, list: number, count: number): void;
  /** Puts the seed of a page's checksum, low and high half, where `at` says. */
  seedOf(page: number, out: Uint32Array, at: number): void;
  /** Copies frames, and computes their checksums; see `Checksums.copySummed`. */
  copySummed(list: number, count: number): void;
  /** Copies what is in one frame to another. */
  copyFrame(to: number, from: number): void;
  /** Checksum of the page whose frame is at `f`, into `out` as [low, high]. */
  checksumFrame(page: number, f: number, out: Uint32Array): void;
}

/** Frames that an edit needs besides those on its paths. */
const SPARE_FRAMES = 128;
const WASM_PAGE_BYTES = 65536;
/** Longest key and more. */
const SPARE_BYTES = 512;

/** How a pool is laid out. */
export interface PoolOptions {
  readonly pageBytes: number;
  /** Bytes of frames. */
  readonly cacheBytes: number;
  /** Frames at least; enough for the longest path if not given. */
  readonly framesMin?: number;
  /** Where the first frame lies at least. */
  readonly framesFrom?: number;
  readonly rule: KeyRule;
  /** Bytes that the hasher wants for itself. */
  readonly reservedBytes: number;
  /** Bytes for frames of the commit log on their way to or from the file. */
  readonly stagingBytes: number;
  /** Whether to use a `WebAssembly.Memory`. */
  readonly wasm: boolean;
  /** Whether that memory is shared between threads. */
  readonly shared: boolean;
  /** Whether pages may be written by another thread; only in such memory. */
  readonly writesLater: boolean;
  /** Gets the memory before anything is written to it. */
  readonly prepareMemory?: (memory: ArrayBufferLike) => unknown;
  readonly counters?: Counters;
}

/** The pages in memory. */
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
  /** Offset of the region for pages on their way to the file. */
  readonly runsAt: number;
  /** Offset of the region for pages that another thread writes; 0 without one. */
  readonly laterAt: number;
  /** Offset of a spare frame. */
  readonly scratchAt: number;
  readonly counters: Counters;
  /** Offset of the first frame. */
  readonly framesAt: number;
  readonly #frames: Frames;
  readonly #rule: KeyRule;
  readonly #sum: Uint32Array = new Uint32Array(2);
  /** What writes pages, from {@linkcode attach} on. */
  writer!: PageWriter;
  #io!: PageIo;

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
    this.runsAt = this.stagingAt + (options.stagingBytes + 63 & ~63);
    const runsEnd = this.runsAt + runBytes(pageBytes) + 63 & ~63;
    this.laterAt = options.writesLater ? runsEnd : 0;
    const regionsEnd = runsEnd +
      (options.writesLater ? laterBytes(pageBytes, this.frameCount) : 0);
    this.scratchAt = pageBytes *
      Math.ceil(Math.max(regionsEnd, options.framesFrom ?? 0) / pageBytes);
    this.framesAt = this.scratchAt + pageBytes;
    // Behind the last frame lies what reading a key past its end may touch.
    const bytes = this.framesAt + this.frameCount * pageBytes + SPARE_BYTES;
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
    this.#frames = new Frames(
      this.frameCount,
      this.framesAt,
      pageBytes,
      this.counters,
    );
  }

  /** Gives the pool the file that its pages come from and go to. */
  attach(io: PageIo): void {
    this.#io = io;
    const { pages, runsAt, counters } = this;
    const runs = new RunWriter(pages, io, runsAt);
    const later = this.laterAt > 0 && io.canWriteMade
      ? new LaterRuns(pages, io, this.laterAt, this.frameCount)
      : undefined;
    const frames = this.#frames;
    this.writer = new PageWriter(frames, pages, io, runs, counters, later);
  }

  /** Frames holding pages that storage does not have. */
  get unwritten(): number {
    return this.#frames.unwritten;
  }

  /** Frames that the running edit holds. */
  get pinned(): number {
    return this.#frames.pinned;
  }

  /** Bytes of the page file's pages in the pool. */
  get cachedBytes(): number {
    return this.#frames.taken * this.pageBytes;
  }

  /** Lets go of every pin: a new edit, or a new part of one, starts. */
  unpinAll(): void {
    this.#frames.unpinAll();
  }

  /** Offset of a page's frame, or 0 when the page is not in the pool. */
  peek(page: number): number {
    const frame = this.#frames.find(page);
    return frame < 0 ? 0 : this.#frames.offset(frame);
  }

  /**
   * Offset of a page's frame; loads the page when needed.
   *
   * @param low Low half of the checksum in the reference that led here.
   * @param high High half; both 0 when the reference does not know it yet.
   * @throws {CorruptError} When storage has other bytes than that.
   */
  get(page: number, low: number, high: number): number {
    const frame = this.#frames.find(page);
    if (frame < 0) return this.#load(page, low, high);
    return this.#meet(frame, low, high);
  }

  /** A page that is there counts as found again, under a reference to it. */
  #meet(frame: number, low: number, high: number): number {
    const frames = this.#frames, f = frames.offset(frame);
    if (frames.isUnwritten(frame)) this.#refuseOther(f, low, high);
    frames.meet(frame);
    this.counters.cacheHits++;
    return f;
  }

  /**
   * Whether the frame at `f` holds a page that was found there before; if so, this
   * counts as finding it again. A frame that is given up names no page.
   */
  refind(page: number, f: number): boolean {
    const frames = this.#frames, frame = frames.at(f);
    if (frames.page(frame) !== page) return false;
    frames.meet(frame);
    this.counters.cacheHits++;
    return true;
  }

  /** Refuses references to what storage had under an unwritten page's number. */
  #refuseOther(f: number, low: number, high: number): void {
    if (low === 0 && high === 0) return;
    // Writing it has failed after its parent learned its checksum, or it is the
    // wrong page.
    const sum = this.#sum, page = this.pages.pageOf(f);
    this.#io.checksumFrame(page, f, sum);
    if (sum[0] !== low || sum[1] !== high) throw inUse(page);
  }

  /**
   * As {@linkcode get}, for the page that a child entry refers to. Its root must
   * be where the entry says: so depths grow from page to page and every walk
   * comes to an end, whatever storage holds.
   */
  child(f: number, n: number): number {
    const { pages } = this, { u16, u32 } = pages;
    const i = pages.record(f, n) >>> 2;
    // Loading the child may take the frame of a page that is not pinned.
    const wanted = u16[metaAt(f, n) + 2];
    this.setInner(f);
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
   * As {@linkcode child}, for an edit: a pinned page itself, of another one in the
   * pool a staged copy. Copying comes before the first look at the page, so that the
   * two misses of the CPU's caches become one. Of a page that only storage has no
   * copy is made: it is pinned, and {@linkcode adopt} takes its frame.
   */
  childToEdit(f: number, n: number, birth: number): number {
    const { pages } = this, { u16, u32 } = pages;
    const i = pages.record(f, n) >>> 2;
    const wanted = u16[metaAt(f, n) + 2];
    this.setInner(f);
    const frame = this.#frames.find(u32[i]);
    if (frame < 0) {
      const loaded = this.#load(u32[i], u32[i + 1], u32[i + 2]);
      this.pin(loaded);
      return this.#rooted(loaded, wanted);
    }
    const child = this.#meet(frame, u32[i + 1], u32[i + 2]);
    if (this.#frames.isPinned(frame)) return this.#rooted(child, wanted);
    const copy = this.stage(child);
    const isOther = pages.birthOf(copy) !== birth;
    if (isOther && this.#depthOf(copy) === wanted) return copy;
    this.unstage(copy);
    return this.#rooted(child, wanted);
  }

  /** The page below an entry, if it is in the pool, else 0; see {@linkcode isInner}. */
  childInPool(f: number, n: number): number {
    const { u32 } = this.pages, i = this.pages.record(f, n) >>> 2;
    const frame = this.#frames.find(u32[i]);
    if (frame < 0) return 0;
    if (this.#frames.isInner(frame)) return this.#frames.offset(frame);
    this.setInner(f);
    return this.#meet(frame, u32[i + 1], u32[i + 2]);
  }

  /**
   * The page below an entry that is not in the pool, loaded and pinned: {@linkcode adopt}
   * takes its frame. {@linkcode isInner} says of it what is so.
   */
  childLoaded(f: number, n: number): number {
    const child = this.child(f, n);
    this.pin(child);
    if (this.pages.leadsOn(child)) this.setInner(child);
    return child;
  }

  /** Number of the frame at `f`, and how often it was taken. */
  placeOf(f: number): [frame: number, uses: number] {
    const frame = this.#frames.at(f);
    return [frame, this.#frames.uses(frame)];
  }

  /** Whether the page at `f` is known to lead to others. */
  isInner(f: number): boolean {
    return this.#frames.isInner(this.#frames.at(f));
  }

  /** The page at `f`, if it is one and not the anchor, leads to others. */
  setInner(f: number): void {
    if (f >= this.framesAt) this.#frames.setInner(this.#frames.at(f));
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
    this.#frames.pin(this.#frames.at(f));
  }

  /** Lets go of a frame before the others. */
  unpin(f: number): void {
    this.#frames.unpin(this.#frames.at(f));
  }

  /** Whether another thread works on the page at `f`. */
  isLent(f: number): boolean {
    return this.#frames.isLent(this.#frames.at(f));
  }

  /** Another thread works on the page at `f` until {@linkcode giveBack}. */
  lend(f: number): void {
    this.#frames.lend(this.#frames.at(f));
  }

  giveBack(f: number): void {
    this.#frames.giveBack(this.#frames.at(f));
  }

  /** Makes a frame for a page that no storage has: empty, pinned, unwritten. */
  create(page: number, birth: number): number {
    if (this.#frames.find(page) >= 0) throw inUse(page);
    const f = this.#take(page);
    this.#frames.setUnwritten(this.#frames.at(f));
    this.pages.reset(f, page, birth);
    this.pin(f);
    return f;
  }

  /**
   * Copies a page to a frame that is no page yet: one to work on, which
   * {@linkcode adopt} makes a page and {@linkcode unstage} gives back.
   */
  stage(from: number): number {
    const f = this.stageEmpty(from);
    this.unpin(from);
    this.unpin(f);
    if (this.isInner(from)) this.setInner(f);
    this.#io.copyFrame(f, from);
    return f;
  }

  /** A staged frame for a copy of the page at `from`; both are pinned. */
  stageEmpty(from: number): number {
    this.pin(from);
    const frame = this.#takeFrame(NOBODY);
    this.#frames.pin(frame);
    return this.#frames.offset(frame);
  }

  /**
   * Makes a staged frame page `page` of a version, or the frame of a page that
   * {@linkcode childToEdit} or {@linkcode childLoaded} has loaded, which goes back to be in
   * storage alone.
   */
  adopt(f: number, page: number, birth: number): void {
    if (this.#frames.find(page) >= 0) throw inUse(page);
    const frame = this.#frames.at(f), loaded = this.#frames.page(frame);
    if (loaded !== 0) this.#frames.unname(loaded);
    this.#frames.name(frame, page);
    this.#frames.setUnwritten(frame);
    this.pages.u32[f >>> 2] = page;
    this.pages.setBirth(f, birth);
    this.pin(f);
  }

  /** Gives back a staged frame; a page that was loaded stays. */
  unstage(f: number): void {
    const frame = this.#frames.at(f);
    if (this.#frames.page(frame) === 0) this.#frames.release(frame);
    else this.#frames.unpin(frame);
  }

  /** Gives up a frame whose page is no longer what storage has. */
  discard(f: number): void {
    const frame = this.#frames.at(f);
    this.#frames.unname(this.#frames.page(frame));
    this.#frames.release(frame);
  }

  /** Reads a cached page anew, unless storage does not have it. */
  reload(page: number, low: number, high: number): void {
    const frame = this.#frames.find(page);
    if (frame < 0 || this.#frames.isUnwritten(frame)) return;
    this.#fetch(this.#frames.offset(frame), page, low, high);
  }

  /** Marks a page changed since it was last written. */
  touch(f: number): void {
    const frames = this.#frames, frame = frames.at(f);
    if (frames.isUnwritten(frame)) return;
    frames.setUnwritten(frame);
    this.writer.forgetChecksum(frames.page(frame));
  }

  /** Forgets a page: nothing refers to it any more. */
  drop(page: number): void {
    this.writer.forgetChecksum(page);
    const frame = this.#frames.unname(page);
    if (frame >= 0) this.#frames.release(frame);
  }

  /** Gives up a page's frame when storage has the page. */
  retire(page: number): void {
    const frames = this.#frames, frame = frames.find(page);
    if (frame < 0 || frames.isUnwritten(frame) || frames.isPinned(frame)) {
      return;
    }
    frames.unname(page);
    frames.release(frame);
  }

  /** Forgets everything but what is unwritten. */
  forgetClean(): void {
    for (let frame = 0; frame < this.frameCount; frame++) {
      const page = this.#frames.page(frame);
      if (page !== 0) this.retire(page);
    }
  }

  #view(f: number): Uint8Array {
    return this.pages.u8.subarray(f, f + this.pageBytes);
  }

  #load(page: number, low: number, high: number): number {
    const f = this.#take(page);
    try {
      this.#fetch(f, page, low, high);
    } catch (error) {
      // Its checksum, if kept, stays: it may be needed for another try.
      this.#frames.release(this.#frames.unname(page));
      throw error;
    }
    return f;
  }

  /** Reads a page into its frame and compares it with the reference to it. */
  #fetch(f: number, page: number, low: number, high: number): void {
    const bytes = this.#view(f), sum = this.#sum;
    if (low === 0 && high === 0 && this.writer.checksumOf(page, sum)) {
      [low, high] = sum;
    }
    this.#io.readPage(page, bytes);
    this.counters.pageReads++;
    this.#io.checksumFrame(page, f, sum);
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

  /** A frame for a page, which is found there. */
  #take(page: number): number {
    const frame = this.#takeFrame(page);
    // Referenced when found again: pages read once must not push out the
    // upper levels, which every path meets.
    this.#frames.name(frame, page);
    return this.#frames.offset(frame);
  }

  /** A frame that holds nothing, for a page or {@linkcode NOBODY}. */
  #takeFrame(page: number): number {
    let frame = this.#frames.take(page);
    if (frame >= 0) return frame;
    this.writer.writeBack();
    frame = this.#frames.take(page);
    if (frame >= 0) return frame;
    throw new RangeError(
      "Cannot cache page: every frame is in use: cacheBytes is too small",
    );
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
