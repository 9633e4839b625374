// This module is browser compatible.
//
// How unwritten pages get into the page file: children before parents, as a parent
// holds its children's checksums. A page keeps its number where anything else may
// know it; those of a tree that stands alone get new ones, and go by long runs. Pages at
// the ends of paths may be on their way while commits go on: until that is settled they
// count as unwritten.

import { StorageFullError } from "../../backends/errors.ts";
import { CorruptError } from "../errors.ts";
import type { Counters } from "../metrics.ts";
import { KeptChecksums } from "./kept_checksums.ts";
import type { Frames } from "./frames.ts";
import type { LaterRuns } from "./later_runs.ts";
import { MadeEnds } from "./made_ends.ts";
import type { Pages } from "./pages.ts";
import type { PageIo } from "./pool.ts";
import type { RunWriter } from "./run_writer.ts";

/** Where page numbers come from: `Space`. */
export interface PageNumbers {
  release(page: number): void;
  /** Ascending numbers, in runs as long as can be had. */
  allocateMany(count: number): Uint32Array;
}

/** Which pages of a tree may be moved, and how. */
export interface Move {
  /** Only pages made by later versions are part of no other tree. */
  readonly after: number;
  /** Whether pages that others lie below stay where they are, unwritten. */
  readonly endsOnly: boolean;
  readonly numbers: PageNumbers;
}

/** Pages that have been given new numbers, children before parents. */
export interface Moved {
  /** The root page's number from now on. */
  readonly root: number;
  readonly frames: readonly number[];
  /** Where the reference to each lies, in words; 0 for the tree's root page. */
  readonly references: readonly number[];
  /** 1 for each frame that was met. */
  readonly isMet: Uint8Array;
}

/** Seals and writes the unwritten pages of a pool. */
export class PageWriter {
  readonly #frames: Frames;
  readonly #pages: Pages;
  readonly #io: PageIo;
  readonly #runs: RunWriter;
  readonly #counters: Counters;
  /** Checksums of written pages that a parent may not know yet. */
  readonly #checksums: KeptChecksums;
  /** Child records of a page that is looked at, and of one that is sealed meanwhile. */
  readonly #below: Uint32Array;
  readonly #belowSealed: Uint32Array;
  #holds = 0;
  readonly #later: LaterRuns | undefined;
  /** Pages on their way, in the order of the list. */
  readonly #onTheirWay: MadeEnds = new MadeEnds();
  readonly #sum: Uint32Array = new Uint32Array(2);

  constructor(
    frames: Frames,
    pages: Pages,
    io: PageIo,
    runs: RunWriter,
    counters: Counters,
    later: LaterRuns | undefined,
  ) {
    this.#later = later;
    this.#frames = frames;
    this.#checksums = new KeptChecksums(frames.count);
    this.#pages = pages;
    this.#io = io;
    this.#runs = runs;
    this.#counters = counters;
    this.#below = new Uint32Array(pages.slotsMax);
    this.#belowSealed = new Uint32Array(pages.slotsMax);
  }

  /** Whether somebody goes on later from references that were read before. */
  get holdsChecksums(): boolean {
    return this.#holds > 0;
  }

  /**
   * Keeps checksums until {@linkcode releaseChecksums}: for whoever goes on later
   * from references that were read before what they refer to was written.
   */
  holdChecksums(): void {
    this.#holds++;
  }

  releaseChecksums(): void {
    this.#holds--;
  }

  /** Drops the checksums kept for parents when nobody can need them. */
  forgetChecksums(): void {
    if (this.#frames.unwritten === 0 && this.#holds === 0) {
      this.#checksums.clear();
    }
  }

  /** A page is no longer what its checksum, if any, was of. */
  forgetChecksum(page: number): void {
    this.#checksums.delete(page);
  }

  /** Checksum of a written page that its parent does not know, if any. */
  checksumOf(page: number, sum: Uint32Array): boolean {
    return this.#checksums.get(page, sum, 0);
  }

  /** Whether pages can be on their way while their owner goes on. */
  get canWriteLater(): boolean {
    return this.#later !== undefined;
  }

