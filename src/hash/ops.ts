// This module is browser compatible.
//
// The batch-hash interface: which messages the engine can ask for (one op for
// each message form of the schemes, see docs/architecture.md), how their lists
// are laid out, and the hasher that answers them. Offsets are byte offsets into
// the page pool; lists are u32 words in the same pool. Entries of one call never
// depend on one another's output, so an implementation may take them in any
// order, several at a time.

import type { Scheme } from "@stemma/verify";

/** `[offset, length, out]`: out = H(bytes). Any length, zero included. */
export const OP_VALUE = 0;
/** `[left, right, out]`: out = H(left32 ‖ right32). */
export const OP_PAIR = 1;
/** `[left, right, out]`: as {@linkcode OP_PAIR}, top bit of out cleared. */
export const OP_PAIR_TOP_CLEARED = 2;
/** `[key32, valueHash, out]`: as {@linkcode OP_PAIR}, top bit of out set. */
export const OP_PAIR_TOP_SET = 3;
/** `[left, right, out]`: out = H((l[0] & 0x7f) ‖ l[1..] ‖ r), the JAM branch. */
export const OP_PAIR_LEFT_MASKED = 4;
/**
 * `[key31, value or hash, length, out]`: the 64-byte JAM leaf. Up to 32 bytes
 * of value are embedded; for longer ones the second word is the offset of the
 * value's 32-byte hash.
 */
export const OP_JAM_LEAF = 5;
/** `[stem31, slotRoot, out]`: out = H(stem ‖ 00 ‖ slotRoot). */
export const OP_STEM = 6;
/** `[key, keyLength, value32, out]`: out = H(00 ‖ key ‖ value). */
export const OP_EIP8297_LEAF = 7;
/**
 * `[key, firstBit, bitCount, left, right, out]`: out = H(01 ‖ u16 bitCount ‖
 * bits `firstBit..firstBit + bitCount` of key, packed MSB first and zero
 * padded ‖ left32 ‖ right32).
 */
export const OP_EIP8297_BRANCH = 8;

/** u32 words in one list entry of each op. */
export const OP_WORDS: readonly number[] = [3, 3, 3, 3, 3, 4, 3, 4, 6];

/** Position of the `out` word inside a list entry of each op: the last one. */
export const OP_OUT_WORD: readonly number[] = OP_WORDS.map((n) => n - 1);

/** Longest key that the EIP-8297 ops take, in bytes. */
export const EIP8297_KEY_BYTES_MAX = 255;

/** Hashes batches of messages that lie in the page pool. */
export interface BatchHasher {
  /** What does the work, for `metrics()`: `"js"`, `"wasm-simd"`, ... */
  readonly engine: string;
  /** Messages hashed so far (a digest is one). */
  readonly hashes: number;
  /**
   * Hashes `count` messages. `out` may be `left` or `right` of its own entry.
   *
   * @param op One of the `OP_*` constants.
   * @param list Byte offset, a multiple of 16, of `count * OP_WORDS[op]` words.
   * @param count Entries in the list; 0 is allowed.
   */
  hashBatch(op: number, list: number, count: number): void;
  /**
   * Hashes bytes that lie outside the pool into the pool.
   *
   * @param message Any length up to 512 MiB.
   * @param out Byte offset of the 32-byte result.
   */
  digest(message: Uint8Array, out: number): void;
  /**
   * What hashes whole pages, where the hasher can do that.
   *
   * @param family The family of the scheme.
   * @param valueBytesMax Longest value that lies in a page, in bytes.
   */
  pageHasher?(
    family: Scheme["family"],
    valueBytesMax: number,
  ): PageHasher | undefined;
  /** What edits pages of a scheme, where there is such a thing. */
  pageEditor?(
    family: Scheme["family"],
    valueBytesMax: number,
  ): PageEditor | undefined;
  /**
   * What copies parts of pages, where there is such a thing.
   *
   * @param keyBytes Bytes of a key; 0 where a length byte precedes each.
   */
  treeCopier?(keyBytes: number): TreeCopier | undefined;
  /** What tells whether bytes are a tree page, where there is such a thing. */
  pageChecker?(rule: PageRule): PageChecker | undefined;
}

/** What all pages of a store have in common. */
export interface PageRule {
  readonly pageBytes: number;
  /** Bytes of each key, or 0 when a length byte precedes it. */
  readonly fixedBytes: number;
  /** Bytes of the shortest and the longest key. */
  readonly min: number;
  readonly max: number;
  /** Bytes of every value; `undefined` where that is free. */
  readonly valueBytes: number | undefined;
}

/**
 * Tells whether bytes from storage are a tree page; see `Pages.isSound`.
 *
 * @param frame Byte offset of the page.
 * @param page Its number.
 */
export type PageChecker = (frame: number, page: number) => boolean;

/**
 * Copies a node of a page with all below it into another page, in pre-order; there is
 * room, and no node is flagged EXTEND.
 *
 * @param from Byte offset of the page.
 * @param node The node.
 * @param to Byte offset of the other page.
 * @returns The copy's node, its parent link not set.
 */
export type TreeCopier = (from: number, node: number, to: number) => number;

/**
 * Hashes what is dirty below the root nodes of pages, and the root nodes of pages that
 * their dirty child entries name by their frames. Where something else is to be done
 * first, or a node is flagged EXTEND, a page stays as it is.
 *
 * @param list Byte offset, a multiple of 16, of the pages' byte offsets, children before
 *   parents; then the offset of the first frame, the end of all, and the bytes of one
 *   less 1. Three words there are overwritten.
 * @param count Pages.
 */
export type PageHasher = (list: number, count: number) => void;

/**
 * Edits a group of pages at the ends of paths and hashes what is dirty in them; the hashes
 * of their root nodes are left in the group (`kernel_layout.ts` has its layout).
 *
 * @param group Byte offset of the group, a multiple of 16.
 */
export type PageEditor = (group: number) => void;

/** Words of an entry of a list for `copySummed`. */
export const COPY_WORDS = 6;
/** The word in it where the checksum is put; the seed is before it. */
export const COPY_SUM = 4;

/** XXH64 checksums of what goes to storage, and copies in the pool. */
export interface Checksums {
  /** Copies bytes within the pool. */
  copy(to: number, from: number, length: number): void;
  /**
   * Copies pieces of one length within the pool, and computes the XXH64 checksum of each.
   *
   * @param list Byte offset, a multiple of 8, of entries of {@linkcode COPY_WORDS} words:
   *   from, to, low and high half of the seed, and of the checksum, which is put there.
   * @param count Entries.
   * @param length Bytes of each, a multiple of 64, not 0.
   */
  copySummed(list: number, count: number, length: number): void;
  /**
   * Computes the XXH64 checksum of bytes in the pool.
   *
   * @param offset Byte offset of the first byte.
   * @param length Bytes.
   * @param seedLo Low half of the seed.
   * @param seedHi High half of the seed.
   * @param out Receives `[low, high]`.
   */
  checksum(
    offset: number,
    length: number,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void;
  /**
   * As {@linkcode checksum}, of bytes that lie outside the pool.
   *
   * @param bytes Any length up to 512 MiB.
   */
  checksumOf(
    bytes: Uint8Array,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void;
}

/**
 * A hasher that only counts: for tests of hash counts at sizes where hashing
 * would take too long. It writes nothing.
 */
export function countingHasher(): BatchHasher {
  let hashes = 0;
  return {
    engine: "counting",
    get hashes(): number {
      return hashes;
    },
    hashBatch(_op: number, _list: number, count: number): void {
      hashes += count;
    },
    digest(): void {
      hashes += 1;
    },
  };
}
