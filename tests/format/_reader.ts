// A second reader of the two files, written from docs/format.md alone: its own
// offsets, no code of the store but the checksum. Keeps the byte tables honest.

import { assert, assertEquals } from "@std/assert";
import { xxh64 } from "../../src/hash/xxh64.ts";
import type { Files } from "./_forge.ts";

/** Key and value as hex. */
export type Pair = [key: string, value: string | undefined];

/** What a record says. */
export interface ReadRecord {
  readonly sequence: number;
  readonly kind: number;
  readonly undoTo: number;
  readonly previousRoot: string;
  readonly root: string;
  readonly meta: string;
  readonly changes: { key: string; value?: string; old?: string }[];
}

/** Little-endian numbers and varints of a block of bytes. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  sum(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  hex(at: number, length: number): string {
    return this.bytes.slice(at, at + length).toHex();
  }

  byte(): number {
    return this.bytes[this.at++];
  }

  take(length: number): string {
    assert(this.at + length <= this.bytes.length);
    this.at += length;
    return this.hex(this.at - length, length);
  }

  varint(): number {
    for (let value = 0, scale = 1;; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}

/** XXH64 of bytes under a seed, as one number. */
function sumOf(bytes: Uint8Array, low: number, high: number): bigint {
  const out = new Uint32Array(2);
  xxh64(bytes, 0, bytes.length, low >>> 0, high >>> 0, out);
  return BigInt(out[1]) << 32n | BigInt(out[0]);
}

/** The bytes of a header or record header with its checksum field as zeros. */
function blanked(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy.fill(0, at, at + 8);
  return copy;
}

/** Reads a closed store. */
export class Reader {
  readonly #files: Files;
  /** The newest header slot. */
  readonly #head: Cursor;
  readonly #keyBytes: number;
  readonly #low: number;
  readonly #high: number;
  readonly pageBytes: number;
  /** Pages reached from the root, the map's included. */
  readonly reached: Set<number> = new Set();

