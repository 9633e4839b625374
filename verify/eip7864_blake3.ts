// This module is browser compatible.

// The scheme `eip7864-blake3`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see
// _eip7864.ts.

import { blake3 } from "./_blake3.ts";
import type { Scheme } from "./scheme.ts";
import { eip7864Scheme } from "./_eip7864.ts";

/**
 * Scheme `eip7864-blake3`: scheme byte 5.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { eip7864Blake3 } from "@stemma/verify/eip7864_blake3";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(eip7864Blake3.name, "eip7864-blake3");
 * assertEquals(eip7864Blake3.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const eip7864Blake3: Scheme = /* @__PURE__ */ eip7864Scheme(
  5,
  "eip7864-blake3",
  "blake3",
  blake3,
);
