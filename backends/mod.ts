// This module is browser compatible.
/**
 * The storage-backend interface, its errors, and the backend in memory. The
 * other backends have entry points of their own, so that a program loads only
 * what its host can run.
 *
 * @example Usage
 * ```ts
 * import { memoryBackend } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = memoryBackend();
 * assertEquals(await backend.list(), []);
 * ```
 *
 * @module
 */
export * from "./types.ts";
export * from "./errors.ts";
export * from "./memory.ts";
