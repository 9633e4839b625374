// The slow oracle: the root of a set of entries, computed from scratch by
// splitting the sorted entries bit by bit as the specifications are written.
// It shares no code and no hash function with the product.
//
// NOMT: nomt/core trie; JAM: Gray Paper 0.7, appendix D; EIP-7864 as of
// 2026-03-09; EIP-8297.

import type { Hash } from "./hashes.ts";
import {
  bit,
  type Entry,
  firstWithBit,
  inOrder,
  type OracleScheme,
  oracleScheme,
  sharedBits,
} from "./scheme.ts";

/** Root of the entries under a scheme, 32 bytes. Keys must be distinct. */
export function oracleRoot(
  scheme: string | OracleScheme,
  entries: Iterable<Entry>,
): Uint8Array {
  const { family, hash } = oracleScheme(scheme);
  const sorted = inOrder(entries);
  const all = sorted.length;
  switch (family) {
    case "nomt":
      return nomt(hash, sorted, 0, all, 0);
    case "jam":
      return jam(hash, sorted, 0, all, 0);
    case "eip7864":
      return eip7864(hash, sorted, 0, all, 0);
    case "eip8297":
      return eip8297(hash, sorted, 0, all, 0);
  }
}

type Sorted = readonly Entry[];

function nomt(
  hash: Hash,
  entries: Sorted,
  from: number,
  to: number,
  depth: number,
): Uint8Array {
  if (from === to) return new Uint8Array(32);
  if (to - from === 1) {
    const [key, value] = entries[from];
    const leaf = hash(concat(key, hash(value)));
    leaf[0] |= 0x80;
    return leaf;
  }
  const middle = split(entries, from, to, depth);
  const left = nomt(hash, entries, from, middle, depth + 1);
  const right = nomt(hash, entries, middle, to, depth + 1);
  const branch = hash(concat(left, right));
  branch[0] &= 0x7f;
  return branch;
}

function jam(
  hash: Hash,
  entries: Sorted,
  from: number,
  to: number,
  depth: number,
): Uint8Array {
  if (from === to) return new Uint8Array(32);
  if (to - from === 1) {
    const [key, value] = entries[from];
    const leaf = new Uint8Array(64);
    const embedded = value.length <= 32;
    leaf[0] = embedded ? 0x80 | value.length : 0xc0;
    leaf.set(key, 1);
    leaf.set(embedded ? value : hash(value), 32);
    return hash(leaf);
  }
  const middle = split(entries, from, to, depth);
  const left = jam(hash, entries, from, middle, depth + 1).slice();
  const right = jam(hash, entries, middle, to, depth + 1);
  left[0] &= 0x7f;
  return hash(concat(left, right));
}

function eip7864(
  hash: Hash,
  entries: Sorted,
  from: number,
  to: number,
  depth: number,
): Uint8Array {
  if (from === to) return new Uint8Array(32);
  const stem = entries[from][0].subarray(0, 31);
  const last = entries[to - 1][0];
  if (stem.every((byte, i) => byte === last[i])) {
    const slots = slotTree(hash, entries.slice(from, to));
    return hash(concat(stem, new Uint8Array(1), slots));
  }
  const middle = split(entries, from, to, depth);
  return orZero(
    hash,
    eip7864(hash, entries, from, middle, depth + 1),
    eip7864(hash, entries, middle, to, depth + 1),
  );
}

/** The 256 slots of a stem: value hashes paired up, eight times. */
function slotTree(hash: Hash, entries: Sorted): Uint8Array {
  let level: Uint8Array[] = Array.from(
    { length: 256 },
    () => new Uint8Array(32),
  );
  for (const [key, value] of entries) level[key[31]] = hash(value);
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      above.push(orZero(hash, level[i], level[i + 1]));
    }
    level = above;
  }
  return level[0];
}

/** H(left ‖ right), where the hash of 64 zero bytes is defined as zero. */
function orZero(hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = concat(left, right);
  return pair.every((byte) => byte === 0) ? new Uint8Array(32) : hash(pair);
}

function eip8297(
  hash: Hash,
  entries: Sorted,
  from: number,
  to: number,
  depth: number,
): Uint8Array {
  if (from === to) return new Uint8Array(32);
  const [key, value] = entries[from];
  if (to - from === 1) return hash(concat(Uint8Array.of(0), key, value));
  const fork = sharedBits(key, entries[to - 1][0]);
  if (fork === 8 * key.length) throw new RangeError("Not prefix-free");
  const bits = fork - depth;
  const packed = new Uint8Array(Math.ceil(bits / 8));
  for (let i = 0; i < bits; i++) {
    packed[i >> 3] |= bit(key, depth + i) << (7 - (i & 7));
  }
  const middle = split(entries, from, to, fork);
  return hash(concat(
    Uint8Array.of(1, bits >> 8, bits & 0xff),
    packed,
    eip8297(hash, entries, from, middle, fork + 1),
    eip8297(hash, entries, middle, to, fork + 1),
  ));
}

function split(
  entries: Sorted,
  from: number,
  to: number,
  depth: number,
): number {
  return firstWithBit((i) => entries[i][0], from, to, depth);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
