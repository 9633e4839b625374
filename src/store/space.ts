// This module is browser compatible.
//
// Which pages of the page file are in use: one bit a page in memory, and the
// free map of a header on disk, which lists every page that cannot be reached
// from that header's root as runs (docs/format.md, "Free map"). The bits in memory
// also cover pages of live versions, snapshots and the other header slot, so a
// crash never leaks a page and never hands out one that is still needed.

import { StorageFullError } from "../../backends/errors.ts";
import { CorruptError } from "../errors.ts";
import { grown } from "../tree/words.ts";
import { type ByteReader, ByteWriter } from "./bytes.ts";

/** Most pages of a page file: references are 32 bits. */
export const PAGES_MAX = 2 ** 32 - 1;
/** Pages of a run that is worth a write of its own while the file may grow. */
const RUN_MIN = 8;
/** Runs longer than this count as equally long. */
const RUN_MAX = 256;
/** Share of free pages in a file above which it does not grow for longer runs. */
const FREE_SHARE_MAX = 1 / 3;
/** Thirty-two pages in use. */
const FULL = 2 ** 32 - 1;

/** Allocator of page numbers 1, 2, ... */
export class Space {
  #bits: Uint32Array = new Uint32Array(64);
  #count = 0;
  #free = 0;
  #cursor = 1;
  /** Behind the last page of `allocateNext`. */
  #behind = 0;
  /** Whether what was written last found room: else the file does not grow needlessly. */
  hasRoom = true;

  /** Pages of the file; the highest number given out so far. */
  get pageCount(): number {
    return this.#count;
  }

  /** Pages of the file that nobody uses. */
  get freeCount(): number {
    return this.#free;
  }

