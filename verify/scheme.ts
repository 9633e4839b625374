// This module is browser compatible.

// What a commitment scheme is: how a terminal and a branching node are hashed,
// and how a hash is carried over a run of levels that have only one child. The
// engine and the verifier know nothing else about hashing.
//
// Bits of a key are counted from 0, most significant bit of byte 0 first. The
// node at depth d stands below the first d bits of its keys. The empty tree
// and every absent child hash to 32 zero bytes.

import type { Rules } from "./_rules.ts";

/** Names of the schemes that this package knows. */
export type SchemeName =
  | "nomt-blake3"
  | "nomt-sha256"
  | "jam-blake2b"
  | "eip7864-sha256"
  | "eip7864-blake3"
  | "eip8297-blake3";

/** Names of the hash functions of those schemes. */
export type HashName = "blake3" | "sha256" | "blake2b-256";

/** Tree shapes: the schemes of one family differ in their hash function only. */
export type SchemeFamily = "nomt" | "jam" | "eip7864" | "eip8297";

/** A hash function: a message of any length to 32 fresh bytes. */
export type HashFunction = (message: Uint8Array) => Uint8Array;

/** How keys and values become a root. All functions are pure. */
export interface Scheme {
  /** A {@linkcode SchemeName}, or a test scheme's own name. */
  readonly name: string;
  /** One byte, in every file header and proof: 1 to 6; 0xf0 and up for tests. */
  readonly id: number;
  /** Shape of the tree. */
  readonly family: SchemeFamily;
  /** A {@linkcode HashName}, or a test hash's own name. */
  readonly hashName: string;
  /** Fewest bytes of a key. */
  readonly keyBytesMin: number;
  /** Most bytes of a key. */
  readonly keyBytesMax: number;
  /** Exact length of a value; any length when left out. */
  readonly valueBytes?: number;
  /** The hash function: 32 fresh bytes for a message of any length. */
  readonly hash: HashFunction;
  /** What the family adds to the reading of proofs. Internal. */
  readonly rules: Rules;
  /**
   * Hash of a terminal. `hashed` says that `value` is H(value), 32 bytes, and
   * not the value itself.
   *
   * For the `eip7864` family a terminal is a stem: the first 31 bytes of
   * `key` with `value` = root of its slot tree (`hashed` plays no part). The
   * `eip8297` family takes the value itself only.
   */
  terminal(key: Uint8Array, value: Uint8Array, hashed: boolean): Uint8Array;
  /**
   * Hash of a node at `depth` with two children, as seen from depth `top` ≤
   * `depth`: lifted over the one-child levels `top` to `depth` - 1, whose
   * turns are the bits of `key`; in the `eip8297` family these bits are the
   * prefix of the node. `left` and `right` are 32 bytes and may be zero.
   */
  branch(
    left: Uint8Array,
    right: Uint8Array,
    key: Uint8Array,
    depth: number,
    top: number,
  ): Uint8Array;
  /**
   * Carries the hash of a branching node at `depth` up to depth `top` over
   * one-child levels. Slot leaves of the `eip7864` family count as branching
   * nodes at depth 256. Terminals are never lifted, and nothing is in the
   * `eip8297` family.
   */
  lift(
    hash: Uint8Array,
    key: Uint8Array,
    depth: number,
    top: number,
  ): Uint8Array;
}

/** 32 zero bytes: the hash of nothing. Not to be written to. */
export const ZERO: Uint8Array = new Uint8Array(32);

/**
 * Bit `index` of `key`, most significant bit of byte 0 first; 0 past its end.
 *
 * @param key Bytes.
 * @param index Which bit.
 * @returns 0 or 1.
 */
export function bitAt(key: Uint8Array, index: number): number {
  return (key[index >> 3] >> (7 - (index & 7))) & 1;
}

/**
 * Packs bits `first` to `first + count` of `key`, most significant first, the
 * last byte padded with zeros.
 *
 * @param key Bytes.
 * @param first First bit.
 * @param count Number of bits.
 * @returns `ceil(count / 8)` fresh bytes.
 */
export function packBits(
  key: Uint8Array,
  first: number,
  count: number,
): Uint8Array {
  const out = new Uint8Array((count + 7) >> 3);
  for (let i = 0; i < count; i++) {
    out[i >> 3] |= bitAt(key, first + i) << (7 - (i & 7));
  }
  return out;
}

const pair = new Uint8Array(64);

/** H(left ‖ right) with a hash function of one's own. Internal. */
export function hashPair(
  hash: HashFunction,
  left: Uint8Array,
  right: Uint8Array,
): Uint8Array {
  for (let i = 0; i < 32; i++) {
    pair[i] = left[i];
    pair[32 + i] = right[i];
  }
  return hash(pair);
}

/**
 * A scheme whose one-child levels are pairs with a zero sibling, from its
 * terminal hash and its hash of a pair; rules of the `nomt` family unless given
 * others. Internal.
 */
export function pairScheme(
  parts: Omit<Scheme, "branch" | "lift" | "rules"> & { rules?: Rules },
  node: (left: Uint8Array, right: Uint8Array) => Uint8Array,
): Scheme {
  const lift: Scheme["lift"] = (hash, key, depth, top) => {
    while (depth-- > top) {
      hash = bitAt(key, depth) ? node(ZERO, hash) : node(hash, ZERO);
    }
    return hash;
  };
  return {
    rules: { embedMax: -1, tagged: true },
    ...parts,
    lift,
    branch: (left, right, key, depth, top) =>
      lift(node(left, right), key, depth, top),
  };
}
