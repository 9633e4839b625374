// This module is browser compatible.
//
// The commit log's file is cut into segments of one size that are used in any
// physical order. A log position is (logical segment number × segment bytes +
// offset), so positions only grow while the file stays small: segments that
// nobody needs any more are used again. Each segment's header names its logical
// number and, in advance, the physical place of the next one, so recovery can
// follow the chain without a directory.

import { CorruptError } from "../errors.ts";
import { xxh64 } from "../hash/xxh64.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { getU64, setU64, viewOf } from "./bytes.ts";
import type { Sum } from "./sum.ts";
import type { StoreFile } from "./file.ts";

/** Smallest and largest segment, in bytes. */
export const SEGMENT_BYTES_MIN = 1024;
export const SEGMENT_BYTES_MAX = 2 ** 26;
/** Bytes before the first frame of a segment. */
export const SEGMENT_HEADER_BYTES = 32;
const SEGMENT_MAGIC = 0x67655374;

/** What a segment's header says. */
export interface SegmentHeader {
  readonly index: number;
  readonly next: number;
}

/** Logical segments and where they lie. */
export class Segments {
  readonly bytes: number;
  readonly #file: StoreFile;
  readonly #storeId: Sum;
  /** Physical places of the live segments, `#first` the logical first. */
  #places: number[] = [];
  #first = 0;
  #free: number[] = [];
  #count = 0;

  constructor(file: StoreFile, segmentBytes: number, storeId: Sum) {
    this.#file = file;
    this.bytes = segmentBytes;
    this.#storeId = storeId;
  }

  /** Logical number of the first live segment. */
  get first(): number {
    return this.#first;
  }

  /** Logical number of the last known segment; it may hold nothing yet. */
  get last(): number {
    return this.#first + this.#places.length - 1;
  }

  /** Physical segments that nobody uses. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** Whether a position lies in a live segment. */
  has(position: number): boolean {
    const index = Math.floor(position / this.bytes);
    return index >= this.#first && index <= this.last;
  }

  /** Byte offset in the file of a position in a live segment. */
  offset(position: number): number {
    const index = Math.floor(position / this.bytes);
    return this.#places[index - this.#first] * this.bytes +
      position % this.bytes;
  }

  /** Takes the place for one more segment behind the last. */
  extend(): void {
    const place = this.#free.pop() ?? this.#count++;
    this.#places.push(place);
  }

  /** Forgets segments behind logical number `index`. */
  cut(index: number): void {
    while (this.last > index) this.#free.push(this.#places.pop()!);
  }

  /** Gives back the segments before logical number `index`. */
  release(index: number): void {
    while (this.#first < index && this.#places.length > 0) {
      this.#free.push(this.#places.shift()!);
      this.#first++;
    }
    this.#free.sort((a, b) => b - a);
  }

  /**
   * Cuts unused segments off the end of the file; returns its new size.
   *
   * @param keep Unused ones that stay, as they will be used again soon: what lies in
   *   place already is written and flushed quicker than what makes the file longer.
   */
  trim(keep: number): number {
    while (
      this.#free.length > keep && this.#free[0] === this.#count - 1
    ) {
      this.#free.shift();
      this.#count--;
    }
    return this.#count * this.bytes;
  }

