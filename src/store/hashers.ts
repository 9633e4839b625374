// This module is browser compatible.
//
// Which batch hasher a store uses: the WebAssembly kernels where they work and
// know the scheme's hash, plain JavaScript everywhere else. Both give the same
// bytes.

import type { Scheme } from "@stemma/verify";
import { UnsupportedError } from "../../backends/errors.ts";
import { jsHasher } from "../hash/js_hasher.ts";
import { type BatchHasher, countingHasher } from "../hash/ops.ts";
import { RESERVED_BYTES, wasmHasher } from "../hash/wasm_hasher.ts";
import { xxh64 } from "../hash/xxh64.ts";
import type { PagePool } from "../tree/pool.ts";
import type { PoolChecksum } from "./page_file.ts";

/** How hashes are computed; `"auto"` takes the fastest that works here. */
export type HasherChoice = "auto" | "js" | "wasm";

/** What computes hashes, and checksums of bytes in the pool. */
export interface Hashers {
  readonly hasher: BatchHasher;
  readonly checksum: PoolChecksum;
}

const KERNEL_HASHES = ["blake3", "sha256", "blake2b-256"];

/** Bytes of the pool that the hasher of a scheme needs for itself. */
export function reservedBytes(scheme: Scheme, choice: HasherChoice): number {
  return wantsWasm(scheme, choice) ? RESERVED_BYTES : 0;
}

/** Whether the pool should be memory that kernels can work on. */
export function wantsWasm(scheme: Scheme, choice: HasherChoice): boolean {
  return choice !== "js" && typeof WebAssembly === "object" &&
    KERNEL_HASHES.includes(scheme.hashName);
}

/**
 * Makes a store's hasher.
 *
 * @param onlyCount Count hashes instead of computing them.
 * @throws {UnsupportedError} When `"wasm"` is wanted and does not work here.
 */
export function makeHashers(
  pool: PagePool,
  scheme: Scheme,
  choice: HasherChoice,
  onlyCount: boolean,
): Hashers {
  const { u8 } = pool.pages;
  const checksum: PoolChecksum = (at, length, low, high, out) =>
    xxh64(u8, at, at + length, low, high, out);
  if (onlyCount) return { hasher: countingHasher(), checksum };
  const hasher = pool.memory === undefined
    ? undefined
    : wasmHasher(pool.memory, pool.reservedAt, scheme);
  if (hasher !== undefined) {
    return {
      hasher,
      checksum: (at, length, low, high, out) =>
        hasher.checksum(at, length, low, high, out),
    };
  }
  if (choice === "wasm") {
    throw new UnsupportedError(
      "Cannot open store: WebAssembly SIMD does not work here, or has no " +
        `kernel for ${scheme.hashName}`,
    );
  }
  return { hasher: jsHasher(pool.buffer, scheme), checksum };
}
