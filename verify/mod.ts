// This module is browser compatible.

/**
 * Verifies proofs and witnesses of Stemma, and of every tree that has the same
 * roots, against a 32-byte root: small, synchronous, pure JavaScript.
 *
 * @example Verify that a key is absent from the empty tree
 * ```ts
 * import { schemeByName, verifyKey } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]);
 * const root = new Uint8Array(32);
 * const scheme = schemeByName("nomt-blake3")!;
 * const verdict = verifyKey(scheme, root, new Uint8Array(32), proof);
 * assertEquals(verdict, { status: "absent" });
 * ```
 *
 * @module
 */

export * from "./by_name.ts";
export * from "./core.ts";
export * from "./eip7864_blake3.ts";
export * from "./eip7864_sha256.ts";
export * from "./eip8297_blake3.ts";
export * from "./jam_blake2b.ts";
export * from "./nomt_blake3.ts";
export * from "./nomt_sha256.ts";