  /** @param keyBytes Length of all keys; 0 when a length byte precedes them. */
  constructor(files: Files, keyBytes: number) {
    this.#files = files;
    this.#keyBytes = keyBytes;
    const slots = [0, 8192].map((at) => this.#slot(at))
      .filter((slot) => slot !== undefined);
    this.#head = slots.sort((a, b) => b.u64(48) - a.u64(48))[0];
    this.pageBytes = this.#head.u32(12);
    this.#low = this.#head.u32(40);
    this.#high = this.#head.u32(44);
  }

  #slot(at: number): Cursor | undefined {
    const all = new Cursor(this.#files.pages.slice(at, at + 8192));
    if (new TextDecoder().decode(all.bytes.subarray(0, 8)) !== "STEMMAdb") {
      return undefined;
    }
    const length = 256 + all.u32(224);
    const slot = new Cursor(all.bytes.subarray(0, length));
    assertEquals(slot.sum(248), sumOf(blanked(slot.bytes, 248), 0, 0));
    assertEquals([slot.u32(8), slot.u32(16)], [1, 1]);
    return slot;
  }

  get sequence(): number {
    return this.#head.u64(56);
  }

  get root(): string {
    return this.#head.hex(96, 32);
  }

  get meta(): string {
    return this.#head.hex(256, this.#head.u32(224));
  }

  get pageCount(): number {
    return this.#head.u64(72);
  }

  /** Bytes from the beginning of a page on, compared with their checksum. */
  #extent(page: number, length: number, sum: bigint): Cursor {
    const at = 16384 + (page - 1) * this.pageBytes;
    const bytes = this.#files.pages.subarray(at, at + length);
    assertEquals(bytes.length, length);
    assertEquals(sumOf(bytes, this.#low ^ page, this.#high), sum);
    for (let i = 0; i < Math.ceil(length / this.pageBytes); i++) {
      assert(!this.reached.has(page + i), "reached once");
      this.reached.add(page + i);
    }
    return new Cursor(bytes);
  }

  /** All entries in the order of the tree. */
  entries(): Pair[] {
    const found: Pair[] = [];
    if (this.#head.u32(80) === 0) return found;
    this.#page(
      this.#head.u32(80),
      this.#head.sum(88),
      this.#head.u32(84),
      found,
    );
    return found;
  }

  /** Reads a page and all below it; returns its height. */
  #page(number: number, sum: bigint, depth: number, found: Pair[]): number {
    const page = this.#extent(number, this.pageBytes, sum);
    assertEquals([page.u32(0), page.u16(24)], [number, 0x5074]);
    let live = 0, height = 1;
    const visit = (n: number, above: number): number => {
      const meta = 160 + 160 * (n >> 2) + 8 * (n & 3);
      const word = page.u16(meta), kind = word >> 14;
      live++;
      assertEquals(page.u16(meta + 6), above);
      if (kind === 1) {
        assertEquals(word & 0x3000, 0);
        visit(page.u16(meta + 2), n);
        visit(page.u16(meta + 4), n);
        return word & 2047;
      }
      const record = page.u16(meta + 2);
      assert(record >= page.u16(20));
      if (kind === 3) {
        const below = page.u16(meta + 4);
        const at = page.u32(record), checksum = page.sum(record + 4);
        const heightBelow = this.#page(at, checksum, below, found);
        assertEquals(word & 0x3ff0, 0);
        assert((word & 15) === 0 || (word & 15) >= Math.min(15, heightBelow));
        height = Math.max(height, heightBelow + 1);
        return below;
      }
      assertEquals(kind, 2);
      found.push(this.#terminal(page, meta, record));
      return 65535;
    };
    assertEquals(visit(page.u16(12), 65535), depth);
    assertEquals(page.u16(16), live);
    let free = page.u16(18);
    for (let i = live; i < page.u16(14); i++) {
      const meta = 160 + 160 * (free >> 2) + 8 * (free & 3);
      assertEquals(page.u16(meta), 0);
      free = page.u16(meta + 2);
    }
    assertEquals(free, 65535);
    return height;
  }

  #terminal(page: Cursor, meta: number, record: number): Pair {
    const lead = this.#keyBytes === 0 ? 1 : 0;
    const keyBytes = this.#keyBytes || page.bytes[record];
    const key = page.hex(record + lead, keyBytes);
    const at = record + (lead + keyBytes + 3 & ~3);
    if ((page.u16(meta) & 2048) === 0) {
      return [key, page.hex(at, page.u16(meta + 4))];
    }
    const length = page.u32(at);
    const extent = this.#extent(page.u32(at + 4), length, page.sum(at + 16));
    return [key, extent.hex(0, length)];
  }

  /** Free pages and the places of live segments, the first's logical number. */
  map(): { free: Set<number>; first: number; places: number[] } {
    const head = this.#head;
    const map = this.#extent(head.u64(184), head.u64(192), head.sum(200));
    const free = new Set<number>();
    let page = 1;
    for (let runs = map.varint(); runs > 0; runs--) {
      page += map.varint();
      for (let count = map.varint(); count > 0; count--) free.add(page++);
    }
    // The map was written before its own place was taken.
    for (const own of this.reached) free.delete(own);
    const first = map.varint(), places: number[] = [];
    for (let count = map.varint(); count > 0; count--) {
      places.push(map.varint());
    }
    assertEquals(map.at, map.bytes.length);
    return { free, first, places };
  }

  /** The records from a log position up to the header's. */
  records(position: number): ReadRecord[] {
    const { first, places } = this.map();
    const bytes = this.#head.u32(36), found: ReadRecord[] = [];
    let at = position, before: bigint | undefined, payload: number[] = [];
    while (at < this.#head.u64(128)) {
      if (at % bytes === 0) at += 32;
      if (bytes - at % bytes < 56) {
        at += bytes - at % bytes;
        continue;
      }
      const place = places[Math.floor(at / bytes) - first];
      this.#segment(place, Math.floor(at / bytes), bytes);
      const from = place * bytes + at % bytes;
      const frame = this.#frame(from, before);
      before = frame.sum(8);
      payload.push(...frame.bytes.subarray(48, 48 + frame.u32(4)));
      if ((frame.u32(40) & 2) !== 0) {
        found.push(this.#record(frame.u64(24), Uint8Array.from(payload)));
        payload = [];
      }
      at += frame.bytes.length;
    }
    assertEquals(before, this.#head.sum(136));
    return found;
  }

  #segment(place: number, index: number, bytes: number): void {
    const head = new Cursor(
      this.#files.log.subarray(place * bytes, place * bytes + 32),
    );
    assertEquals(new TextDecoder().decode(head.bytes.subarray(0, 4)), "tSeg");
    assertEquals(head.u64(8), index);
    const sum = sumOf(head.bytes.subarray(0, 24), this.#low, this.#high);
    assertEquals(head.sum(24), sum);
  }

  #frame(from: number, before: bigint | undefined): Cursor {
    const head = new Cursor(this.#files.log.subarray(from, from + 48));
    assertEquals(new TextDecoder().decode(head.bytes.subarray(0, 4)), "tFrm");
    const length = head.u32(4), padded = Math.ceil(length / 8) * 8;
    const low = this.#low ^ length, high = this.#high;
    const bytes = this.#files.log.subarray(from, from + 48 + padded);
    assertEquals(head.sum(8), sumOf(bytes.subarray(16), low, high));
    const check = sumOf(bytes.subarray(16, 44), low, high) & 0xffffffffn;
    assertEquals(BigInt(head.u32(44)), check);
    if (before !== undefined) assertEquals(head.sum(16), before);
    return new Cursor(bytes);
  }

  #record(sequence: number, bytes: Uint8Array): ReadRecord {
    const record = new Cursor(bytes), length = 104 + record.u32(4);
    const header = blanked(bytes.subarray(0, length), 96);
    assertEquals(record.sum(96), sumOf(header, sequence, 0x5265636f));
    const changes: { key: string; value?: string; old?: string }[] = [];
    record.at = length;
    while (record.at < bytes.length) {
      const flags = record.byte();
      if (flags === 0x80) continue;
      const key = record.take(this.#keyBytes || record.byte());
      const valueBytes = (flags & 1) === 0 ? -1 : record.varint();
      const oldBytes = (flags & 2) === 0 ? -1 : record.varint();
      const value = valueBytes < 0 ? undefined : record.take(valueBytes);
      const old = oldBytes < 0 ? undefined : record.take(oldBytes);
      changes.push({ key, value, old });
    }
    return {
      sequence,
      kind: record.bytes[0],
      undoTo: record.u64(8),
      previousRoot: record.hex(32, 32),
      root: record.hex(64, 32),
      meta: record.hex(104, record.u32(4)),
      changes,
    };
  }
}
