// This module is browser compatible.

// Finds a scheme by its name or its byte. Apart from the scheme files because
// it pulls in every hash function: a bundle for one scheme imports that scheme.

import { eip7864Blake3 } from "./eip7864_blake3.ts";
import { eip7864Sha256 } from "./eip7864_sha256.ts";
import { eip8297Blake3 } from "./eip8297_blake3.ts";
import { jamBlake2b } from "./jam_blake2b.ts";
import { nomtBlake3 } from "./nomt_blake3.ts";
import { nomtSha256 } from "./nomt_sha256.ts";
import type { Scheme } from "./scheme.ts";

/**
 * All schemes, in order of their bytes.
 *
 * @example List them
 * ```ts
 * import { schemes } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(schemes.length, 6);
 * ```
 */
export const schemes: readonly Scheme[] = [
  nomtBlake3,
  nomtSha256,
  jamBlake2b,
  eip7864Sha256,
  eip7864Blake3,
  eip8297Blake3,
];

/**
 * Finds a scheme by name.
 *
 * @param name For example `"nomt-blake3"`.
 * @returns The scheme, or `undefined` when there is none of that name.
 *
 * @example Look a name up
 * ```ts
 * import { schemeByName } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(schemeByName("jam-blake2b")?.keyBytesMax, 31);
 * assertEquals(schemeByName("rot13"), undefined);
 * ```
 */
export function schemeByName(name: string): Scheme | undefined {
  return schemes.find((scheme) => scheme.name === name);
}

/**
 * Finds a scheme by the byte that stands in files and proofs.
 *
 * @param id For example 1 for `nomt-blake3`.
 * @returns The scheme, or `undefined` when no scheme has that byte.
 *
 * @example Look a byte up
 * ```ts
 * import { schemeById } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(schemeById(2)?.name, "nomt-sha256");
 * ```
 */
export function schemeById(id: number): Scheme | undefined {
  return schemes.find((scheme) => scheme.id === id);
}
