// This module is browser compatible.

// Growing output of the proof encoder: the packed tag stream and the payload,
// put together at the end. Buffers are kept from one proof to the next, so a
// proof allocates its result and little else. Byte tables: docs/proofs.md.

/** Bytes that are kept for the next proof. */
const KEEP_BYTES = 1 << 20;

/** Two growing buffers: tags of two bits and payload bytes. */
export class ProofWriter {
  #tags: Uint8Array = new Uint8Array(256);
  #tagCount = 0;
  /** Payload; valid until the next `reserve`. */
  bytes: Uint8Array = new Uint8Array(4096);
  /** Payload bytes written. */
  length = 0;

  /** Forgets what was written. */
  reset(): void {
    this.#tagCount = this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.bytes = new Uint8Array(4096);
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
      this.bytes = grown(this.bytes, this.length);
    }
    return at;
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    // Reserving may replace `this.bytes`.
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Appends the `count` low bytes of `value`, most significant first. */
  number(value: number, count: number): void {
    const at = this.reserve(count);
    for (let i = count; i--; value = Math.floor(value / 256)) {
      this.bytes[at + i] = value;
    }
  }

  /**
   * What was written, as `head`, length of the tags (u32), tags, payload. The
   * first `split` bytes of the payload come before the length of the tags.
   */
  finish(head: readonly number[], split = 0): Uint8Array {
    const tagBytes = (this.#tagCount + 3) >> 2;
    const start = head.length + split;
    const out = new Uint8Array(head.length + 4 + tagBytes + this.length);
    out.set(head);
    out.set(this.bytes.subarray(0, split), head.length);
    for (let i = 0; i < 4; i++) out[start + i] = tagBytes >>> (24 - 8 * i);
    out.set(this.#tags.subarray(0, tagBytes), start + 4);
    out.set(this.bytes.subarray(split, this.length), start + 4 + tagBytes);
    return out;
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(Math.max(length, 2 * bytes.length));
  out.set(bytes);
  return out;
}
