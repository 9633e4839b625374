// This module is browser compatible.
//
// Which batch hasher a store uses: the WebAssembly kernels where they work and
// know the scheme's hash, plain JavaScript everywhere else. Both give the same
// bytes.

import type { Scheme } from "@stemma/verify";
import { UnsupportedError } from "../../backends/errors.ts";
import {
  hashtreeHasher,
  type HashtreeModule,
} from "../hash/hashtree_hasher.ts";
import { jsHasher } from "../hash/js_hasher.ts";
import {
  type BatchHasher,
  type Checksums,
  countingHasher,
} from "../hash/ops.ts";
import { EDITS_BYTES } from "../hash/kernel_layout.ts";
import { KERNEL_COPY_SUMMED } from "../hash/kernel_copies.ts";
import { RESERVED_BYTES, WasmHasher, wasmHasher } from "../hash/wasm_hasher.ts";
import {
  QUEUE_BYTES,
  type SecondThread,
  secondThread,
} from "../hash/threads.ts";
import type { PagePool } from "../tree/pool.ts";
import type { StoreFile } from "./file.ts";

/** Groups of pages that may be edited before they are settled. */
const GROUPS = 8;
/** The same with a second thread. */
const SHARED_GROUPS = 16;

/** How hashes are computed; `"auto"` takes the fastest that works here. */
export type HasherChoice = "auto" | "js" | "wasm";

/** What computes hashes, and checksums of bytes in the pool. */
export interface Hashers {
  readonly hasher: BatchHasher;
  readonly sums: Checksums;
  /** A second thread, where one was wanted and can be had. */
  readonly second: SecondThread | undefined;
  /** Room for groups of pages to be edited; none without the kernels. */
  readonly edits: { readonly at: number; readonly groups: number };
}

/** How a store's hashers are chosen. */
export interface HasherOptions {
  readonly choice: HasherChoice;
  readonly threads: 1 | 2;
  /** A worker that serves as second thread, where none can be made. */
  readonly worker: Worker | undefined;
  /** A native SHA-256, to be used if it works. */
  readonly hashtree: HashtreeModule | undefined;
  /** Count hashes instead of computing them. */
  readonly onlyCount: boolean;
}

/** Whether the pool has to be shared memory, for a second thread. */
export function wantsShared(scheme: Scheme, options: HasherOptions): boolean {
  return options.threads === 2 && canShare(scheme, options);
}

/** Whether it has to be, so that pages may be written by a thread of the backend. */
export function writesLater(
  file: StoreFile,
  scheme: Scheme,
  options: HasherOptions,
): boolean {
  return file.canLend && canShare(scheme, options);
}

function canShare(scheme: Scheme, { choice }: HasherOptions): boolean {
  return wantsWasm(scheme, choice) && typeof SharedArrayBuffer === "function";
}

/** Lends a file what writes its pages later, where there are kernels for that. */
export function lendKernel(
  file: StoreFile,
  { memory, laterAt }: PagePool,
  { sums }: Hashers,
): void {
  if (laterAt === 0 || !(sums instanceof WasmHasher)) return;
  const { module } = sums.compiled;
  const name = KERNEL_COPY_SUMMED;
  file.lend({ module, memory: memory!, base: laterAt, name });
}

const KERNEL_HASHES = ["blake3", "sha256", "blake2b-256"];

/** Bytes of the pool that the hasher of a scheme needs for itself. */
export function reservedBytes(
  scheme: Scheme,
  options: HasherOptions,
): number {
  if (!wantsWasm(scheme, options.choice)) return 0;
  const { at, groups } = editsRegion(scheme, options);
  return at + groups * EDITS_BYTES;
}

/** Where in those bytes groups of pages to be edited lie, and how many. */
function editsRegion(
  scheme: Scheme,
  options: HasherOptions,
): { at: number; groups: number } {
  return wantsShared(scheme, options)
    ? { at: RESERVED_BYTES + QUEUE_BYTES + 15 & ~15, groups: SHARED_GROUPS }
    : { at: RESERVED_BYTES + 15 & ~15, groups: GROUPS };
}

/** Whether the pool should be memory that kernels can work on. */
export function wantsWasm(scheme: Scheme, choice: HasherChoice): boolean {
  return choice !== "js" && typeof WebAssembly === "object" &&
    KERNEL_HASHES.includes(scheme.hashName);
}

/**
 * Makes a store's hasher.
 *
 * @throws {UnsupportedError} When `"wasm"` is wanted and does not work here.
 */
export function makeHashers(
  pool: PagePool,
  scheme: Scheme,
  options: HasherOptions,
): Hashers {
  const js = jsHasher(pool.buffer, scheme), second = undefined;
  const region = editsRegion(scheme, options);
  const edits = { ...region, at: pool.reservedAt + region.at };
  if (options.onlyCount) {
    return { hasher: countingHasher(), sums: js, second, edits };
  }
  const hasher = pool.memory === undefined
    ? undefined
    : wasmHasher(pool.memory, pool.reservedAt, scheme);
  if (hasher === undefined) {
    if (options.choice === "wasm") throw noKernels(scheme);
    const hasher = native(pool, scheme, options, js) ?? js;
    return { hasher, sums: js, second, edits };
  }
  const kernels: Hashers = { hasher, sums: hasher, second, edits };
  const add = native(pool, scheme, options, hasher);
  if (add !== undefined) return { ...kernels, hasher: add };
  if (!wantsShared(scheme, options)) return kernels;
  return {
    ...kernels,
    second: secondThread(
      hasher,
      pool.memory!,
      pool.reservedAt,
      options.worker,
      { at: pool.reservedAt + RESERVED_BYTES, bytes: QUEUE_BYTES },
    ),
  };
}

/** The native hasher, where one is given, of use and right. */
function native(
  { buffer }: PagePool,
  scheme: Scheme,
  { hashtree }: HasherOptions,
  inner: BatchHasher,
): BatchHasher | undefined {
  if (hashtree === undefined || scheme.hashName !== "sha256") return undefined;
  return hashtreeHasher(buffer, hashtree, inner, scheme.hash);
}

function noKernels(scheme: Scheme): UnsupportedError {
  return new UnsupportedError(
    "Cannot open store: WebAssembly SIMD does not work here, or has no " +
      `kernel for ${scheme.hashName}`,
  );
}
