// This module is browser compatible.
//
// Small writers and readers of little-endian numbers for headers, the free map
// and log records. The reader checks every length before it looks.

import { CorruptError } from "../errors.ts";

/** Numbers up to 2^53 as 64 bits. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** A 64-bit number; one past 2^53 is corrupt. */
export function getU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 1 << 21) {
    throw new CorruptError("Cannot read number: it is larger than 2^53");
  }
  return view.getUint32(at, true) + high * 2 ** 32;
}

/** A view for numbers over the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether two byte strings are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Writes into a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** @param expected Bytes that fit before the buffer grows. */
  constructor(expected = 256) {
    this.#bytes = new Uint8Array(expected);
    this.#view = viewOf(this.#bytes);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** Appends one byte. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Appends an unsigned number, seven bits a byte, lowest first. */
  varint(value: number): void {
    this.#reserve(8);
    while (value >= 128) {
      this.#bytes[this.#length++] = value & 127 | 128;
      value = Math.floor(value / 128);
    }
    this.#bytes[this.#length++] = value;
  }

  /** Appends bytes. */
  bytes(from: Uint8Array, at = 0, length: number = from.length): void {
    this.#reserve(length);
    const to = this.#bytes, start = this.#length;
    if (length > 64) to.set(from.subarray(at, at + length), start);
    else for (let i = 0; i < length; i++) to[start + i] = from[at + i];
    this.#length = start + length;
  }

  /** Appends bytes that begin at a word: byte `at` of `from`'s memory. */
  fromWords(from: Uint32Array, at: number, length: number): void {
    this.#reserve(length);
    const view = this.#view, start = this.#length, whole = length & ~3;
    let word = at >>> 2;
    for (let i = 0; i < whole; i += 4) {
      view.setUint32(start + i, from[word++], true);
    }
    if (whole < length) {
      let last = from[word];
      for (let i = whole; i < length; i++, last >>>= 8) {
        this.#bytes[start + i] = last;
      }
    }
    this.#length = start + length;
  }

  /** What was written: a view, valid until the next write. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Starts anew in the same buffer. */
  clear(): void {
    this.#length = 0;
  }

  #reserve(more: number): void {
    const need = this.#length + more;
    if (need <= this.#bytes.length) return;
    const longer = new Uint8Array(Math.max(need, 2 * this.#bytes.length));
    longer.set(this.done());
    this.#bytes = longer;
    this.#view = viewOf(longer);
  }
}

/** Reads from bytes; everything past the end is corrupt. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** One byte. */
  byte(): number {
    if (this.left < 1) throw tooShort();
    return this.#bytes[this.#at++];
  }

  /** An unsigned number up to 2^53. */
  varint(): number {
    let value = 0, scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw new CorruptError("Cannot read number: it is longer than 8 bytes");
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw tooShort();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function tooShort(): CorruptError {
  return new CorruptError("Cannot read bytes: they end too early");
}
