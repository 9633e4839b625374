// This module is browser compatible.
//
// What `db.metrics()` reports.

import type { Core } from "./core.ts";
import type { Counters } from "./metrics.ts";

/** Counters since opening, and sizes now. Bytes are bytes, counts are counts. */
export interface Metrics extends Counters {
  /** What computes hashes: `"js"`, `"wasm-simd"`, ... */
  readonly hasher: string;
  /** Messages hashed. */
  readonly hashes: number;
  /** Bytes of memory reserved for pages. */
  readonly cacheBytesMax: number;
  /** Bytes of memory that hold pages. */
  readonly cacheBytes: number;
  /** Pages in memory that the page file does not have. */
  readonly unwrittenPages: number;
  /** Versions besides the head that hold pages. */
  readonly liveVersions: number;
  /** Size of the page file, in bytes. */
  readonly pageFileSize: number;
  /** Bytes of the page file that hold nothing. */
  readonly pageFileFree: number;
  /** Size of the commit log, in bytes. */
  readonly logSize: number;
  /** Bytes of the commit log that hold nothing any more. */
  readonly logFree: number;
  /** Whether writing is off after a failed write or flush. */
  readonly isPoisoned: boolean;
  /** Why the last automatic checkpoint could not be made, if so. */
  readonly checkpointError: unknown;
}

/** Collects the metrics of a store. */
export function metricsOf({ storage }: Core): Metrics {
  const { pool, hasher, versions } = storage;
  const sizes = storage.sizes();
  return {
    ...storage.counters,
    hasher: hasher.engine,
    hashes: hasher.hashes,
    cacheBytesMax: pool.frameCount * pool.pageBytes,
    cacheBytes: pool.cachedBytes,
    unwrittenPages: pool.unwritten,
    liveVersions: versions.liveCount,
    pageFileSize: sizes.pages,
    pageFileFree: sizes.freePages,
    logSize: sizes.log,
    logFree: sizes.freeLog,
    isPoisoned: storage.poison !== undefined,
    checkpointError: storage.checkpointError,
  };
}
