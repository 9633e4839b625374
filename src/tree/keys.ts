// This module is browser compatible.
//
// Keys as bit strings, most significant bit first: the depth at which two keys
// part, and the rule of each scheme for how keys lie in a heap record (fixed
// length, or behind a length byte).

import type { Scheme } from "@stemma/verify";
import { align4 } from "./layout.ts";

/** The two keys are the same. */
export const SAME = -1;
/** The searched key is a proper prefix of the stored one. */
export const PREFIX = -2;
/** The stored key is a proper prefix of the searched one. */
export const EXTENSION = -3;

/** How a scheme's keys are stored in pages. */
export interface KeyRule {
  /** Key length in bytes, or 0 when a length byte precedes each key. */
  readonly fixedBytes: number;
  /** Shortest key, in bytes. */
  readonly min: number;
  /** Longest key that the engine takes, in bytes. */
  readonly max: number;
  /** Length of every value, in bytes; `undefined` where it is free. */
  readonly valueBytes: number | undefined;
}

/** Longest key of the engine in schemes with variable keys, in bytes. */
const VARIABLE_KEY_BYTES_MAX = 255;

/** The key rule of a scheme. */
export function keyRule(scheme: Scheme): KeyRule {
  const { keyBytesMin: min, keyBytesMax: max, valueBytes } = scheme;
  if (min === max) return { fixedBytes: min, min, max, valueBytes };
  const most = Math.min(max, VARIABLE_KEY_BYTES_MAX);
  return { fixedBytes: 0, min, max: most, valueBytes };
}

/** Bytes of a heap record before the value: the key, padded to four. */
export function keyRecordBytes(rule: KeyRule, keyBytes: number): number {
  return align4(rule.fixedBytes === 0 ? keyBytes + 1 : keyBytes);
}

/** Bit `depth` of the key at `at`. */
export function bitAt(bytes: Uint8Array, at: number, depth: number): number {
  return (bytes[at + (depth >> 3)] >> (7 - (depth & 7))) & 1;
}

/**
 * Depth of the first bit in which two keys of one length differ, or
 * {@linkcode SAME}. Both begin at a word and are padded with zeros to the next.
 *
 * @param a Memory of the first key, as little-endian words.
 * @param aWord Index of its first word.
 * @param count Words that each of them takes.
 */
export function partWords(
  a: Uint32Array,
  aWord: number,
  b: Uint32Array,
  bWord: number,
  count: number,
): number {
  for (let i = 0; i < count; i++) {
    const difference = a[aWord + i] ^ b[bWord + i];
    if (difference === 0) continue;
    const shift = 31 - Math.clz32(difference & -difference) & 24;
    return (i << 5) + shift + Math.clz32(difference >>> shift & 0xff) - 24;
  }
  return SAME;
}

/**
 * Depth of the first bit in which two keys differ, or {@linkcode SAME},
 * {@linkcode PREFIX}, {@linkcode EXTENSION}.
 */
export function partAt(
  a: Uint8Array,
  aAt: number,
  aBytes: number,
  b: Uint8Array,
  bAt: number,
  bBytes: number,
): number {
  const shared = aBytes < bBytes ? aBytes : bBytes;
  for (let i = 0; i < shared; i++) {
    const difference = a[aAt + i] ^ b[bAt + i];
    if (difference !== 0) return (i << 3) + Math.clz32(difference) - 24;
  }
  if (aBytes === bBytes) return SAME;
  return aBytes < bBytes ? PREFIX : EXTENSION;
}
