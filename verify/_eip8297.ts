// This module is browser compatible.

// The EIP-8297 family: prefix-free keys of 1 to 8192 bytes; a branch holds the
// run of bits that its keys share, so there are no one-child levels.
// Specification: EIP-8297, "Merkelization".

import { prefixRules } from "./_prefixed.ts";
import type { HashFunction, Scheme } from "./scheme.ts";
import { packBits } from "./scheme.ts";

/**
 * Makes a scheme of the EIP-8297 family. Internal: for the scheme files and
 * tests.
 *
 * @param id Scheme byte.
 * @param name Scheme name.
 * @param hashName Name of the hash function.
 * @param hash The hash function.
 * @returns The scheme.
 */
export function eip8297Scheme(
  id: number,
  name: string,
  hashName: string,
  hash: HashFunction,
): Scheme {
  return {
    name,
    id,
    family: "eip8297",
    hashName,
    keyBytesMin: 1,
    keyBytesMax: 8192,
    valueBytes: 32,
    hash,
    rules: prefixRules,
    terminal(key, value) {
      const message = new Uint8Array(1 + key.length + 32);
      message.set(key, 1);
      message.set(value, 1 + key.length);
      return hash(message);
    },
    branch(left, right, key, depth, top) {
      const prefix = packBits(key, top, depth - top);
      const message = new Uint8Array(3 + prefix.length + 64);
      message[0] = 1;
      message[1] = (depth - top) >> 8;
      message[2] = depth - top;
      message.set(prefix, 3);
      message.set(left, 3 + prefix.length);
      message.set(right, 35 + prefix.length);
      return hash(message);
    },
    lift: (node) => node,
  };
}
