// This module is browser compatible.
//
// What a log record says: which state it leads from and to, the application's
// data, and the changed keys with their new and old values in one or more
// batches (docs/format.md, "Records"). Read forwards it redoes a commit, read
// backwards it undoes it.

import { xxh64 } from "../hash/xxh64.ts";
import { CorruptError } from "../errors.ts";
import {
  ENTRY_HAS_NEW as HAS_NEW,
  ENTRY_HAS_OLD as HAS_OLD,
} from "../hash/kernel_layout.ts";
import { Changes } from "../changes.ts";
import type { KeyRule } from "../tree/keys.ts";
import { VALUE_BYTES_MAX } from "../tree/layout.ts";
import { type ByteWriter, getU64, setU64, viewOf } from "./bytes.ts";
import { noSum, sameSum, type Sum } from "./sum.ts";
import { META_BYTES_MAX } from "./header.ts";
import type { HistoryEntry } from "./history.ts";
import type { CommitLog, Frame } from "./log.ts";

/** Bytes of a record before the application's data. */
export const RECORD_HEADER_BYTES = 104;
const AT_CHECKSUM = 96;
/** A record that a commit appended, and one that a rollback appended. */
export const COMMIT = 1;
export const ROLLBACK = 2;

/** First byte of a batch; an entry's first byte is below it. */
const BATCH = 0x80;
/** Written for the position of the record itself; 0 is the history's bottom. */
const OWN_RECORD = 1;

/** A record without its changes. */
export interface RecordHeader {
  readonly kind: number;
  readonly previousRoot: Uint8Array;
  readonly entry: HistoryEntry;
  readonly meta: Uint8Array;
}

/** The fixed part of a record and the application's data. */
export function encodeRecordHeader(record: RecordHeader): Uint8Array {
  const { entry, meta } = record;
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + meta.length);
  const view = viewOf(bytes);
  bytes[0] = record.kind;
  view.setUint32(4, meta.length, true);
  setU64(view, 8, entry.undoTo);
  setU64(view, 16, entry.undoToPosition);
  const own = entry.deltaPosition === entry.position;
  setU64(view, 24, own ? OWN_RECORD : entry.deltaPosition);
  bytes.set(record.previousRoot, 32);
  bytes.set(entry.root, 64);
  bytes.set(meta, RECORD_HEADER_BYTES);
  setSum(bytes, entry.sequence);
  return bytes;
}

/** For the next function alone. */
const headerSum = noSum();

/**
 * Puts the header's own checksum in its place, so that it can be read without
 * the changes behind it. Returns whether it was there already.
 */
function setSum(bytes: Uint8Array, sequence: number): boolean {
  const view = viewOf(bytes), sum = headerSum;
  const before = [view.getUint32(96, true), view.getUint32(100, true)];
  bytes.fill(0, AT_CHECKSUM, AT_CHECKSUM + 8);
  xxh64(bytes, 0, bytes.length, sequence >>> 0, 0x5265636f, sum);
  view.setUint32(AT_CHECKSUM, sum[0], true);
  view.setUint32(AT_CHECKSUM + 4, sum[1], true);
  return before[0] === sum[0] && before[1] === sum[1];
}

/** Reads a record's header alone; `undefined` when it is not there. */
export function readRecordHeader(
  log: CommitLog,
  rule: KeyRule,
  position: number,
  bytesMax: number,
): RecordHeader | undefined {
  try {
    const start = log.readStart(position, RECORD_HEADER_BYTES + META_BYTES_MAX);
    if (start === undefined) return undefined;
    if (start.payload.length >= RECORD_HEADER_BYTES) {
      const at = log.normalize(position);
      const header = decodeRecordHeader(start.payload, start.sequence, at);
      if (header !== undefined) return header;
    }
    // The header goes on in the next frame.
    return new RecordReader(log, rule, position, bytesMax).header;
  } catch (error) {
    if (error instanceof CorruptError) return undefined;
    throw error;
  }
}

