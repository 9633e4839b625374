// This module is browser compatible.

// The scheme `nomt-blake3`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see _nomt.ts.

import { blake3 } from "./_blake3.ts";
import type { Scheme } from "./scheme.ts";
import { nomtScheme } from "./_nomt.ts";

/**
 * Scheme `nomt-blake3`: scheme byte 1.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { nomtBlake3 } from "@stemma/verify/nomt_blake3";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nomtBlake3.name, "nomt-blake3");
 * assertEquals(nomtBlake3.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const nomtBlake3: Scheme = /* @__PURE__ */ nomtScheme(
  1,
  "nomt-blake3",
  "blake3",
  blake3,
);
