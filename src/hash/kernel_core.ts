// This module is browser compatible.
//
// What a hash function gives to the kernel shared by all of them: its block
// function over lanes (several messages side by side, word i of all of them in
// one vector), its constants, and how the end of a message is padded.

import {
  type Code,
  i32,
  i8x16,
  type Local,
  type ModuleWriter,
  v128,
} from "./emitter.ts";

/** A hash function as the kernels see it. */
export interface Core {
  readonly lanes: 2 | 4;
  readonly blockBytes: 64 | 128;
  /** Bytes placed at the start of the reserved area. */
  readonly constants: Uint8Array;
  /** Offset of the first chaining value among them: eight vectors. */
  readonly initialAt: number;
  /** Whether words are big-endian. */
  readonly swapped: boolean;
  /** Offset of the block that 64-byte messages are gathered in. */
  readonly pairBlockAt: number;
  /** Constant vectors of the block after a 32-byte message, in word order. */
  readonly value32Tail: readonly number[];
  /** Adds the block functions to a module. */
  define(module: ModuleWriter): CoreCode;
}

/** Code pieces of a hash function; `base` is the reserved area. */
export interface CoreCode {
  /** Hashes the gathered 64-byte messages. */
  pair(base: Code): Code;
  /** Hashes the gathered 32-byte messages. */
  value32(base: Code): Code;
  /** BLAKE3 only: joins chaining values; `flags` says whether to the root. */
  parent?(base: Code, flags: Code): Code;
  /** Absorbs the gathered block of messages of any length. */
  absorb(base: Code): Code;
  /** Whether the block at which `left` bytes remain is the message's last. */
  isLast(left: Code): Code;
  /** Completes the last blocks (from `at`) of lane `lane`. */
  pad(base: Code, at: number, lane: number, left: Local): Code;
  /** Sets the block function's parameters of one lane. */
  prepare(base: Code, lane: number, left: Local): Code;
}

const lanes = (...runs: [first: number, count: number][]): number[] =>
  runs.flatMap(([first, count]) =>
    Array.from({ length: count }, (_, i) => first + i)
  );

const LOW32 = lanes([0, 4], [16, 4], [4, 4], [20, 4]);
const HIGH32 = lanes([8, 4], [24, 4], [12, 4], [28, 4]);
const LOW64 = lanes([0, 8], [16, 8]);
const HIGH64 = lanes([8, 8], [24, 8]);

/** Interleaves the low or high halves of two vectors by 4 or 8 bytes. */
export const low32 = (a: Code, b: Code): Code => i8x16.shuffle(a, b, LOW32);
export const high32 = (a: Code, b: Code): Code => i8x16.shuffle(a, b, HIGH32);
export const low64 = (a: Code, b: Code): Code => i8x16.shuffle(a, b, LOW64);
export const high64 = (a: Code, b: Code): Code => i8x16.shuffle(a, b, HIGH64);

/** Byte permutation that rotates each word of `size` bytes right by `n` bytes. */
export function rotationMask(size: number, n: number): Code {
  const bytes = Array.from(
    { length: 16 },
    (_, i) => (i & -size) | ((i + n) & (size - 1)),
  );
  return v128.const(bytes);
}

/** Byte permutation that swaps the bytes of each 32-bit word. */
export const swapMask: Code = v128.const(lanes([0, 16]).map((i) => i ^ 3));

/** Loads vector `index` of a table. */
export const vectorAt = (base: Code, at: number, index: number): Code =>
  v128.load(base, at + 16 * index);

/** Bytes of 32-bit words, little-endian, each repeated `times`. */
export function wordBytes(words: ArrayLike<number>, times: number): Uint8Array {
  const bytes = new Uint8Array(words.length * times * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < words.length * times; i++) {
    view.setUint32(4 * i, words[Math.floor(i / times)], true);
  }
  return bytes;
}

/** Field of a lane: address part and offset for a load or store. */
export const laneField = (base: Code, field: number, lane: number): Code =>
  i32.load(base, field + 4 * lane);