function decodeRecordHeader(
  payload: Uint8Array,
  sequence: number,
  position: number,
): RecordHeader | undefined {
  const metaBytes = viewOf(payload).getUint32(4, true);
  const end = RECORD_HEADER_BYTES + metaBytes;
  if (metaBytes > META_BYTES_MAX || end > payload.length) return undefined;
  const bytes = payload.slice(0, end), view = viewOf(bytes);
  if (!setSum(bytes, sequence)) return undefined;
  const delta = getU64(view, 24), undoTo = getU64(view, 8);
  // Going back always leads to an earlier record, so it comes to an end.
  if ((bytes[0] !== COMMIT && bytes[0] !== ROLLBACK) || undoTo >= sequence) {
    return undefined;
  }
  return {
    kind: bytes[0],
    previousRoot: bytes.slice(32, 64),
    entry: {
      sequence,
      root: bytes.slice(64, 96),
      position,
      undoTo,
      undoToPosition: getU64(view, 16),
      deltaPosition: delta === OWN_RECORD ? position : delta,
    },
    meta: bytes.slice(RECORD_HEADER_BYTES),
  };
}

/** Begins a batch of entries. */
export function beginBatch(to: ByteWriter): void {
  to.byte(BATCH);
}

/** Bytes in a larger array; a length of -1 means that there is no value. */
export interface Slice {
  bytes: Uint8Array;
  /** The same memory as words, where the bytes begin at one. */
  words: Uint32Array | undefined;
  at: number;
  length: number;
}

/** Words of a slice up to here are copied one by one. */
const SHORT_BYTES = 256;

function writeSlice(to: ByteWriter, { bytes, words, at, length }: Slice): void {
  if (words === undefined || length > SHORT_BYTES) to.bytes(bytes, at, length);
  else to.fromWords(words, at, length);
}

/** Appends one changed key. */
export function writeEntry(
  to: ByteWriter,
  rule: KeyRule,
  key: Slice,
  value: Slice,
  old: Slice,
): void {
  const hasNew = value.length >= 0, hasOld = old.length >= 0;
  to.byte((hasNew ? HAS_NEW : 0) | (hasOld ? HAS_OLD : 0));
  if (rule.fixedBytes === 0) to.byte(key.length);
  writeSlice(to, key);
  if (hasNew) to.varint(value.length);
  if (hasOld) to.varint(old.length);
  if (hasNew) writeSlice(to, value);
  if (hasOld) writeSlice(to, old);
}

/** Where a batch begins in the log. */
interface BatchPlace {
  readonly position: number;
  readonly offset: number;
}

/** Reads one record, front to back. */
export class RecordReader {
  readonly #log: CommitLog;
  readonly #rule: KeyRule;
  readonly #bytesMax: number;
  #position: number;
  #frame: Frame;
  #payload: Uint8Array;
  #at = 0;
  /** The record's own header. */
  readonly header: RecordHeader;
  /** Sequence of the record. */
  readonly sequence: number;

