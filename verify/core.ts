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

export { applyWrites, type Write } from "./apply_writes.ts";
export { boundaryNodes } from "./boundary.ts";
export { entries } from "./entries.ts";
export * from "./errors.ts";
export { mergeTrees } from "./merge.ts";
export type { PartialTree, Present, Verdict } from "./partial_tree.ts";
export type { Item, KeyRange, Query } from "./query.ts";
export type { Rules } from "./_rules.ts";
export type { Parser } from "./_tree.ts";
export * from "./scheme.ts";
export { type PathStep, type SiblingPath, toPath } from "./to_path.ts";
export { decodePartial, type Limits, verify, verifyKey } from "./verify.ts";
export { type VerifiedStep, verifyWitness } from "./witness.ts";
