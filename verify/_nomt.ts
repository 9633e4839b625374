// This module is browser compatible.

// The NOMT family: 256-bit paths; the top bit of a node's hash tells terminals
// (1) from branches (0). Specification: thrumdev/nomt, core/src/hasher.rs and
// docs/nomt_specification.md.

import type { HashFunction, Scheme } from "./scheme.ts";
import { hashPair, pairScheme } from "./scheme.ts";

/**
 * Makes a scheme of the NOMT family. Internal: for the scheme files and tests.
 *
 * @param id Scheme byte.
 * @param name Scheme name.
 * @param hashName Name of the hash function.
 * @param hash The hash function.
 * @returns The scheme.
 */
export function nomtScheme(
  id: number,
  name: string,
  hashName: string,
  hash: HashFunction,
): Scheme {
  return pairScheme({
    name,
    id,
    family: "nomt",
    hashName,
    keyBytesMin: 32,
    keyBytesMax: 32,
    hash,
    terminal(key, value, hashed) {
      const out = hashPair(hash, key, hashed ? value : hash(value));
      out[0] |= 0x80;
      return out;
    },
  }, (left, right) => {
    const out = hashPair(hash, left, right);
    out[0] &= 0x7f;
    return out;
  });
}