  /**
   * Begins to write pages at the ends of paths: those of versions that are committed, and
   * so will not change them, as far as they are still there. Others are settled.
   *
   * @param wanted How many of them; fewer, where the list has no room for so many.
   * @returns How much of `ends` has been seen to.
   */
  writeLater(ends: MadeEnds, wanted: number): number {
    const later = this.#later!, pool = this.#frames, begun = this.#onTheirWay;
    const most = Math.min(wanted, later.pagesMax), { count } = ends;
    let k = 0;
    later.start();
    for (; k < count && begun.count < most; k++) {
      if (!this.#isMadeEnd(ends, k)) continue;
      const frame = ends.frame(k), page = ends.page(k);
      later.push(page, pool.offset(frame));
      begun.push(frame, ends.uses(k), page);
    }
    later.end();
    return k;
  }

  /**
   * Waits for pages on their way.
   *
   * @returns Whether there was room: else they stay unwritten.
   */
  settle(): boolean {
    const ends = this.#onTheirWay, { count } = ends;
    if (count === 0) return true;
    try {
      this.#io.finishWrites();
    } catch (error) {
      ends.clear();
      if (error instanceof StorageFullError) return false;
      throw error;
    }
    const { u32 } = this.#pages, later = this.#later!;
    for (let k = 0; k < count; k++) {
      if (!this.#isMadeEnd(ends, k)) continue;
      const i = later.sumAt(k);
      this.#checksums.set(ends.page(k), u32[i], u32[i + 1]);
      this.#frames.setWritten(ends.frame(k));
    }
    ends.clear();
    this.#counters.pageWrites += count;
    return true;
  }

  /** Whether the k-th page's frame still holds it, unwritten. */
  #isMadeEnd(ends: MadeEnds, k: number): boolean {
    const pool = this.#frames, frame = ends.frame(k);
    return pool.page(frame) === ends.page(k) &&
      pool.uses(frame) === ends.uses(k) &&
      pool.isUnwritten(frame) && !pool.isInner(frame);
  }

  /**
   * Writes unwritten pages that are not pinned, neighbours in one call: those at the
   * ends of paths, as the ones that lead to others are about to change again; all of
   * them where those are few.
   */
  writeBack(): void {
    this.settle();
    const sealed: number[] = [], all = this.#frames.unwritten;
    this.#sealAll(sealed, true);
    if (sealed.length < all / 4) this.#sealAll(sealed, false);
    this.#write(sealed);
  }

  /**
   * Writes the unwritten pages of the tree below `root`.
   *
   * @param sum Receives the root page's checksum as [low, high].
   */
  writeTree(root: number, sum: Uint32Array): void {
    this.settle();
    const sealed: number[] = [], frame = this.#frames.find(root);
    if (frame >= 0 && this.#frames.isUnwritten(frame)) {
      this.#seal(frame, sealed);
    }
    this.#write(sealed);
    if (!this.checksumOf(root, sum)) {
      throw new Error("unreachable: root page was not written");
    }
  }

  /**
   * Gives unwritten pages of a tree new numbers, so that they can be written by few
   * long runs: their own are those of many commits, with gaps where pages have been
   * replaced since. Nothing is pinned.
   *
   * @param root The root page.
   * @throws {CorruptError} When two references lead to one page; then nothing moved.
   */
  renumber(root: number, move: Move): Moved {
    this.settle();
    const pool = this.#frames, { u32 } = this.#pages;
    const top = pool.find(root);
    const found = move.endsOnly ? this.#findEnds(move) : this.#find(root, move);
    const { frames, references } = found;
    for (const frame of frames) {
      const page = pool.page(frame);
      pool.unname(page);
      this.forgetChecksum(page);
      move.numbers.release(page);
    }
    const given = move.numbers.allocateMany(frames.length);
    for (let k = 0; k < frames.length; k++) {
      pool.name(frames[k], given[k]);
      this.#pages.setPage(pool.offset(frames[k]), given[k]);
      const i = references[k];
      if (i === 0) continue;
      u32[i] = given[k];
      // A write that failed may have left the sum of the page's old number.
      u32[i + 1] = u32[i + 2] = 0;
    }
    return { ...found, root: top < 0 ? root : pool.page(top) };
  }

  /** Writes pages that have just been given new numbers, and all below them. */
  writeMoved(moved: Moved): void {
    const others: number[] = [];
    try {
      this.#sealMoved(moved, others);
      this.#writeSorted(others);
      this.#io.finishWrites();
    } catch (error) {
      this.#forgetAll(others);
      this.forgetChecksum(moved.root);
      throw error;
    }
    this.#setWritten(moved.frames);
    this.#setWritten(others);
  }

  /**
   * Unwritten pages of a tree that versions after one made. Each comes next to those
   * below it: what is used together gets numbers that do not lie far apart.
   */
  #find(root: number, { after }: Move): Omit<Moved, "root"> {
    const frames: number[] = [],
      references: number[] = [],
      stack: number[] = [];
    const pool = this.#frames, { u32 } = this.#pages;
    const isMet = new Uint8Array(pool.count);
    const visit = (page: number, reference: number): void => {
      const frame = pool.find(page);
      if (!this.#isMovable(frame, after)) return;
      if (isMet[frame] === 1) throw inUse(page);
      isMet[frame] = 1;
      frames.push(frame);
      references.push(reference);
      if (!pool.isInner(frame)) return;
      const below = this.#below;
      const count = this.#pages.childRecords(pool.offset(frame), below);
      for (let k = 0; k < count; k++) stack.push(below[k]);
    };
    visit(root, 0);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      visit(u32[i], i);
    }
    return {
      frames: frames.reverse(),
      references: references.reverse(),
      isMet,
    };
  }

