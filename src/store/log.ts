// This module is browser compatible.
//
// The commit log: one record for each commit or rollback, appended and flushed
// once. A record is a chain of frames; a frame never crosses a segment's end,
// and its checksum covers the checksum of the frame before, so a frame is good
// by itself and good in its place (docs/format.md, "Commit log").

import { CorruptError } from "../errors.ts";
import type { Counters } from "../metrics.ts";
import { getU64, setU64, viewOf } from "./bytes.ts";
import { noSum, type Sum } from "./sum.ts";
import type { StoreFile } from "./file.ts";
import { SEGMENT_HEADER_BYTES, type Segments } from "./segments.ts";

/** Bytes before a frame's payload. */
export const FRAME_HEADER_BYTES = 48;
const FRAME_MAGIC = 0x6d724674;
/** Frames start at multiples of this. */
const ALIGN = 8;
/** Smallest room in a segment in which a frame is begun. */
const FRAME_BYTES_MIN = FRAME_HEADER_BYTES + ALIGN;

/** A frame and a segment header are at most this long. */
const STAGING_BYTES_MAX = 1 << 20;

const FIRST = 1;
const LAST = 2;
const AT_CHECK = 44;
/** How often the bytes of a segment may be summed in search of good frames. */
const SUMS_MAX = 4;

/** Bytes of staging memory that a log with such segments needs. */
export function stagingBytes(segmentBytes: number): number {
  return Math.min(segmentBytes, STAGING_BYTES_MAX);
}

/** Checksum of a part of the staging memory. */
export type StagedSum = (
  start: number,
  end: number,
  seedLow: number,
  seedHigh: number,
  out: Sum,
) => void;

/** A frame read from the log. */
export interface Frame {
  readonly sequence: number;
  readonly durableUpTo: number;
  readonly first: boolean;
  readonly last: boolean;
  /** The payload: a view, valid until the next read. */
  readonly payload: Uint8Array;
  /** Its own checksum, and that of the frame before it. */
  readonly sum: Sum;
  readonly before: Sum;
  /** Position behind it. */
  readonly end: number;
}

/** Appends records and reads frames. */
export class CommitLog {
  readonly segments: Segments;
  readonly #file: StoreFile;
  readonly #storeId: Sum;
  readonly #counters: Counters;
  /** One frame, with a segment header before it where one begins. */
  readonly #staging: Uint8Array;
  readonly #stagedSum: StagedSum;
  /** Where the next record goes. */
  #position = 0;
  /** Checksum of the last frame. */
  #sum: Sum = noSum();
  #writeAt = 0;
  #writeSum: Sum = noSum();
  #filled = 0;
  #room = 0;
  #lead = 0;
  #sequence = 0;
  #durableUpTo = 0;
  #isFirst = true;
  /** Bytes of frames whose checksum was computed so far. */
  #summed = 0;
  readonly #headerSum: Sum = noSum();

  constructor(
    file: StoreFile,
    segments: Segments,
    storeId: Sum,
    counters: Counters,
    staging: Uint8Array,
    stagedSum: StagedSum,
  ) {
    this.#staging = staging;
    this.#stagedSum = stagedSum;
    this.#file = file;
    this.segments = segments;
    this.#storeId = storeId;
    this.#counters = counters;
  }

  /** Position behind the last record. */
  get position(): number {
    return this.#position;
  }

  /** Checksum of the last frame. */
  get sum(): Sum {
    return this.#sum;
  }

  /** Goes on behind a known record. */
  seek(position: number, sum: Sum): void {
    this.#position = position;
    this.#sum = Uint32Array.from(sum);
  }

