// This module is browser compatible.
//
// SHA-256 of node pairs by `@chainsafe/hashtree`, a native add-on that uses the
// processor's SHA instructions. This package does not depend on it: a server that
// wants it imports it and passes it in. Everything that is not a 64-byte message
// goes to the hasher underneath, which also checks the add-on before it is used.

import {
  type BatchHasher,
  OP_PAIR,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
} from "./ops.ts";

/** What is used of `@chainsafe/hashtree`. */
export interface HashtreeModule {
  /** Hashes 64-byte messages that follow each other to 32-byte hashes. */
  hashInto(input: Uint8Array, output: Uint8Array): void;
}

/** Messages passed to the add-on at a time. */
const PART_ENTRIES = 512;

/** Words of a 64-byte message and of a hash. */
const MESSAGE_WORDS = 16;
const HASH_WORDS = 8;

class HashtreeHasher implements BatchHasher {
  readonly engine: string = "hashtree";
  readonly #inner: BatchHasher;
  readonly #module: HashtreeModule;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #input: Uint8Array = new Uint8Array(PART_ENTRIES * 64);
  readonly #output: Uint8Array = new Uint8Array(PART_ENTRIES * 32);
  readonly #inputWords: Uint32Array = new Uint32Array(this.#input.buffer);
  readonly #outputWords: Uint32Array = new Uint32Array(this.#output.buffer);
  #hashes = 0;

  constructor(
    buffer: ArrayBufferLike,
    module: HashtreeModule,
    inner: BatchHasher,
  ) {
    this.#inner = inner;
    this.#module = module;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
  }

  get hashes(): number {
    return this.#hashes + this.#inner.hashes;
  }

  hashBatch(op: number, list: number, count: number): void {
    const isPair = op === OP_PAIR || op === OP_PAIR_TOP_CLEARED ||
      op === OP_PAIR_TOP_SET || op === OP_STEM;
    if (!isPair) return this.#inner.hashBatch(op, list, count);
    for (let from = 0; from < count; from += PART_ENTRIES) {
      const part = Math.min(PART_ENTRIES, count - from);
      this.#part(op, (list >>> 2) + 3 * from, part);
    }
    this.#hashes += count;
  }

  digest(message: Uint8Array, out: number): void {
    this.#inner.digest(message, out);
  }

  #part(op: number, at: number, count: number): void {
    const words = this.#words;
    for (let i = 0; i < count; i++) {
      this.#gather(MESSAGE_WORDS * i, words[at + 3 * i]);
      this.#gather(MESSAGE_WORDS * i + HASH_WORDS, words[at + 3 * i + 1]);
      if (op === OP_STEM) this.#input[64 * i + 31] = 0;
    }
    this.#module.hashInto(
      this.#input.subarray(0, 64 * count),
      this.#output.subarray(0, 32 * count),
    );
    for (let i = 0; i < count; i++) {
      const out = words[at + 3 * i + 2];
      this.#scatter(HASH_WORDS * i, out);
      if (op === OP_PAIR_TOP_CLEARED) this.#bytes[out] &= 0x7f;
      else if (op === OP_PAIR_TOP_SET) this.#bytes[out] |= 0x80;
    }
  }

  #gather(to: number, from: number): void {
    if ((from & 3) !== 0) {
      this.#input.set(this.#bytes.subarray(from, from + 32), 4 * to);
      return;
    }
    const word = from >>> 2;
    for (let i = 0; i < HASH_WORDS; i++) {
      this.#inputWords[to + i] = this.#words[word + i];
    }
  }

  #scatter(from: number, to: number): void {
    if ((to & 3) !== 0) {
      const hash = this.#output.subarray(4 * from, 4 * from + 32);
      this.#bytes.set(hash, to);
      return;
    }
    const word = to >>> 2;
    for (let i = 0; i < HASH_WORDS; i++) {
      this.#words[word + i] = this.#outputWords[from + i];
    }
  }
}

/** Whether the add-on gives the hash of a few messages that follow each other. */
function agrees(
  module: HashtreeModule,
  hash: (message: Uint8Array) => Uint8Array,
): boolean {
  const input = new Uint8Array(64 * 9).map((_, i) => i * i + (i >> 6));
  const output = new Uint8Array(32 * 9);
  try {
    module.hashInto(input, output);
  } catch {
    return false; // Not loadable, or not allowed to: the caller does without.
  }
  for (let i = 0; i < 9; i++) {
    const want = hash(input.subarray(64 * i, 64 * i + 64));
    if (!want.every((byte, j) => byte === output[32 * i + j])) return false;
  }
  return true;
}

/**
 * Makes the hasher over `@chainsafe/hashtree`.
 *
 * @param buffer The pool.
 * @param module The add-on.
 * @param inner The SHA-256 hasher over the same pool, for everything else.
 * @param hash SHA-256, to check the add-on with.
 * @returns `undefined` when the add-on does not work here or does not give
 * SHA-256.
 */
export function hashtreeHasher(
  buffer: ArrayBufferLike,
  module: HashtreeModule,
  inner: BatchHasher,
  hash: (message: Uint8Array) => Uint8Array,
): BatchHasher | undefined {
  if (!agrees(module, hash)) return undefined;
  return new HashtreeHasher(buffer, module, inner);
}
