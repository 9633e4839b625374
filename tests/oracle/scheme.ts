// What the oracle knows of a scheme: its shape and its hash. A test scheme of
// the engine's is described by its shape and its own hash function.

import { blake2b256, blake3, type Hash, sha256 } from "./hashes.ts";

/** Key and value. */
export type Entry = readonly [Uint8Array, Uint8Array];

/** Shape of the tree and hash function. */
export interface OracleScheme {
  readonly family: "nomt" | "jam" | "eip7864" | "eip8297";
  readonly hash: Hash;
}

const SCHEMES: Readonly<Record<string, OracleScheme>> = {
  "nomt-blake3": { family: "nomt", hash: blake3 },
  "nomt-sha256": { family: "nomt", hash: sha256 },
  "jam-blake2b": { family: "jam", hash: blake2b256 },
  "eip7864-sha256": { family: "eip7864", hash: sha256 },
  "eip7864-blake3": { family: "eip7864", hash: blake3 },
  "eip8297-blake3": { family: "eip8297", hash: blake3 },
};

/** Names of the schemes, in the order of their ids. */
export const SCHEME_NAMES: readonly string[] = Object.keys(SCHEMES);

/** The scheme of that name, or the description itself. */
export function oracleScheme(scheme: string | OracleScheme): OracleScheme {
  if (typeof scheme !== "string") return scheme;
  const found = SCHEMES[scheme];
  if (found === undefined) throw new RangeError(`No oracle for ${scheme}`);
  return found;
}

/** Order of two byte strings. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** The entries in key order; the same array when they already are. */
export function inOrder(entries: Iterable<Entry>): readonly Entry[] {
  const list = Array.isArray(entries) ? entries as Entry[] : [...entries];
  for (let i = 1; i < list.length; i++) {
    if (compareBytes(list[i - 1][0], list[i][0]) < 0) continue;
    return list.toSorted((a, b) => compareBytes(a[0], b[0]));
  }
  return list;
}

/** Bit `index` of the key, most significant first. */
export function bit(key: Uint8Array, index: number): number {
  return (key[index >> 3] >> (7 - (index & 7))) & 1;
}

/** How many leading bits two keys share; a shorter key ends the count. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i === length ? 8 * i : 8 * i + Math.clz32(a[i] ^ b[i]) - 24;
}

/** First index in [low, high) of sorted keys whose bit `depth` is set. */
export function firstWithBit(
  keyAt: (index: number) => Uint8Array,
  low: number,
  high: number,
  depth: number,
): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bit(keyAt(middle), depth) === 1) high = middle;
    else low = middle + 1;
  }
  return low;
}
