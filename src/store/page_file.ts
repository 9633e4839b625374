// This module is browser compatible.
//
// The page file: header slots, pages, and overflow extents (values too large
// for a page, in runs of whole pages). Everything read is compared with the
// checksum that the reference to it carries; a checksum is seeded with the store
// and with the page number, so a page in the wrong place is never taken.

import type { MadeBytes } from "../../backends/types.ts";
import { CorruptError } from "../errors.ts";
import type { Checksums } from "../hash/ops.ts";
import type { Counters } from "../metrics.ts";
import type { PageSource } from "../tree/load_ahead.ts";
import type { PageIo } from "../tree/pool.ts";
import { noSum, type Sum } from "./sum.ts";
import type { StoreFile } from "./file.ts";
import {
  decodeHeader,
  encodeHeader,
  type Header,
  HEADER_AREA_BYTES,
  SLOT_BYTES,
} from "./header.ts";

/** Written bytes after which the disk is set to work on them. */
const FLUSH_AHEAD_BYTES = 32 << 20;

const NOTHING = new Uint8Array(0);

/** Reads and writes the page file. */
export class PageFile implements PageIo, PageSource {
  readonly #file: StoreFile;
  readonly #pageBytes: number;
  readonly #storeId: Sum;
  readonly #counters: Counters;
  readonly #sums: Checksums | undefined;
  /** Pages read ahead. */
  #readFirst = 0;
  #readBytes: Uint8Array = NOTHING;
  /** Bytes written since the disk was set to work last. */
  #written = 0;
  readonly #found: Sum = noSum();
  /** Flushes ahead that are under way, or have failed. */
  #ahead: Promise<unknown> | undefined;

  /** @param sums Needed for all but headers. */
  constructor(
    file: StoreFile,
    pageBytes: number,
    storeId: Sum,
    counters: Counters,
    sums?: Checksums,
  ) {
    this.#sums = sums;
    this.#file = file;
    this.#pageBytes = pageBytes;
    this.#storeId = storeId;
    this.#counters = counters;
  }

  /** Byte position of a page. */
  positionOf(page: number): number {
    return HEADER_AREA_BYTES + (page - 1) * this.#pageBytes;
  }

