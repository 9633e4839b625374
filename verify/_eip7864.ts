// This module is browser compatible.

// The EIP-7864 family (text of 9 March 2026): 31-byte stems, 256 slots of 32
// bytes below each. Nodes are untagged; docs/proofs.md says what the verifier
// does about that. Specification: EIP-7864, "Tree structure" and "Node
// merkelization".

import { stemRules } from "./_stems.ts";
import type { HashFunction, Scheme } from "./scheme.ts";
import { hashPair, pairScheme, ZERO } from "./scheme.ts";

const isZero = (hash: Uint8Array): boolean => hash.every((byte) => !byte);

/**
 * Makes a scheme of the EIP-7864 family. Internal: for the scheme files and
 * tests.
 *
 * @param id Scheme byte.
 * @param name Scheme name.
 * @param hashName Name of the hash function.
 * @param hash The hash function.
 * @returns The scheme.
 */
export function eip7864Scheme(
  id: number,
  name: string,
  hashName: string,
  hash: HashFunction,
): Scheme {
  return pairScheme(
    {
      name,
      id,
      family: "eip7864",
      hashName,
      keyBytesMin: 32,
      keyBytesMax: 32,
      valueBytes: 32,
      hash,
      rules: stemRules,
      terminal(key, slotRoot) {
        const stem = new Uint8Array(32);
        stem.set(key.subarray(0, 31));
        return hashPair(hash, stem, slotRoot);
      },
    },
    (left, right) =>
      isZero(left) && isZero(right) ? ZERO : hashPair(hash, left, right),
  );
}