  /**
   * Unwritten pages at the ends of paths that versions after one made. All that those
   * made are of the one tree that stands alone, so a pass over the frames finds what
   * leads to them, without a walk from its root.
   */
  #findEnds({ after }: Move): Omit<Moved, "root"> {
    const frames: number[] = [], references: number[] = [];
    const pool = this.#frames, { u32 } = this.#pages, below = this.#below;
    const isMet = new Uint8Array(pool.count);
    for (let inner = 0; inner < pool.count; inner++) {
      if (!pool.isInner(inner) || !this.#isMovable(inner, after)) continue;
      const count = this.#pages.childRecords(pool.offset(inner), below);
      for (let k = 0; k < count; k++) {
        const i = below[k];
        // Who knows a checksum has mostly been written; and if not, can wait.
        if (u32[i + 1] !== 0 || u32[i + 2] !== 0) continue;
        const frame = pool.find(u32[i]);
        if (!this.#isMovable(frame, after) || pool.isInner(frame)) continue;
        if (isMet[frame] === 1) throw inUse(u32[i]);
        isMet[frame] = 1;
        frames.push(frame);
        references.push(i);
      }
    }
    return { frames, references, isMet };
  }

  /** Whether a frame, or -1, holds an unwritten page that a version after one made. */
  #isMovable(frame: number, after: number): boolean {
    const pool = this.#frames;
    return frame >= 0 && pool.isUnwritten(frame) &&
      this.#pages.birthOf(pool.offset(frame)) > after;
  }

