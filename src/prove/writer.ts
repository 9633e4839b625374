// This module is browser compatible.

// Growing output of the proof encoder: the packed tag stream and the payload,
// put together at the end. Buffers are kept from one proof to the next, so a
// proof allocates its result and little else. Byte tables: docs/proofs.md.

/** Bytes that are kept for the next proof. */
const KEEP_BYTES = 1 << 20;

/** Up to this length a loop copies faster than a call. */
const SHORT_BYTES = 64;

/** One memory, by bytes and by words. */
export interface Memory {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
}

/** Two growing buffers: tags of two bits and payload bytes. */
export class ProofWriter {
  #tags: Uint8Array = new Uint8Array(256);
  #tagCount = 0;
  /** Payload; valid until the next `reserve`. */
  bytes: Uint8Array = new Uint8Array(4096);
  /** The same by words. */
  #words: Uint32Array = new Uint32Array(this.bytes.buffer);
  /** Payload bytes written. */
  length = 0;

  /** Forgets what was written. */
  reset(): void {
    this.#tagCount = this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.#take(new Uint8Array(4096));
    if (this.#tags.length > KEEP_BYTES) this.#tags = new Uint8Array(256);
  }

  /** Appends one tag of two bits. */
  tag(kind: number): void {
    const at = this.#tagCount >> 2;
    const shift = 6 - 2 * (this.#tagCount++ & 3);
    if (shift < 6) this.#tags[at] |= kind << shift;
    else {
      if (at === this.#tags.length) this.#tags = grown(this.#tags, at + 1);
      this.#tags[at] = kind << 6;
    }
  }

  /** Makes room for `count` bytes; their offset in `bytes`. */
  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      this.#take(grown(this.bytes, this.length));
    }
    return at;
  }

  /** Makes room for what is likely to come, so that it is not copied often. */
  expect(count: number): void {
    if (count <= this.bytes.length) return;
    this.#take(grown(this.bytes, count));
  }

  #take(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer);
  }

  /** Appends the 32 bytes at `from`, a multiple of four, of a pool's memory. */
  hash({ u8, u32 }: Memory, from: number): void {
    const at = this.reserve(32);
    if ((at & 3) === 0) {
      const words = this.#words;
      let to = at >> 2;
      const end = to + 8;
      for (let i = from >>> 2; to < end; to++, i++) words[to] = u32[i];
      return;
    }
    const bytes = this.bytes;
    for (let i = 0; i < 32; i++) bytes[at + i] = u8[from + i];
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    // Reserving may replace `this.bytes`.
    const { length } = bytes, at = this.reserve(length), to = this.bytes;
    if (length > SHORT_BYTES) to.set(bytes, at);
    else for (let i = 0; i < length; i++) to[at + i] = bytes[i];
  }

  /** Appends the `count` low bytes of a u32, most significant first. */
  number(value: number, count: number): void {
    const at = this.reserve(count);
    for (let i = count; i--; value >>>= 8) this.bytes[at + i] = value;
  }

  /** Appends the bytes at `from` of a pool's memory. */
  copy({ u8 }: Memory, from: number, length: number): void {
    const at = this.reserve(length), { bytes } = this;
    for (let i = 0; i < length; i++) bytes[at + i] = u8[from + i];
  }

  /**
   * Appends bits from the top of each byte on, with zeros behind them.
   *
   * @param from Offset of what holds them.
   * @param first The first, counted from there.
   */
  bits(u8: Uint8Array, from: number, first: number, count: number): void {
    const at = this.reserve(count + 7 >> 3), { bytes } = this;
    for (let done = 0; done < count; done += 8) {
      const i = from + (first + done >> 3), shift = first & 7;
      const byte = (u8[i] << 8 | (u8[i + 1] ?? 0)) >> (8 - shift);
      const left = count - done;
      bytes[at + (done >> 3)] = left < 8 ? byte & 0xff00 >> left : byte;
    }
  }

  /** What was written, as `head`, length of the tags (u32), tags, payload. */
  finish(head: ArrayLike<number>): Uint8Array {
    const tagBytes = (this.#tagCount + 3) >> 2;
    const start = head.length;
    const out = new Uint8Array(start + 4 + tagBytes + this.length);
    out.set(head);
    for (let i = 0; i < 4; i++) out[start + i] = tagBytes >>> (24 - 8 * i);
    out.set(this.#tags.subarray(0, tagBytes), start + 4);
    out.set(this.bytes.subarray(0, this.length), start + 4 + tagBytes);
    return out;
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  // Whole words, for the view by words.
  const out = new Uint8Array(Math.max(length + 3 & ~3, 2 * bytes.length));
  out.set(bytes);
  return out;
}
