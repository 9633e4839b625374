// This module is browser compatible.
//
// How the one block of memory of an open store is shared out: frames of pages,
// the region that the hashers want, and the log's staging region.

import type { Scheme } from "@stemma/verify";
import type { Checksums } from "../hash/ops.ts";
import type { Counters } from "../metrics.ts";
import { keyRule } from "../tree/keys.ts";
import { PagePool } from "../tree/pool.ts";
import type { Fault } from "./faults.ts";
import type { OpenFiles } from "./files.ts";
import {
  type HasherOptions,
  reservedBytes,
  wantsShared,
  wantsWasm,
  writesLater,
} from "./hashers.ts";
import type { Header } from "./header.ts";
import { CommitLog, stagingBytes } from "./log.ts";
import { Segments } from "./segments.ts";

/** Frames of a pool that tests want to be small. */
const FEW_FRAMES = 128;
/** Where those of a pool lie that tests want to be high: few of them below 2 GiB. */
const HIGH_FRAMES = 2 ** 31 - 2 ** 18;

/** What the pool depends on besides the store's header. */
interface PoolChoices {
  readonly scheme: Scheme;
  readonly cacheBytes: number;
  readonly prepareMemory: ((memory: ArrayBufferLike) => unknown) | undefined;
  readonly hashing: HasherOptions;
  readonly faults: ReadonlySet<Fault>;
}

/** The commit log, with its staging region in the pool. */
export function makeLog(
  { log }: OpenFiles,
  { segmentBytes, storeId }: Header,
  { stagingAt, pages }: PagePool,
  sums: Checksums,
  shared: Counters,
): CommitLog {
  const end = stagingAt + stagingBytes(segmentBytes);
  return new CommitLog(
    log,
    new Segments(log, segmentBytes, storeId),
    storeId,
    shared,
    pages.u8.subarray(stagingAt, end),
    (from, to, low, high, out) =>
      sums.checksum(stagingAt + from, to - from, low, high, out),
  );
}

/** The pool of a store, with the regions that hashers and the log want. */
export function makePool(
  { pageBytes, segmentBytes }: Header,
  { pages }: OpenFiles,
  { cacheBytes, prepareMemory, scheme, hashing, faults }: PoolChoices,
  shared: Counters,
): PagePool {
  const isLater = writesLater(pages, scheme, hashing);
  return new PagePool({
    pageBytes,
    cacheBytes,
    framesMin: faults.has("few-frames") ? FEW_FRAMES : undefined,
    framesFrom: faults.has("high-frames") ? HIGH_FRAMES : undefined,
    rule: keyRule(scheme),
    reservedBytes: reservedBytes(scheme, hashing),
    stagingBytes: stagingBytes(segmentBytes),
    wasm: wantsWasm(scheme, hashing.choice),
    shared: isLater || wantsShared(scheme, hashing),
    writesLater: isLater,
    prepareMemory,
    counters: shared,
  });
}
