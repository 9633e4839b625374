// This module is browser compatible.

// The JAM family: 31-byte keys, 64-byte nodes whose first bit tells leaves (1)
// from branches (0). Specification: Gray Paper 0.7, appendix D.2 (D.3: branch
// B and leaf L).

import { fail } from "./_bytes.ts";
import type { Rules } from "./_rules.ts";
import { AT, BRANCH, HASH, ROW } from "./_tree.ts";
import type { HashFunction, Scheme } from "./scheme.ts";
import { pairScheme } from "./scheme.ts";

/** A left hash is written without its first bit, which is not hashed. */
const jamRules: Rules = {
  embedMax: 32,
  leaf({ rows, data }, row, kind) {
    if (
      kind === HASH && rows[row - ROW] === BRANCH && data[rows[row + AT]] > 127
    ) fail("left-bit");
  },
};

/**
 * The 64 bytes of a branch: the first bit of the left hash is dropped.
 *
 * @param left Hash of the left child, 32 bytes.
 * @param right Hash of the right child, 32 bytes.
 * @returns 64 fresh bytes.
 */
export function jamBranchNode(
  left: Uint8Array,
  right: Uint8Array,
): Uint8Array {
  const node = new Uint8Array(64);
  node.set(left);
  node[0] &= 0x7f;
  node.set(right, 32);
  return node;
}

/**
 * The 64 bytes of a leaf: values up to 32 bytes are embedded, longer ones
 * hashed.
 *
 * @param hash The hash function.
 * @param key 31 bytes.
 * @param value The value, or its hash.
 * @param hashed Whether `value` is the hash of a value over 32 bytes.
 * @returns 64 fresh bytes.
 */
export function jamLeafNode(
  hash: HashFunction,
  key: Uint8Array,
  value: Uint8Array,
  hashed: boolean,
): Uint8Array {
  const node = new Uint8Array(64);
  const embedded = !hashed && value.length <= 32;
  node[0] = embedded ? 0x80 | value.length : 0xc0;
  node.set(key, 1);
  node.set(embedded || hashed ? value : hash(value), 32);
  return node;
}

/**
 * Makes a scheme of the JAM family. Internal: for the scheme files and tests.
 *
 * @param id Scheme byte.
 * @param name Scheme name.
 * @param hashName Name of the hash function.
 * @param hash The hash function.
 * @returns The scheme.
 */
export function jamScheme(
  id: number,
  name: string,
  hashName: string,
  hash: HashFunction,
): Scheme {
  return pairScheme({
    name,
    id,
    family: "jam",
    hashName,
    keyBytesMin: 31,
    keyBytesMax: 31,
    hash,
    rules: jamRules,
    terminal: (key, value, hashed) =>
      hash(jamLeafNode(hash, key, value, hashed)),
  }, (left, right) => hash(jamBranchNode(left, right)));
}
