// This module is browser compatible.
//
// The same commits on any backend, timed: in a worker on OPFS when this is the
// script of one, and called with files of Deno by `bench/chromium.ts`.

import { opfs } from "../../../backends/opfs.ts";
import type { StorageBackend } from "../../../backends/types.ts";
import { open } from "../../../mod.ts";

/** How much is done. */
export interface CommitBench {
  /** Commits that are timed; one more comes before. */
  readonly commits: number;
  /** Writes of each. */
  readonly writes: number;
  /** Bytes of a value. */
  readonly valueBytes: number;
}

/** Milliseconds of each commit, from `begin` to durable, and of a checkpoint. */
export async function benchCommits(
  backend: StorageBackend,
  { commits, writes, valueBytes }: CommitBench,
): Promise<{ commits: number[]; checkpoint: number }> {
  const db = await open(backend, { cacheBytes: 256 << 20, create: "must" });
  const times: number[] = [];
  let state = 1;
  const key = new Uint8Array(32), words = new Uint32Array(key.buffer);
  const value = new Uint8Array(valueBytes);
  for (let n = 0; n <= commits; n++) {
    const start = performance.now();
    using session = db.begin();
    for (let i = 0; i < writes; i++) {
      for (let w = 0; w < 8; w++) {
        state = Math.imul(state, 1664525) + 1013904223 | 0;
        words[w] = state ^ state >>> 15;
      }
      value[0] = i;
      session.set(key, value);
    }
    await session.prepare().commit();
    if (n > 0) times.push(performance.now() - start);
  }
  const start = performance.now();
  await db.checkpoint();
  const checkpoint = performance.now() - start;
  await db.close();
  return { commits: times, checkpoint };
}

const scope = globalThis as unknown as {
  WorkerGlobalScope?: unknown;
  Deno?: { version?: unknown };
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
};

if (
  scope.WorkerGlobalScope !== undefined && scope.Deno?.version === undefined
) {
  scope.onmessage = async ({ data }) => {
    try {
      scope.postMessage(await benchCommits(opfs(data.path), data));
    } catch (error) {
      scope.postMessage(String(error));
    }
  };
}