  /** A segment's header, naming the place of the next one. */
  encodeHeader(index: number): Uint8Array {
    if (index === this.last) this.extend();
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const view = viewOf(bytes);
    view.setUint32(0, SEGMENT_MAGIC, true);
    view.setUint32(4, this.#places[index + 1 - this.#first], true);
    setU64(view, 8, index);
    const sum = new Uint32Array(2);
    xxh64(bytes, 0, 24, this.#storeId[0], this.#storeId[1], sum);
    view.setUint32(24, sum[0], true);
    view.setUint32(28, sum[1], true);
    return bytes;
  }

  /** Reads the header at a physical place; `undefined` when there is none. */
  readHeader(place: number): SegmentHeader | undefined {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    if (this.#file.read(bytes, place * this.bytes) < bytes.length) {
      return undefined;
    }
    const view = viewOf(bytes);
    const sum = new Uint32Array(2);
    xxh64(bytes, 0, 24, this.#storeId[0], this.#storeId[1], sum);
    const good = view.getUint32(0, true) === SEGMENT_MAGIC &&
      view.getUint32(24, true) === sum[0] &&
      view.getUint32(28, true) === sum[1];
    if (!good) return undefined;
    return { index: getU64(view, 8), next: view.getUint32(4, true) };
  }

  /**
   * Follows the chain: makes the segment behind the last one known when the
   * last one's header is on disk. Returns whether there was one.
   */
  follow(): boolean {
    const header = this.readHeader(this.#places[this.#places.length - 1]);
    if (header === undefined || header.index !== this.last) return false;
    const place = header.next;
    if (this.#places.includes(place)) return false;
    const at = this.#free.indexOf(place);
    if (at >= 0) this.#free.splice(at, 1);
    else if (place < this.#count || place > this.#count + 1) return false;
    while (this.#count <= place) {
      if (this.#count < place) this.#free.push(this.#count);
      this.#count++;
    }
    this.#places.push(place);
    return true;
  }

  /** Free places that hold a segment behind the last one. */
  *strays(): Generator<number> {
    for (const place of this.#free) {
      const header = this.readHeader(place);
      if (header !== undefined && header.index > this.last) yield place;
    }
  }

  /**
   * Writes the table of live segments from logical number `from` to the one that
   * follows `position`. Later ones may hold records, but none that is durable:
   * a reader finds them by their headers.
   */
  encode(to: ByteWriter, from: number, position: number): void {
    const start = Math.max(from, this.#first) - this.#first;
    const end = Math.ceil(position / this.bytes) + 1 - this.#first;
    const places = this.#places.slice(start, end);
    to.varint(start + this.#first);
    to.varint(places.length);
    for (const place of places) to.varint(place);
  }

  /**
   * Reads the table; every other segment of the file is free.
   *
   * @param position The position where the log goes on.
   * @param needed Position from which on this table's header needs the log;
   *   what is before may be gone.
   * @throws {CorruptError} When the file ends before the position or before a
   *   segment that holds records, two lie in one place, or none holds the
   *   position. The one behind it has a place before anything is written there.
   */
  decode(from: ByteReader, position: number, needed: number): void {
    let first = from.varint();
    const count = from.varint();
    const places: number[] = [];
    for (let i = 0; i < count; i++) places.push(from.varint());
    const size = this.#file.size(), inFile = Math.ceil(size / this.bytes);
    const least = Math.floor(needed / this.bytes) - first;
    let gone = 0;
    for (let i = 0; i < Math.min(least, places.length); i++) {
      const isThere = places[i] < inFile &&
        this.readHeader(places[i])?.index === first + i;
      if (!isThere) gone = i + 1;
    }
    places.splice(0, gone);
    first += gone;
    const index = Math.floor(position / this.bytes) - first;
    const within = position % this.bytes;
    const isMissing = places.some((place, i) =>
      i < index
        ? place >= inFile
        : i === index && within > 0
        ? place * this.bytes + within > size
        : place > inFile + 1
    );
    if (
      index < 0 || index >= places.length || isMissing ||
      new Set(places).size !== places.length
    ) throw damagedTable();
    this.#first = first;
    this.#places = places;
    this.#count = places.reduce((most, p) => Math.max(most, p + 1), inFile);
    const live = new Set(places);
    this.#free = [];
    for (let place = this.#count - 1; place >= 0; place--) {
      if (!live.has(place)) this.#free.push(place);
    }
  }
}

function damagedTable(): CorruptError {
  return new CorruptError(
    "Cannot read segment table: log segments are missing",
    { file: "log" },
  );
}
