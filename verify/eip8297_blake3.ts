// This module is browser compatible.

// The scheme `eip8297-blake3`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see
// _eip8297.ts.

import { blake3 } from "./_blake3.ts";
import type { Scheme } from "./scheme.ts";
import { eip8297Scheme } from "./_eip8297.ts";

/**
 * Scheme `eip8297-blake3`: scheme byte 6.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { eip8297Blake3 } from "@stemma/verify/eip8297_blake3";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(eip8297Blake3.name, "eip8297-blake3");
 * assertEquals(eip8297Blake3.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const eip8297Blake3: Scheme = /* @__PURE__ */ eip8297Scheme(
  6,
  "eip8297-blake3",
  "blake3",
  blake3,
);