  /**
   * Seals pages and writes them, each while it is in the CPU's cache.
   *
   * @param others Receives frames below them that keep their numbers, sealed.
   */
  #sealMoved({ frames, references, isMet }: Moved, others: number[]): void {
    const pool = this.#frames, runs = this.#runs, { u32 } = this.#pages;
    runs.start();
    let root = 0;
    for (let k = 0; k < frames.length; k++) {
      const page = pool.page(frames[k]), f = pool.offset(frames[k]);
      if (pool.isInner(frames[k])) {
        // Those below it come before it, and tell it their checksums.
        runs.seal();
        this.#sealBelow(f, isMet, others);
      }
      if (references[k] === 0) root = page;
      runs.pushUnsealed(page, f, references[k] || runs.rootReference);
    }
    runs.end();
    const i = runs.rootReference;
    if (root !== 0) this.#checksums.set(root, u32[i + 1], u32[i + 2]);
  }

  /** Fills in what the child entries of a page do not know that is moved. */
  #sealBelow(f: number, isMet: Uint8Array, others: number[]): void {
    const pool = this.#frames, { u32 } = this.#pages;
    const below = this.#below, count = this.#pages.childRecords(f, below);
    for (let k = 0; k < count; k++) {
      const i = below[k];
      if (this.#fillChecksum(i)) continue;
      const frame = pool.find(u32[i]);
      if (frame < 0 || !pool.isUnwritten(frame) || isMet[frame] === 1) continue;
      this.#seal(frame, others);
      this.#fillChecksum(i);
    }
  }

  /** Seals the unwritten pages that are not pinned. */
  #sealAll(sealed: number[], endsOnly: boolean): void {
    const pool = this.#frames;
    for (let frame = 0; frame < pool.count; frame++) {
      if (!pool.isUnwritten(frame) || pool.isPinned(frame)) continue;
      if (!endsOnly || !pool.isInner(frame)) this.#seal(frame, sealed);
    }
  }

  /**
   * Fills in what a page's child entries do not know and computes its
   * checksum, children first. Skips a page with a pinned unwritten child.
   *
   * @param sealed Receives the frames that are ready to be written.
   */
  #seal(start: number, sealed: number[]): void {
    const stack = [start], pool = this.#frames;
    while (stack.length > 0) {
      const frame = stack[stack.length - 1], page = pool.page(frame);
      if (stack.length > pool.count) throw inUse(page);
      if (this.#checksums.has(page)) {
        stack.pop();
        continue;
      }
      const depth = stack.length;
      const complete = this.#fillChecksums(pool.offset(frame), stack);
      if (stack.length > depth) continue;
      stack.pop();
      if (!complete) return;
      this.#io.checksumFrame(page, pool.offset(frame), this.#sum);
      this.#checksums.set(page, this.#sum[0], this.#sum[1]);
      sealed.push(frame);
    }
  }

  /** Pushes children to seal first; false when one of them may not be. */
  #fillChecksums(f: number, stack: number[]): boolean {
    const pool = this.#frames, { u32 } = this.#pages;
    const below = this.#belowSealed;
    const count = this.#pages.childRecords(f, below);
    let complete = true;
    for (let k = 0; k < count; k++) {
      const i = below[k];
      if (this.#fillChecksum(i)) continue;
      // What is known may be of a write that has failed.
      const frame = pool.find(u32[i]);
      if (frame < 0 || !pool.isUnwritten(frame)) continue;
      if (pool.isPinned(frame)) complete = false;
      else stack.push(frame);
    }
    return complete;
  }

  /** Tells a reference, at a word, its page's checksum if that is kept here. */
  #fillChecksum(i: number): boolean {
    const { u32 } = this.#pages;
    return this.#checksums.get(u32[i], u32, i + 1);
  }

  #write(sealed: number[]): void {
    try {
      this.#writeSorted(sealed);
      this.#io.finishWrites();
    } catch (error) {
      this.#forgetAll(sealed);
      throw error;
    }
    this.#setWritten(sealed);
  }

  /** Writes pages in the order of their numbers. */
  #writeSorted(frames: readonly number[]): void {
    const pool = this.#frames;
    // Numbers sort many times faster than by a function.
    const order = Float64Array.from(
      frames,
      (frame) => pool.page(frame) * pool.count + frame,
    ).sort();
    this.#runs.start();
    for (const place of order) {
      const frame = place % pool.count;
      this.#runs.push(pool.page(frame), pool.offset(frame));
    }
    this.#runs.end();
  }

  #setWritten(frames: readonly number[]): void {
    for (const frame of frames) this.#frames.setWritten(frame);
    this.#counters.pageWrites += frames.length;
  }

  /** All of them count as unwritten: below a written page, all is written. */
  #forgetAll(frames: readonly number[]): void {
    for (const frame of frames) this.forgetChecksum(this.#frames.page(frame));
  }
}

/** A page number led to what it should not lead to. */
export function inUse(page: number): CorruptError {
  return new CorruptError(`Cannot make page ${page}: it is in use`, {
    file: "pages",
    page,
  });
}
