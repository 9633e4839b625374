// This module is browser compatible.

/**
 * Verifier of Stemma proofs without any hash function: import a scheme beside
 * it, so that a bundle carries one hash.
 *
 * @example Verify with one scheme
 * ```ts
 * import { verifyKey } from "@stemma/verify/core";
 * import { nomtSha256 } from "@stemma/verify/nomt_sha256";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 2, 0, 0, 0, 1, 0]); // of the empty tree
 * const root = new Uint8Array(32);
 * const verdict = verifyKey(nomtSha256, root, new Uint8Array(32), proof);
 * assertEquals(verdict, { status: "absent" });
 * ```
 *
 * @module
 */

export * from "./errors.ts";
export * from "./partial_tree.ts";
export type { KeyRange, Query } from "./query.ts";
export * from "./scheme.ts";
export * from "./verify.ts";
export { applyWrites, type Write } from "./apply_writes.ts";
export { type VerifiedStep, verifyWitness } from "./witness.ts";
