// This module is browser compatible.

/**
 * What a writer of proofs shares with the verifier: the order of a query's
 * items, which nodes they open, and the constants of the format. For
 * programs that make proofs; checking them needs none of this.
 *
 * @example Bring a query into the order of a proof
 * ```ts
 * import { nomtBlake3 } from "@stemma/verify";
 * import { mergeItems, queryItems } from "@stemma/verify/encoding";
 * import { assertEquals } from "@std/assert";
 *
 * const key = new Uint8Array(32);
 * const items = mergeItems(queryItems(nomtBlake3, { keys: [key, key] }));
 * assertEquals(items.length, 1);
 * ```
 *
 * @module
 */

export { compareBytes } from "./_bytes.ts";
export { BRANCH, EMPTY, HASH, TERMINAL, VALUE_MAX } from "./_tree.ts";
export * from "./query.ts";
export * from "./ranges.ts";
export { PROOF_VERSION } from "./verify.ts";
export { WITNESS_VERSION } from "./witness.ts";