  readPage(page: number, frame: Uint8Array): void {
    const at = (page - this.#readFirst) * this.#pageBytes;
    const bytes = this.#readBytes;
    if (at >= 0 && at + frame.length <= bytes.length) {
      frame.set(bytes.subarray(at, at + frame.length));
    } else {
      this.#read(page, frame);
    }
  }

  get canExpect(): boolean {
    return this.#file.canReadLater;
  }

  expect(page: number): void {
    this.#file.readLater(this.positionOf(page), this.#pageBytes);
  }

  /** Reads pages that follow each other by one call, for `readPage` to find. */
  readAhead(first: number, count: number): void {
    this.endReadAhead();
    const bytes = new Uint8Array(count * this.#pageBytes);
    const got = this.#file.read(bytes, this.positionOf(first));
    this.#readFirst = first;
    this.#readBytes = bytes.subarray(0, got);
  }

  /** Forgets what was read ahead: it must not outlive a write. */
  endReadAhead(): void {
    this.#readBytes = NOTHING;
  }

  writePages(first: number, bytes: Uint8Array): void {
    this.#file.writeLater(bytes, this.positionOf(first));
    this.#count(bytes.length);
  }

  #count(bytes: number): void {
    this.#counters.pageFileBytes += bytes;
    this.#written += bytes;
    if (this.#written > FLUSH_AHEAD_BYTES) this.#flushAhead();
  }

  finishWrites(): void {
    this.#file.finishWrites();
  }

  get canWriteMade(): boolean {
    return this.#file.canWriteMade;
  }

  writeMade(first: number, piece: number, list: number, count: number): void {
    const length = count * this.#pageBytes;
    const made: MadeBytes = {
      at: piece,
      length,
      arguments: [list, count, this.#pageBytes],
      make: () => this.copySummed(list, count),
    };
    this.#file.writeMade(made, this.positionOf(first));
    this.#count(length);
  }

  copyFrame(to: number, from: number): void {
    this.#sums!.copy(to, from, this.#pageBytes);
  }

  checksumFrame(page: number, f: number, out: Sum): void {
    const [low, high] = this.#storeId;
    this.#sums!.checksum(f, this.#pageBytes, (low ^ page) >>> 0, high, out);
  }

  seedOf(page: number, out: Uint32Array, at: number): void {
    out[at] = this.#storeId[0] ^ page;
    out[at + 1] = this.#storeId[1];
  }

  copySummed(list: number, count: number): void {
    this.#sums!.copySummed(list, count, this.#pageBytes);
  }

  /**
   * Reads the bytes of an extent and compares their checksum.
   *
   * @param into Takes the bytes, when given; a view of it is returned.
   */
  readExtent(
    first: number,
    length: number,
    sum: Sum,
    into?: Uint8Array,
  ): Uint8Array {
    const end = this.positionOf(first) + length;
    if (first < 1 || !this.#file.reaches(end)) {
      throw this.#corrupt(first, "it lies behind the end of the file");
    }
    const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
    this.#read(first, bytes);
    const found = this.#found;
    this.#checksum(first, bytes, found);
    if (found[0] !== sum[0] || found[1] !== sum[1]) {
      throw this.#corrupt(first, "its checksum is not the referenced one");
    }
    return bytes;
  }

  /** Writes an extent; its checksum goes to `out`. */
  writeExtent(first: number, bytes: Uint8Array, out: Sum): void {
    this.#checksum(first, bytes, out);
    this.#write(bytes, this.positionOf(first));
  }

  /** Pages that an extent of `length` bytes takes. */
  extentPages(length: number): number {
    return Math.ceil(length / this.#pageBytes);
  }

  /** Writes a header slot. */
  writeHeader(slot: number, header: Header): void {
    this.#write(encodeHeader(header), slot * SLOT_BYTES);
  }

  /** Cuts the file behind a page. */
  shrink(pageCount: number): void {
    const size = this.positionOf(pageCount + 1);
    if (this.#file.size() > size) this.#file.truncate(size);
  }

  /** Makes pages and headers durable; other calls may come meanwhile. */
  flush(): void | Promise<void> {
    this.#written = 0;
    const ahead = this.#ahead;
    if (ahead === undefined) return this.#file.flushInBackground();
    return ahead.then(() => this.#file.flushInBackground());
  }

  /** Lets the disk write while more is written, where the backend can. */
  #flushAhead(): void {
    if (!this.#file.canFlushInBackground) return;
    this.#written = 0;
    const ahead = Promise.all([this.#ahead, this.#file.flushInBackground()]);
    this.#ahead = ahead;
    // A failure stays: whatever later flushes say, it must end writing.
    ahead.then(() => {
      if (this.#ahead === ahead) this.#ahead = undefined;
    }, () => {});
  }

  #read(page: number, bytes: Uint8Array): void {
    if (this.#file.read(bytes, this.positionOf(page)) < bytes.length) {
      throw this.#corrupt(page, "it lies behind the end of the file");
    }
  }

  #write(bytes: Uint8Array, position: number): void {
    this.#file.write(bytes, position);
    this.#counters.pageFileBytes += bytes.length;
  }

  #checksum(page: number, bytes: Uint8Array, out: Sum): void {
    const [low, high] = this.#storeId;
    this.#sums!.checksumOf(bytes, (low ^ page) >>> 0, high, out);
  }

  #corrupt(page: number, why: string): CorruptError {
    return new CorruptError(`Cannot read page ${page}: ${why}`, {
      file: "pages",
      page,
      position: this.positionOf(page),
    });
  }
}

/** What a header slot holds. */
export interface Slot {
  readonly header: Header | undefined;
  /** Whether nothing was ever written to it. */
  readonly blank: boolean;
}

/** Reads both header slots of a page file. */
export function readSlots(file: StoreFile): [Slot, Slot] {
  const read = (slot: number): Slot => {
    const bytes = new Uint8Array(SLOT_BYTES);
    const got = file.read(bytes, slot * SLOT_BYTES);
    const blank = bytes.every((byte) => byte === 0);
    return { header: decodeHeader(bytes.subarray(0, got)), blank };
  };
  return [read(0), read(1)];
}
