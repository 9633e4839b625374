// Stemma itself as the benchmark drives it, with the parts of a commit timed.

import { denoFs, type DenoFsOptions } from "../../backends/deno_fs.ts";
import { hugePages } from "../../backends/huge_pages.ts";
import { memoryBackend } from "../../backends/memory.ts";
import { open, type OpenOptions, type Stemma } from "../../mod.ts";
import type { Peer, Subject } from "../subject.ts";
import { TimedBackend } from "../timed_backend.ts";
import type { Batch } from "../workloads.ts";

/** Memory for pages unless told otherwise. */
export const CACHE_BYTES = 1 << 30;

/** Options of a store, and of its files. */
export type SubjectOptions = OpenOptions & DenoFsOptions;

/** Milliseconds of the parts of commits, summed up. */
export interface CommitTimes {
  set: number;
  prepare: number;
  commit: number;
}

/** An open store of ours. */
export class StemmaSubject implements Subject {
  readonly db: Stemma;
  readonly backend: TimedBackend;
  readonly times: CommitTimes = { set: 0, prepare: 0, commit: 0 };
  /** The last commit's witness, when one was asked for. */
  witness: Uint8Array | undefined;

  /** @param backend What the store was opened on. */
  constructor(db: Stemma, backend: TimedBackend) {
    this.db = db;
    this.backend = backend;
  }

  /** Opens a store on files, or in memory without a directory. */
  static async open(
    directory: string | undefined,
    { readers, writer, ...options }: SubjectOptions = {},
  ): Promise<StemmaSubject> {
    const inner = directory === undefined
      ? memoryBackend()
      : denoFs(directory, { readers, writer });
    const backend = new TimedBackend(inner);
    const db = await open(backend, {
      cacheBytes: CACHE_BYTES,
      prepareMemory: hugePages,
      ...options,
    });
    return new StemmaSubject(db, backend);
  }

  /** Milliseconds in flushes so far. */
  get flushed(): number {
    return this.backend.times.flush;
  }

  read({ reads }: Batch): number {
    let found = 0;
    for (const key of reads) if (this.db.get(key) !== undefined) found++;
    return found;
  }

  async commit({ keys, values }: Batch, witness = false): Promise<void> {
    const t0 = performance.now();
    using session = this.db.begin({ witness });
    for (let i = 0; i < keys.length; i++) {
      const value = values[i];
      if (value === undefined) session.delete(keys[i]);
      else session.set(keys[i], value);
    }
    const t1 = performance.now();
    const next = session.prepare();
    const t2 = performance.now();
    await next.commit();
    this.witness = next.witness;
    this.times.set += t1 - t0;
    this.times.prepare += t2 - t1;
    this.times.commit += performance.now() - t2;
  }

  async settle(): Promise<void> {
    const { times } = this.backend;
    times.isWaiting = true;
    await this.db.checkpoint();
    times.isWaiting = false;
  }

  close(): Promise<void> {
    return this.db.close();
  }
}

/** Ours as one of the peers. */
export function stemma(scheme: string, options: OpenOptions = {}): Peer {
  return {
    name: "stemma",
    version: scheme,
    isDurable: true,
    isAuthenticated: true,
    needsFixed: false,
    lacks: "",
    open: (directory) =>
      StemmaSubject.open(directory, {
        scheme: scheme as OpenOptions["scheme"],
        ...options,
      }),
  };
}