  /** Whether a page is in use. */
  isUsed(page: number): boolean {
    return (this.#bits[page >>> 5] >>> (page & 31) & 1) === 1;
  }

  /** A page number that nobody uses; the lowest behind the last one given. */
  allocate(): number {
    if (this.#free === 0) return this.#append(1);
    const bits = this.#bits, last = this.#count >>> 5;
    let word = this.#cursor >>> 5;
    for (let i = 0; i <= last + 1; i++) {
      const free = this.#freeBits(word);
      if (free !== 0) {
        const page = word * 32 + 31 - Math.clz32(free & -free);
        bits[word] |= 1 << (page & 31);
        this.#free--;
        this.#cursor = page;
        return page;
      }
      word = word >= last ? 0 : word + 1;
    }
    throw new Error("unreachable: free count is wrong");
  }

  /** First of `count` page numbers in a row that nobody uses. */
  allocateRun(count: number): number {
    if (count === 1) return this.allocate();
    if (this.#free >= count) {
      let run = 0;
      for (let page = 1; page <= this.#count; page++) {
        if ((page & 31) === 0 && this.#bits[page >>> 5] === FULL) {
          run = 0;
          page += 31;
          continue;
        }
        run = this.isUsed(page) ? 0 : run + 1;
        if (run < count) continue;
        const first = page - count + 1;
        for (let p = first; p <= page; p++) this.use(p);
        return first;
      }
    }
    return this.#append(count);
  }

  /**
   * Page numbers that nobody uses, ascending, in runs as long as can be had: the longest
   * runs of free pages first, then new pages at the end of the file as long as few are
   * free, then shorter runs.
   */
  allocateMany(count: number): Uint32Array {
    const mayGrow = this.hasRoom;
    // There may be no room for what an earlier attempt added.
    if (!mayGrow) this.trim();
    const pages = new Uint32Array(count);
    const isTight = this.#free < FREE_SHARE_MAX * this.#count;
    const hasRoom = this.#count + count <= PAGES_MAX;
    const runMin = mayGrow && isTight && hasRoom ? RUN_MIN : 1;
    let length = this.#fillRuns(pages, runMin);
    if (length < count) {
      for (let page = this.#append(count - length); length < count; page++) {
        pages[length++] = page;
      }
    }
    return pages.sort();
  }

  /**
   * The same, in runs that are long enough, from where the last ones ended: only as much of
   * the file is looked at as they take.
   */
  allocateNext(count: number): Uint32Array {
    const pages = new Uint32Array(count);
    let length = 0, end = 0;
    this.#forEachFreeRun((first, free) => {
      if (free < RUN_MIN) return true;
      end = Math.min(first + free, first + count - length);
      for (let page = first; page < end; page++) pages[length++] = page;
      return length < count;
    }, this.#behind >>> 5);
    for (let k = 0; k < length; k++) this.use(pages[k]);
    this.#behind = length < count ? 0 : end;
    if (length < count) pages.set(this.allocateMany(count - length), length);
    return pages;
  }

  /**
   * Takes the longest runs of free pages, as many as are wanted.
   *
   * @param runMin Pages of a run at least.
   * @returns How many pages there were.
   */
  #fillRuns(pages: Uint32Array, runMin: number): number {
    const inRuns = new Uint32Array(RUN_MAX + 1);
    this.#forEachFreeRun((_, count) => {
      inRuns[Math.min(count, RUN_MAX)] += count;
      return true;
    });
    // Longer runs are taken whole, of those that are as long as many as are missing.
    let least = RUN_MAX, missing = pages.length;
    while (least > runMin && inRuns[least] < missing) {
      missing -= inRuns[least--];
    }
    let length = 0;
    this.#forEachFreeRun((first, count) => {
      if (count < least) return true;
      const isLonger = Math.min(count, RUN_MAX) > least;
      const take = isLonger ? count : Math.min(count, missing);
      if (!isLonger) missing -= take;
      for (let page = first; page < first + take; page++) {
        pages[length++] = page;
      }
      return true;
    });
    for (let k = 0; k < length; k++) this.use(pages[k]);
    return length;
  }

  /** Visits the runs of free pages, ascending, from a word on, until told to stop. */
  #forEachFreeRun(
    visit: (first: number, count: number) => boolean,
    from = 0,
  ): void {
    const last = this.#count >>> 5;
    let first = 0;
    for (let word = from; word <= last; word++) {
      const free = this.#freeBits(word);
      // Where what came before ends: bits that are free, or not.
      for (let from = 0; from < 32;) {
        const others = (first === 0 ? free : ~free) & -1 << from;
        if (others === 0) break;
        const bit = 31 - Math.clz32(others & -others), page = 32 * word + bit;
        if (first !== 0 && !visit(first, page - first)) return;
        first = first === 0 ? page : 0;
        from = bit + 1;
      }
    }
    if (first !== 0) visit(first, this.#count + 1 - first);
  }

  /** Marks a page in use. */
  use(page: number): void {
    if (this.isUsed(page)) return;
    this.#bits[page >>> 5] |= 1 << (page & 31);
    this.#free--;
  }

  /**
   * Gives pages back.
   *
   * @throws {CorruptError} When one is free already: two references lead to it.
   */
  release(first: number, count = 1): void {
    for (let page = first; page < first + count; page++) {
      if (!this.isUsed(page)) {
        throw new CorruptError(`Cannot give back page ${page}: it is free`, {
          file: "pages",
          page,
        });
      }
      this.#bits[page >>> 5] &= ~(1 << (page & 31));
      this.#free++;
    }
  }

  /** Forgets the free pages at the end of the file; returns how many. */
  trim(): number {
    const before = this.#count;
    while (this.#count > 0 && !this.isUsed(this.#count)) {
      this.#count--;
      this.#free--;
    }
    if (this.#cursor > this.#count) this.#cursor = 1;
    return before - this.#count;
  }

  /** Sets the size of the file, every page in use. */
  reset(pageCount: number): void {
    this.#reserve(pageCount);
    this.#bits.fill(0);
    this.#count = 0;
    this.#free = 0;
    this.#behind = 0;
    if (pageCount > 0) this.#append(pageCount);
  }

  /** A copy, for computing a free map. */
  clone(): Space {
    const copy = new Space();
    copy.#bits = this.#bits.slice();
    copy.#count = this.#count;
    copy.#free = this.#free;
    return copy;
  }

  /** Marks pages free that may be free already. */
  forget(first: number, count: number): void {
    for (let page = first; page < first + count; page++) {
      if (this.isUsed(page)) this.release(page);
    }
  }

  /** Writes the free pages as runs: gap and length, as varints. */
  encodeFree(to: ByteWriter): void {
    let runs = 0, end = 1;
    const body = new ByteWriter();
    for (let page = this.#next(1, false); page <= this.#count;) {
      const next = this.#next(page, true);
      body.varint(page - end);
      body.varint(next - page);
      runs++;
      end = next;
      page = this.#next(next, false);
    }
    to.varint(runs);
    to.bytes(body.done());
  }

  /**
   * Reads runs of free pages and frees them here. A map may be for a longer
   * file than there is, when all of what is missing is free.
   *
   * @param pageCount Pages of the file that the map is for.
   * @throws {CorruptError} When a page in use lies behind the end of the file.
   */
  decodeFree(from: ByteReader, pageCount: number): void {
    const runs = from.varint();
    let page = 1, tail = 1;
    for (let i = 0; i < runs; i++) {
      page += from.varint();
      const end = page + from.varint();
      if (end === page || end > pageCount + 1) throw truncated();
      const inFile = Math.min(end, this.#count + 1);
      if (inFile > page) this.release(page, inFile - page);
      tail = end === pageCount + 1 ? page : tail;
      page = end;
    }
    if (pageCount <= this.#count) return;
    if (page !== pageCount + 1 || tail > this.#count + 1) throw truncated();
  }

  /** Free pages of this map that `other` has in use. */
  *freeHereUsedIn(other: Space): Generator<number> {
    const last = Math.min(this.#count, other.#count);
    for (let page = 1; page <= last; page++) {
      if (!this.isUsed(page) && other.isUsed(page)) yield page;
    }
    for (let page = last + 1; page <= other.#count; page++) {
      if (other.isUsed(page)) yield page;
    }
  }

  /** The first page from one on that is in use or not; else one behind the last. */
  #next(from: number, isUsed: boolean): number {
    const bits = this.#bits, flip = isUsed ? 0 : -1, behind = this.#count + 1;
    for (let word = from >>> 5; word * 32 < behind; word++) {
      let wanted = bits[word] ^ flip;
      if (word === from >>> 5) wanted &= -1 << (from & 31);
      if (wanted === 0) continue;
      return Math.min(word * 32 + 31 - Math.clz32(wanted & -wanted), behind);
    }
    return behind;
  }

  #freeBits(word: number): number {
    let free = ~this.#bits[word];
    if (word === 0) free &= ~1;
    const over = word * 32 + 31 - this.#count;
    if (over > 0) free = over >= 32 ? 0 : free & (-1 >>> over);
    return free;
  }

  #append(count: number): number {
    const first = this.#count + 1;
    if (first + count - 1 > PAGES_MAX) {
      throw new StorageFullError(
        `Cannot allocate page: a page file has at most ${PAGES_MAX} pages`,
        { operation: "write", file: "pages" },
      );
    }
    this.#reserve(this.#count + count);
    for (let page = first; page < first + count; page++) {
      if ((page & 31) === 0 && page + 32 <= first + count) {
        this.#bits[page >>> 5] = FULL;
        page += 31;
      } else this.#bits[page >>> 5] |= 1 << (page & 31);
    }
    this.#count += count;
    return first;
  }

  #reserve(pages: number): void {
    const words = (pages >>> 5) + 1;
    if (words > this.#bits.length) this.#bits = grown(this.#bits, words);
  }
}

function truncated(): CorruptError {
  return new CorruptError(
    "Cannot read free map: pages in use lie behind the end of the file",
    { file: "pages" },
  );
}