  /** Where a record appended now would begin. */
  get nextPosition(): number {
    return this.normalize(this.#position);
  }

  /** Begins a record; nothing is part of the log before {@linkcode finish}. */
  begin(sequence: number, durableUpTo: number): void {
    this.#sequence = sequence;
    this.#durableUpTo = durableUpTo;
    this.#isFirst = true;
    this.#writeAt = this.#position;
    this.#writeSum = this.#sum;
    this.#openFrame();
  }

  /** Appends bytes to the record's payload. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled === this.#room) {
        this.#closeFrame(false);
        this.#openFrame();
      }
      const part = Math.min(bytes.length - at, this.#room - this.#filled);
      const to = this.#lead + FRAME_HEADER_BYTES + this.#filled;
      this.#staging.set(bytes.subarray(at, at + part), to);
      this.#filled += part;
      at += part;
    }
  }

  /** Writes what is left of the record and makes it the log's last. */
  finish(): void {
    this.#closeFrame(true);
    this.#position = this.#writeAt;
    this.#sum = this.#writeSum;
  }

  /** First position at or behind `position` where a frame has room. */
  normalize(position: number): number {
    const { bytes } = this.segments;
    const offset = position % bytes;
    if (offset === 0) return position + SEGMENT_HEADER_BYTES;
    if (bytes - offset >= FRAME_BYTES_MIN) return position;
    return position - offset + bytes + SEGMENT_HEADER_BYTES;
  }

  #openFrame(): void {
    const { segments } = this;
    const at = this.normalize(this.#writeAt);
    const offset = at % segments.bytes;
    const index = Math.floor(at / segments.bytes);
    this.#lead = 0;
    if (offset === SEGMENT_HEADER_BYTES) {
      if (index > segments.last) segments.extend();
      this.#lead = SEGMENT_HEADER_BYTES;
      this.#staging.set(segments.encodeHeader(index), 0);
    }
    this.#writeAt = at;
    this.#filled = 0;
    const most = this.#staging.length - SEGMENT_HEADER_BYTES;
    this.#room = Math.min(segments.bytes - offset, most) - FRAME_HEADER_BYTES;
  }

  #closeFrame(last: boolean): void {
    const staging = this.#staging, at = this.#lead, filled = this.#filled;
    const padded = filled + ALIGN - 1 & -ALIGN;
    const end = at + FRAME_HEADER_BYTES + padded;
    staging.fill(0, at + FRAME_HEADER_BYTES + filled, end);
    const view = viewOf(staging.subarray(at, at + FRAME_HEADER_BYTES));
    view.setUint32(0, FRAME_MAGIC, true);
    view.setUint32(4, filled, true);
    view.setUint32(16, this.#writeSum[0], true);
    view.setUint32(20, this.#writeSum[1], true);
    setU64(view, 24, this.#sequence);
    setU64(view, 32, this.#durableUpTo);
    view.setUint32(40, (this.#isFirst ? FIRST : 0) | (last ? LAST : 0), true);
    view.setUint32(AT_CHECK, this.#headerCheck(at), true);
    const sum = this.#checksum(at, end, noSum());
    view.setUint32(8, sum[0], true);
    view.setUint32(12, sum[1], true);
    const position = this.#writeAt - this.#lead;
    this.#file.write(
      staging.subarray(0, end),
      this.segments.offset(position),
    );
    this.#counters.logBytes += end;
    this.#writeAt += FRAME_HEADER_BYTES + padded;
    this.#writeSum = sum;
    this.#isFirst = false;
  }

  /** Checksum of a staged frame, its own field and what is before left out. */
  #checksum(at: number, end: number, sum: Sum): Sum {
    const bytes = this.#staging;
    const length = bytes[at + 4] | bytes[at + 5] << 8 | bytes[at + 6] << 16 |
      bytes[at + 7] << 24;
    const [low, high] = this.#storeId;
    this.#stagedSum(at + 16, end, (low ^ length) >>> 0, high, sum);
    return sum;
  }

  /**
   * Half a checksum over a staged frame's header alone. Without it a value that
   * holds what looks like many long frames would make recovery sum each of them.
   */
  #headerCheck(at: number): number {
    return this.#checksum(at, at + AT_CHECK, this.#headerSum)[0];
  }

  /**
   * Reads the frame at a position. The first one of a segment was written
   * together with the segment's header, and counts for nothing without it: the
   * header alone says where the log goes on.
   *
   * @returns The frame, good by itself; `undefined` when there is none.
   */
  read(position: number): Frame | undefined {
    const at = this.normalize(position), { segments } = this;
    if (!segments.has(at)) return undefined;
    const within = at % segments.bytes, offset = segments.offset(at);
    if (within === SEGMENT_HEADER_BYTES) {
      const header = segments.readHeader((offset - within) / segments.bytes);
      if (header?.index !== (at - within) / segments.bytes) return undefined;
    }
    return this.#readAt(offset, segments.bytes - within, at);
  }

  /** Reads the frame at a place in the file, whatever segment that is. */
  #readAt(offset: number, room: number, at: number): Frame | undefined {
    const head = this.#load(offset, FRAME_HEADER_BYTES);
    if (head === undefined) return undefined;
    const view = viewOf(head);
    const length = view.getUint32(4, true);
    const padded = length + ALIGN - 1 & -ALIGN;
    const good = view.getUint32(0, true) === FRAME_MAGIC &&
      length <= room - FRAME_HEADER_BYTES && padded >= length &&
      view.getUint32(AT_CHECK, true) === this.#headerCheck(0);
    if (!good) return undefined;
    const bytes = this.#load(offset, FRAME_HEADER_BYTES + padded);
    if (bytes === undefined) return undefined;
    return this.#decode(bytes, length, at);
  }

  /**
   * Reads the beginning of a record without checking the whole frame.
   *
   * @param bytesMax Most bytes of payload wanted.
   */
  readStart(
    position: number,
    bytesMax: number,
  ): { sequence: number; payload: Uint8Array } | undefined {
    const at = this.normalize(position);
    if (!this.segments.has(at)) return undefined;
    const room = this.segments.bytes - at % this.segments.bytes;
    const bytes = new Uint8Array(Math.min(FRAME_HEADER_BYTES + bytesMax, room));
    const got = this.#file.read(bytes, this.segments.offset(at));
    const view = viewOf(bytes);
    if (got < FRAME_HEADER_BYTES || view.getUint32(0, true) !== FRAME_MAGIC) {
      return undefined;
    }
    const end = Math.min(got, FRAME_HEADER_BYTES + view.getUint32(4, true));
    return {
      sequence: getU64(view, 24),
      payload: bytes.subarray(FRAME_HEADER_BYTES, end),
    };
  }

  #decode(bytes: Uint8Array, length: number, at: number): Frame | undefined {
    const view = viewOf(bytes);
    this.#summed += bytes.length;
    const sum = this.#checksum(0, bytes.length, noSum());
    if (view.getUint32(8, true) !== sum[0]) return undefined;
    if (view.getUint32(12, true) !== sum[1]) return undefined;
    const flags = view.getUint32(40, true);
    return {
      sequence: getU64(view, 24),
      durableUpTo: getU64(view, 32),
      first: (flags & FIRST) !== 0,
      last: (flags & LAST) !== 0,
      payload: bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length),
      sum,
      before: Uint32Array.of(
        view.getUint32(16, true),
        view.getUint32(20, true),
      ),
      end: at + bytes.length,
    };
  }

  /** Bytes of the file in the staging memory, `undefined` past its end. */
  #load(offset: number, length: number): Uint8Array | undefined {
    const bytes = this.#staging.subarray(0, length);
    return this.#file.read(bytes, offset) < length ? undefined : bytes;
  }