  /**
   * @param position Where the record begins.
   * @param bytesMax Bytes of the log: no length can be longer.
   * @throws {CorruptError} When there is no good record.
   */
  constructor(
    log: CommitLog,
    rule: KeyRule,
    position: number,
    bytesMax: number,
  ) {
    this.#log = log;
    this.#rule = rule;
    this.#bytesMax = bytesMax;
    this.#position = log.normalize(position);
    this.#frame = log.frameAt(position);
    this.#payload = this.#frame.payload.slice();
    if (!this.#frame.first) throw this.#corrupt("record has no beginning");
    this.sequence = this.#frame.sequence;
    this.header = this.#readHeader();
  }

  /** Position behind the frame read last. */
  get end(): number {
    return this.#frame.end;
  }

  /** Reads all changes forwards, batch by batch. */
  *batches(undo = false): Generator<Changes> {
    const changes = new Changes();
    while (this.#hasMore()) {
      if (this.#take(1)[0] !== BATCH) throw this.#corrupt("batch expected");
      this.#readBatch(changes, undo);
      yield changes;
      changes.clear();
    }
  }

  /** Reads the changes that undo the record, last batch first. */
  *undoBatches(): Generator<Changes> {
    const places: BatchPlace[] = [];
    const changes = new Changes();
    while (this.#hasMore()) {
      places.push({ position: this.#position, offset: this.#at });
      this.#take(1);
      this.#readBatch(changes, true);
      changes.clear();
    }
    for (const place of places.reverse()) {
      this.#position = place.position;
      this.#frame = this.#log.frameAt(place.position);
      this.#payload = this.#frame.payload.slice();
      this.#at = place.offset + 1;
      this.#readBatch(changes, true);
      yield changes;
      changes.clear();
    }
  }

  #readHeader(): RecordHeader {
    const start = this.#position;
    const fixed = this.#take(RECORD_HEADER_BYTES);
    const metaBytes = viewOf(fixed).getUint32(4, true);
    if (metaBytes > META_BYTES_MAX) throw this.#corrupt("meta is too long");
    const bytes = new Uint8Array(RECORD_HEADER_BYTES + metaBytes);
    bytes.set(fixed);
    bytes.set(this.#take(metaBytes), RECORD_HEADER_BYTES);
    const header = decodeRecordHeader(bytes, this.sequence, start);
    if (header === undefined) throw this.#corrupt("header is damaged");
    return header;
  }

  /** Reads entries up to the next batch or the record's end. */
  #readBatch(changes: Changes, undo: boolean): void {
    while (this.#hasMore() && this.#peek() !== BATCH) {
      const flags = this.#take(1)[0];
      if (flags > 3) throw this.#corrupt("entry has unknown flags");
      const keyBytes = this.#rule.fixedBytes || this.#take(1)[0];
      if (keyBytes < this.#rule.min || keyBytes > this.#rule.max) {
        throw this.#corrupt(`key has ${keyBytes} bytes`);
      }
      const key = this.#take(keyBytes).slice();
      const newBytes = (flags & HAS_NEW) === 0 ? -1 : this.#length();
      const oldBytes = (flags & HAS_OLD) === 0 ? -1 : this.#length();
      if (undo) {
        this.#skip(newBytes);
        changes.write(key, oldBytes < 0 ? undefined : this.#take(oldBytes));
      } else {
        changes.write(key, newBytes < 0 ? undefined : this.#take(newBytes));
        this.#skip(oldBytes);
      }
    }
  }

  #length(): number {
    let value = 0, scale = 1;
    for (let i = 0; i < 5; i++) {
      const byte = this.#take(1)[0];
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > VALUE_BYTES_MAX || value > this.#bytesMax) {
          throw this.#corrupt("value is longer than the log");
        }
        const { valueBytes } = this.#rule;
        if (valueBytes !== undefined && value !== valueBytes) {
          throw this.#corrupt(`value has ${value} bytes`);
        }
        return value;
      }
      scale *= 128;
    }
    throw this.#corrupt("length is too long");
  }

  #hasMore(): boolean {
    while (this.#at === this.#payload.length) {
      if (this.#frame.last) return false;
      this.#nextFrame();
    }
    return true;
  }

  #peek(): number {
    return this.#payload[this.#at];
  }

  #nextFrame(): void {
    if (this.#frame.last) throw this.#corrupt("record ends too early");
    const { end, sum, sequence } = this.#frame;
    const frame = this.#log.frameAt(end);
    if (
      !sameSum(frame.before, sum) || frame.first ||
      frame.sequence !== sequence
    ) throw this.#corrupt("frames do not follow each other");
    this.#position = end;
    this.#frame = frame;
    this.#payload = frame.payload.slice();
    this.#at = 0;
  }

  /** The next bytes: a view, or a copy where they cross frames. */
  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end <= this.#payload.length) {
      this.#at = end;
      return this.#payload.subarray(end - length, end);
    }
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      if (this.#at === this.#payload.length) this.#nextFrame();
      const part = Math.min(length - done, this.#payload.length - this.#at);
      bytes.set(this.#payload.subarray(this.#at, this.#at + part), done);
      this.#at += part;
      done += part;
    }
    return bytes;
  }

  #skip(length: number): void {
    let left = Math.max(length, 0);
    while (left > 0) {
      if (this.#at === this.#payload.length) this.#nextFrame();
      const part = Math.min(left, this.#payload.length - this.#at);
      this.#at += part;
      left -= part;
    }
  }

  #corrupt(why: string): CorruptError {
    return new CorruptError(`Cannot read log record: ${why}`, {
      file: "log",
      position: this.#position,
    });
  }
}

/**
 * Follows a record's frames without reading its changes.
 *
 * @returns Position and checksum behind the record, or `undefined` when it is
 *   not whole or not the one that follows `before`.
 */
export function followRecord(
  log: CommitLog,
  position: number,
  sequence: number,
  before: Sum,
): { end: number; sum: Sum } | undefined {
  let at = position, sum = before;
  for (let isFirst = true;; isFirst = false) {
    let frame = log.read(at);
    if (frame === undefined && log.segments.follow()) frame = log.read(at);
    const good = frame !== undefined && frame.sequence === sequence &&
      frame.first === isFirst && sameSum(frame.before, sum);
    if (!good) return undefined;
    at = frame!.end;
    sum = frame!.sum;
    if (frame!.last) return { end: at, sum };
  }
}
