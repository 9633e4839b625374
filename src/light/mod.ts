// This module is browser compatible.

/**
 * A light client: holds a trusted root, verifies proofs and witnesses from
 * strangers before it keeps anything, and answers from what it has verified.
 * Brings no hash function: import a scheme beside it.
 *
 * @example
 * ```ts
 * import { LightClient } from "@stemma/db/light";
 * import { nomtBlake3 } from "@stemma/verify/nomt_blake3";
 * import { assertEquals } from "@std/assert";
 *
 * const light = await LightClient.open({
 *   scheme: nomtBlake3,
 *   checkpoint: { height: 0, root: new Uint8Array(32), time: Date.now() },
 * });
 * assertEquals(light.get(new Uint8Array(32)).status, "unknown");
 * ```
 *
 * @module
 */

export { LightClient } from "./client.ts";
export type { Checkpoint, LightOptions, LightVerdict } from "./client.ts";
export { LightError } from "./errors.ts";
export { LightServer } from "./follow.ts";
export type { ServerHead } from "./follow.ts";
export { lightIdb, lightOpfs } from "./storage.ts";
export type { LightStorage } from "./storage.ts";
