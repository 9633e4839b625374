// This module is browser compatible.
//
// The batch hasher in plain JavaScript: for places where WebAssembly (or its
// SIMD part) is missing or forbidden by a content security policy, and the
// reference that the kernels are tested against. It builds each message in one
// preallocated buffer and calls the scheme's own hash, so it works with any
// scheme, test-only ones included.

import type { Scheme } from "@stemma/verify";
import {
  type BatchHasher,
  type Checksums,
  COPY_SUM,
  COPY_WORDS,
  EIP8297_KEY_BYTES_MAX,
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
  OP_VALUE,
  OP_WORDS,
} from "./ops.ts";
import { xxh64 } from "./xxh64.ts";

/** What the hasher needs of a scheme. */
export type HashScheme = Pick<Scheme, "hash">;

/** Longest message: an EIP-8297 branch with a full prefix. */
const MESSAGE_BYTES_MAX = 3 + EIP8297_KEY_BYTES_MAX + 64;

class JsHasher implements BatchHasher, Checksums {
  readonly engine: string = "js";
  hashes = 0;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #hash: (message: Uint8Array) => Uint8Array;
  readonly #message: Uint8Array = new Uint8Array(MESSAGE_BYTES_MAX);
  readonly #pair: Uint8Array = this.#message.subarray(0, 64);

  constructor(buffer: ArrayBufferLike, scheme: HashScheme) {
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
    this.#hash = (message) => scheme.hash(message);
  }

  hashBatch(op: number, list: number, count: number): void {
    const words = OP_WORDS[op];
    if (words === undefined) {
      throw new RangeError(`Cannot hash a batch: unknown op ${op}`);
    }
    const end = (list >>> 2) + count * words;
    for (let at = list >>> 2; at < end; at += words) {
      if (op === OP_VALUE) this.#value(at);
      else if (op <= OP_PAIR_LEFT_MASKED || op === OP_STEM) this.#two(op, at);
      else if (op === OP_JAM_LEAF) this.#jamLeaf(at);
      else if (op === OP_EIP8297_LEAF) this.#prefixedLeaf(at);
      else if (op === OP_EIP8297_BRANCH) this.#prefixedBranch(at);
    }
    this.hashes += count;
  }

  digest(message: Uint8Array, out: number): void {
    this.#bytes.set(this.#hash(message), out);
    this.hashes += 1;
  }

  copy(to: number, from: number, length: number): void {
    this.#bytes.copyWithin(to, from, from + length);
  }

  copySummed(list: number, count: number, length: number): void {
    const words = this.#words, first = list >>> 2;
    for (let i = first; i < first + COPY_WORDS * count; i += COPY_WORDS) {
      const [from, to, low, high] = words.subarray(i, i + COPY_WORDS);
      this.copy(to, from, length);
      const sum = words.subarray(i + COPY_SUM, i + COPY_SUM + 2);
      this.checksum(to, length, low, high, sum);
    }
  }

  checksum(
    offset: number,
    length: number,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void {
    xxh64(this.#bytes, offset, offset + length, seedLo, seedHi, out);
  }

  checksumOf(
    bytes: Uint8Array,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void {
    xxh64(bytes, 0, bytes.length, seedLo, seedHi, out);
  }

  #value(at: number): void {
    const offset = this.#words[at];
    const message = this.#bytes.subarray(offset, offset + this.#words[at + 1]);
    this.#bytes.set(this.#hash(message), this.#words[at + 2]);
  }

  /** The ops whose message is two 32-byte halves. */
  #two(op: number, at: number): void {
    const out = this.#words[at + 2];
    this.#copy(0, this.#words[at], 32);
    this.#copy(32, this.#words[at + 1], 32);
    if (op === OP_PAIR_LEFT_MASKED) this.#pair[0] &= 0x7f;
    else if (op === OP_STEM) this.#pair[31] = 0;
    this.#bytes.set(this.#hash(this.#pair), out);
    if (op === OP_PAIR_TOP_CLEARED) this.#bytes[out] &= 0x7f;
    else if (op === OP_PAIR_TOP_SET) this.#bytes[out] |= 0x80;
  }

  #jamLeaf(at: number): void {
    const length = this.#words[at + 2];
    this.#pair[0] = length <= 32 ? 0x80 | length : 0xc0;
    this.#copy(1, this.#words[at], 31);
    this.#pair.fill(0, 32);
    this.#copy(32, this.#words[at + 1], Math.min(length, 32));
    this.#bytes.set(this.#hash(this.#pair), this.#words[at + 3]);
  }

  #prefixedLeaf(at: number): void {
    const keyBytes = this.#words[at + 1];
    checkKeyBytes(keyBytes);
    this.#message[0] = 0;
    this.#copy(1, this.#words[at], keyBytes);
    this.#copy(1 + keyBytes, this.#words[at + 2], 32);
    this.#hashMessage(keyBytes + 33, this.#words[at + 3]);
  }

  #prefixedBranch(at: number): void {
    const bitCount = this.#words[at + 2];
    const prefixBytes = (bitCount + 7) >>> 3;
    checkKeyBytes(prefixBytes);
    this.#message[0] = 1;
    this.#message[1] = bitCount >>> 8;
    this.#message[2] = bitCount;
    this.#copyBits(this.#words[at], this.#words[at + 1], bitCount);
    this.#copy(3 + prefixBytes, this.#words[at + 3], 32);
    this.#copy(35 + prefixBytes, this.#words[at + 4], 32);
    this.#hashMessage(prefixBytes + 67, this.#words[at + 5]);
  }

  #hashMessage(length: number, out: number): void {
    this.#bytes.set(this.#hash(this.#message.subarray(0, length)), out);
  }

  /** Packs a run of key bits, MSB first, to byte 3 of the message. */
  #copyBits(key: number, firstBit: number, bitCount: number): void {
    const shift = firstBit & 7;
    let from = key + (firstBit >>> 3);
    let left = bitCount;
    for (let to = 3; left > 0; to++, from++, left -= 8) {
      let byte = this.#bytes[from] << shift;
      // The next byte is read only when it holds a bit of the run.
      if (shift + left > 8) byte |= this.#bytes[from + 1] >>> (8 - shift);
      this.#message[to] = left < 8 ? byte & (0xff00 >>> left) : byte;
    }
  }

  #copy(to: number, from: number, length: number): void {
    const bytes = this.#bytes;
    const message = this.#message;
    for (let i = 0; i < length; i++) message[to + i] = bytes[from + i];
  }
}

function checkKeyBytes(length: number): void {
  if (length > EIP8297_KEY_BYTES_MAX) {
    throw new RangeError(
      `Cannot hash a batch: key must be at most ${EIP8297_KEY_BYTES_MAX} ` +
        `bytes: received ${length}`,
    );
  }
}

/**
 * Makes the plain JavaScript hasher over a pool.
 *
 * @param buffer The pool.
 * @param scheme The scheme whose hash is used.
 * @returns The hasher.
 */
export function jsHasher(
  buffer: ArrayBufferLike,
  scheme: HashScheme,
): BatchHasher & Checksums {
  return new JsHasher(buffer, scheme);
}
