// This module is browser compatible.

// The scheme `eip7864-sha256`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see
// _eip7864.ts.

import { sha256 } from "./_sha256.ts";
import type { Scheme } from "./scheme.ts";
import { eip7864Scheme } from "./_eip7864.ts";

/**
 * Scheme `eip7864-sha256`: scheme byte 4.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { eip7864Sha256 } from "@stemma/verify/eip7864_sha256";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(eip7864Sha256.name, "eip7864-sha256");
 * assertEquals(eip7864Sha256.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const eip7864Sha256: Scheme = /* @__PURE__ */ eip7864Scheme(
  4,
  "eip7864-sha256",
  "sha256",
  sha256,
);
