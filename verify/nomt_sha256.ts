// This module is browser compatible.

// The scheme `nomt-sha256`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see _nomt.ts.

import type { Scheme } from "./scheme.ts";
import { sha256 } from "./_sha256.ts";
import { nomtScheme } from "./_nomt.ts";

/**
 * Scheme `nomt-sha256`: scheme byte 2.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { nomtSha256 } from "@stemma/verify/nomt_sha256";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nomtSha256.name, "nomt-sha256");
 * assertEquals(nomtSha256.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const nomtSha256: Scheme = /* @__PURE__ */ nomtScheme(
  2,
  "nomt-sha256",
  "sha256",
  sha256,
);
