// This module is browser compatible.

// The scheme `jam-blake2b`, with nothing but its own hash function, so that a bundle
// that needs one scheme carries one hash. Specification: see _jam.ts.

import { _BLAKE2b } from "@noble/hashes/blake2.js";
import { reusing } from "./_reusing.ts";
import type { Scheme } from "./scheme.ts";
import { jamScheme } from "./_jam.ts";

/**
 * Scheme `jam-blake2b`: scheme byte 3.
 *
 * @example Root of a tree with one entry
 * ```ts
 * import { jamBlake2b } from "@stemma/verify/jam_blake2b";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(jamBlake2b.name, "jam-blake2b");
 * assertEquals(jamBlake2b.hash(new Uint8Array(0)).length, 32);
 * ```
 */
export const jamBlake2b: Scheme = /* @__PURE__ */ jamScheme(
  3,
  "jam-blake2b",
  "blake2b-256",
  /* @__PURE__ */ reusing(
    /* @__PURE__ */ new _BLAKE2b({ dkLen: 32 }),
  ),
);
