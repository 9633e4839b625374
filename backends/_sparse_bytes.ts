// This module is browser compatible.
/**
 * A file's bytes in memory, in fixed blocks. Blocks never written take no room
 * and read as zeros. A clone shares all blocks with its origin and copies one
 * only when either side writes it, and a block remembers its fingerprint: so a
 * crash image costs what differs, not what the file holds.
 *
 * Invariant: every byte at or past `size` in a present block is zero.
 *
 * @module
 */

interface Block {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  owner: object;
  /** Two 32-bit halves of the fingerprint; valid when `hashed`. */
  low: number;
  high: number;
  hashed: boolean;
}

const PRIME_LOW = 0x9e3779b1;
const PRIME_HIGH = 0x85ebca77;

function newBlock(blockBytes: number, owner: object): Block {
  const bytes = new Uint8Array(blockBytes);
  const words = new Uint32Array(bytes.buffer);
  return { bytes, words, owner, low: 0, high: 0, hashed: false };
}

/** Mixes 32 bits so that every input bit moves every output bit. */
export function mix32(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A block of zeros must weigh as much as no block at all: nothing. */
function fingerprintBlock(block: Block): void {
  const words = block.words;
  let low = 0;
  let high = 0;
  let any = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    any |= word;
    low = Math.imul(low ^ word, PRIME_LOW);
    low ^= low >>> 15;
    high = Math.imul(high, PRIME_HIGH) + word | 0;
    high ^= high >>> 13;
  }
  block.low = any === 0 ? 0 : low | 0;
  block.high = any === 0 ? 0 : high | 0;
  block.hashed = true;
}

/** Sparse, cloneable bytes with a size. */
export class SparseBytes {
  /** Bytes in a block; a power of two. */
  readonly blockBytes: number;
  #blocks = new Map<number, Block>();
  #owner: object = {};
  #size = 0;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  /** The number of bytes. */
  get size(): number {
    return this.#size;
  }

  /** The indices of blocks that hold bytes, in no order. */
  blockIndices(): IterableIterator<number> {
    return this.#blocks.keys();
  }

  /** The bytes of one block, as a view, or undefined for a hole. */
  block(index: number): Uint8Array | undefined {
    return this.#blocks.get(index)?.bytes;
  }

  /** A copy that shares all blocks until one side writes them. */
  clone(): SparseBytes {
    const copy = new SparseBytes(this.blockBytes);
    copy.#blocks = new Map(this.#blocks);
    copy.#size = this.#size;
    this.#owner = {};
    return copy;
  }

  /** Copies bytes out; returns how many there were below the end. */
  read(buffer: Uint8Array, position: number): number {
    const length = Math.min(buffer.length, Math.max(0, this.#size - position));
    let done = 0;
    while (done < length) {
      const at = position + done;
      const index = Math.floor(at / this.blockBytes);
      const from = at - index * this.blockBytes;
      const count = Math.min(length - done, this.blockBytes - from);
      const block = this.#blocks.get(index);
      if (block === undefined) buffer.fill(0, done, done + count);
      else buffer.set(block.bytes.subarray(from, from + count), done);
      done += count;
    }
    return length;
  }

  /** Copies bytes in, growing as needed. */
  write(buffer: Uint8Array, position: number): void {
    const length = buffer.length;
    let done = 0;
    while (done < length) {
      const at = position + done;
      const index = Math.floor(at / this.blockBytes);
      const from = at - index * this.blockBytes;
      const count = Math.min(length - done, this.blockBytes - from);
      const source = count === length
        ? buffer
        : buffer.subarray(done, done + count);
      this.#own(index).bytes.set(source, from);
      done += count;
    }
    if (length > 0) this.#size = Math.max(this.#size, position + length);
  }

  /** Sets the size; bytes cut off are gone, bytes added are zeros. */
  truncate(size: number): void {
    if (size < this.#size) this.#cut(size);
    this.#size = size;
  }

  /** Adds this content to a 64-bit fingerprint held as two words. */
  addFingerprint(state: Uint32Array): void {
    let low = mix32(this.#size | 0) ^
      mix32(Math.floor(this.#size / 0x100000000) + 0x51ed27);
    let high = mix32(low + 0x2545f491);
    for (const [index, block] of this.#blocks) {
      if (!block.hashed) fingerprintBlock(block);
      if ((block.low | block.high) === 0) continue;
      // A sum, because the map's order says nothing about content.
      low = low + mix32(block.low ^ mix32(index + 1)) | 0;
      high = high + mix32(block.high ^ mix32(index + 0x3c6ef372)) | 0;
    }
    state[0] = mix32(state[0] ^ low);
    state[1] = mix32(state[1] ^ high) + Math.imul(state[0], 3);
  }

  #cut(size: number): void {
    const last = Math.floor(size / this.blockBytes);
    const keep = size - last * this.blockBytes;
    const first = keep === 0 ? last : last + 1;
    const end = Math.ceil(this.#size / this.blockBytes);
    if (end - first <= this.#blocks.size) {
      for (let i = first; i < end; i++) this.#blocks.delete(i);
    } else {
      for (const index of this.#blocks.keys()) {
        if (index >= first) this.#blocks.delete(index);
      }
    }
    if (keep > 0 && this.#blocks.has(last)) this.#own(last).bytes.fill(0, keep);
  }

  #own(index: number): Block {
    const block = this.#blocks.get(index);
    if (block !== undefined && block.owner === this.#owner) {
      block.hashed = false;
      return block;
    }
    const copy = newBlock(this.blockBytes, this.#owner);
    if (block !== undefined) copy.words.set(block.words);
    this.#blocks.set(index, copy);
    return copy;
  }
}
