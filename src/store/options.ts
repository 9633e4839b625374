// This module is browser compatible.
//
// What a store is opened with, as the storage wants it.

import type { Scheme } from "@stemma/verify";
import type { Fault } from "./faults.ts";
import type { CreateMode } from "./files.ts";
import type { HasherOptions } from "./hashers.ts";
import type { HistoryBounds } from "./window.ts";

/** Everything that can be chosen when a store is opened. */
export interface StorageOptions {
  readonly scheme: Scheme;
  readonly create: CreateMode;
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly cacheBytes: number;
  readonly history: HistoryBounds;
  /** Commits that may wait for a flush; 1 = each is durable at once. */
  readonly flushEvery: number;
  readonly checkpointBytes: number;
  readonly checkpointCommits: number;
  readonly prepareMemory: ((memory: ArrayBufferLike) => unknown) | undefined;
  readonly hashing: HasherOptions;
  readonly faults: ReadonlySet<Fault>;
}