  /**
   * Looks for good frames behind the end of the log, and makes their segments
   * known.
   *
   * @param sequence Sequence of the last record of the log.
   * @returns The highest sequence that one of them says was durable, and
   *   whether one of them could be taken for a later record.
   */
  scanBehind(
    position: number,
    sequence: number,
  ): { durable: number; leftover: boolean } {
    const found = { durable: -1, leftover: false };
    const { bytes } = this.segments;
    const { segments } = this;
    for (let at = this.normalize(position);;) {
      const end = (Math.floor(at / bytes) + 1) * bytes;
      if (segments.has(at)) {
        this.#scan(segments.offset(at), end - at, sequence, found);
      }
      if (end / bytes > segments.last && !segments.follow()) break;
      at = end + SEGMENT_HEADER_BYTES;
    }
    // Later segments that the chain does not lead to: a header is damaged.
    for (const place of segments.strays()) {
      const room = bytes - SEGMENT_HEADER_BYTES;
      const offset = place * bytes + SEGMENT_HEADER_BYTES;
      this.#scan(offset, room, sequence, found);
    }
    return found;
  }

  /** Looks at all good frames in a part of a segment. */
  #scan(
    offset: number,
    length: number,
    sequence: number,
    found: { durable: number; leftover: boolean },
  ): void {
    const most = this.#summed + SUMS_MAX * this.segments.bytes;
    for (const at of this.#candidates(offset, length)) {
      if (this.#summed > most) {
        // Frames that were written never overlap like this.
        found.leftover = true;
        return;
      }
      const frame = this.#readAt(at, offset + length - at, at);
      if (frame === undefined || frame.sequence <= sequence) continue;
      found.durable = Math.max(found.durable, frame.durableUpTo);
      found.leftover = true;
    }
  }

  /** Places in a part of a segment that look like a frame. */
  *#candidates(offset: number, length: number): Generator<number> {
    const bytes = new Uint8Array(1 << 16), view = viewOf(bytes);
    const end = offset + length;
    for (let at = offset; at + FRAME_BYTES_MIN <= end;) {
      const part = bytes.subarray(0, Math.min(bytes.length, end - at));
      const got = this.#file.read(part, at);
      for (let i = 0; i + 4 <= got; i += ALIGN) {
        if (view.getUint32(i, true) === FRAME_MAGIC) yield at + i;
      }
      if (got < part.length) return;
      at += got;
    }
  }

  /**
   * Overwrites everything behind a position with zeros, so that nothing left
   * there can ever follow a new record.
   */
  clearBehind(position: number): void {
    const { segments } = this;
    // The chain was followed by `scanBehind`, so the last segment is known.
    for (let at = position; at < (segments.last + 1) * segments.bytes;) {
      const room = segments.bytes - at % segments.bytes;
      this.#clear(segments.offset(at), room);
      at += room;
    }
    // The header of a segment in use names the next one: that place stays.
    segments.cut(Math.ceil(position / segments.bytes));
  }

  /** Writes what lies between two positions once more, as it was read. */
  rewrite(from: number, to: number): void {
    const { bytes } = this.segments;
    // A segment's header is written with its first frame.
    const within = from % bytes;
    let at = within > SEGMENT_HEADER_BYTES ? from : from - within;
    while (at < to) {
      const end = Math.min(to, at - at % bytes + bytes);
      const part = this.#staging.subarray(
        0,
        Math.min(end - at, this.#staging.length),
      );
      const offset = this.segments.offset(at);
      const got = this.#file.read(part, offset);
      this.#file.write(part.subarray(0, got), offset);
      at += part.length;
    }
  }

  #clear(offset: number, length: number): void {
    const bytes = new Uint8Array(Math.min(length, 1 << 16));
    for (let at = 0; at < length; at += bytes.length) {
      const part = bytes.subarray(0, Math.min(bytes.length, length - at));
      const got = this.#file.read(part, offset + at);
      if (got === 0) break;
      if (part.subarray(0, got).every((byte) => byte === 0)) continue;
      part.fill(0);
      this.#file.write(part.subarray(0, got), offset + at);
    }
  }

  /**
   * Makes a record that could not be written whole unreadable, so that it is
   * never taken for a commit.
   */
  abandon(): void {
    const at = this.normalize(this.#position);
    if (!this.segments.has(at)) return;
    const offset = this.segments.offset(at);
    if (this.#file.size() <= offset) return;
    this.#file.write(new Uint8Array(FRAME_HEADER_BYTES), offset);
  }

  /** The frame at a position where one must be. */
  frameAt(position: number): Frame {
    const frame = this.read(position);
    if (frame === undefined) {
      throw new CorruptError("Cannot read log: record is damaged", {
        file: "log",
        position,
      });
    }
    return frame;
  }
}
