// This module is browser compatible.

/**
 * An embedded, authenticated key-value store: every state has a 32-byte root,
 * every read can be proven, every batch of writes gives a new root and a witness.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { verifyKey } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * const key = new Uint8Array(32).fill(1), value = new Uint8Array([42]);
 * using session = db.begin();
 * session.set(key, value);
 * await session.prepare().commit();
 *
 * using snapshot = db.snapshot();
 * const proof = snapshot.prove(key);
 * const claim = verifyKey(db.scheme, db.root, key, proof);
 * assertEquals(claim.status, "present");
 * ```
 *
 * @module
 */

export { memoryBackend } from "./backends/memory.ts";
export type { StorageBackend, StorageFile } from "./backends/types.ts";
export * from "./src/errors.ts";
export { open, Stemma } from "./src/database.ts";
export type {
  BeginOptions,
  Durability,
  Expectation,
  Head,
  OpenOptions,
} from "./src/database.ts";
export { Prepared } from "./src/prepared.ts";
export type { CommitOptions } from "./src/prepared.ts";
export { Session } from "./src/session.ts";
export type { SessionOptions } from "./src/session.ts";
export { Snapshot } from "./src/snapshot.ts";
export { View } from "./src/view.ts";
export type { ProofQuery } from "./src/view.ts";
export type { Range } from "./src/tree_reader.ts";
export type { Commit, CommitsOptions } from "./src/commits.ts";
export type { CheckOptions, CheckProgress } from "./src/check.ts";
export type { ImportOptions } from "./src/transfer.ts";
export type { Metrics } from "./src/metrics_report.ts";
export type { Counters } from "./src/metrics.ts";
export type { CreateMode } from "./src/store/files.ts";
export { serveSecondThread } from "./src/hash/threads.ts";
export type { HashtreeModule } from "./src/hash/hashtree_hasher.ts";
export type { HasherChoice } from "./src/store/hashers.ts";
