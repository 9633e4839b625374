// This module is browser compatible.
//
// The stream of commits: the log read forwards by somebody else, to watch or
// to replicate a store.

import type { Core } from "./core.ts";
import { NotRetainedError } from "./errors.ts";
import { COMMIT, type RecordReader } from "./store/record.ts";

/** One commit or rollback. */
export interface Commit {
  /** Its number; each commit and rollback has the next one. */
  readonly sequence: number;
  /** Whether it restored an earlier state. */
  readonly kind: "commit" | "rollback";
  /** Root before: 32 bytes. */
  readonly previousRoot: Uint8Array;
  /** Root after: 32 bytes. */
  readonly root: Uint8Array;
  /** The application's data. */
  readonly meta: Uint8Array;
  /**
   * Changed keys with their new values, `undefined` for deleted ones. Applied
   * in order they lead from the previous root to the root. Read from the log
   * when asked for; a key may occur more than once in very large commits.
   */
  changes(): IterableIterator<[Uint8Array, Uint8Array | undefined]>;
}

/** Where a stream of commits starts and how it ends. */
export interface CommitsOptions {
  /** First sequence wanted; the next commit to come if not given. */
  readonly from?: number;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
}

/**
 * Internal: commits from the log, and then as they come.
 *
 * @internal
 */
export class CommitStream implements AsyncIterableIterator<Commit> {
  readonly #core: Core;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: () => void;
  #sequence: number;
  #position: number | undefined;
  #wake: (() => void) | undefined;
  #isDone = false;

  constructor(core: Core, options: CommitsOptions, onEnd: () => void) {
    this.#core = core;
    this.#signal = options.signal;
    this.#onEnd = onEnd;
    const next = core.storage.head.entry.sequence + 1;
    this.#sequence = options.from ?? next;
    if (!Number.isInteger(this.#sequence) || this.#sequence < 1) {
      throw new RangeError(
        `Cannot follow commits: from is ${this.#sequence}`,
      );
    }
    if (this.#sequence === next) this.#position = core.storage.headEnd;
    options.signal?.addEventListener("abort", this.#abort);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Something may have happened. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async next(): Promise<IteratorResult<Commit>> {
    const { storage } = this.#core;
    for (;;) {
      if (this.#isDone || this.#core.isClosed) return await this.return();
      if (this.#signal?.aborted) {
        await this.return();
        throw this.#signal.reason;
      }
      if (this.#sequence <= storage.head.entry.sequence) break;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const value = this.#read();
    return { done: false, value };
  }

  return(): Promise<IteratorResult<Commit>> {
    this.#isDone = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#onEnd();
    this.wake();
    return Promise.resolve({ done: true, value: undefined });
  }

  readonly #abort = (): void => this.wake();

  #read(): Commit {
    const position = this.#position ?? this.#find();
    const reader = this.#open(position);
    if (reader.sequence !== this.#sequence) throw this.#gone();
    // The end is known once everything has been read.
    for (const _ of reader.batches());
    this.#position = reader.end;
    this.#sequence++;
    const { kind, previousRoot, entry, meta } = reader.header;
    return {
      sequence: entry.sequence,
      kind: kind === COMMIT ? "commit" : "rollback",
      previousRoot,
      root: entry.root,
      meta,
      changes: () => this.#changes(position),
    };
  }

  *#changes(
    position: number,
  ): IterableIterator<[Uint8Array, Uint8Array | undefined]> {
    for (const changes of this.#open(position).batches()) {
      for (let i = 0; i < changes.count; i++) {
        yield [changes.key(i).slice(), changes.value(i)?.slice()];
      }
    }
  }

  /** Position of the wanted record: from the nearest known one on. */
  #find(): number {
    const { storage } = this.#core;
    let at = -1;
    for (const { entry } of storage.history()) {
      if (entry.position === 0 || entry.position < storage.logStart) continue;
      if (entry.sequence <= this.#sequence) at = entry.position;
    }
    if (at < 0) at = storage.logStart;
    for (;;) {
      const reader = this.#open(at);
      if (reader.sequence === this.#sequence) return at;
      if (reader.sequence > this.#sequence) throw this.#gone();
      for (const _ of reader.batches());
      at = reader.end;
    }
  }

  #open(position: number): RecordReader {
    const { storage } = this.#core;
    if (position < storage.logStart) throw this.#gone();
    return storage.record(position);
  }

  #gone(): NotRetainedError {
    return new NotRetainedError(
      `Cannot follow commits: the log no longer holds commit ${this.#sequence}`,
    );
  }
}
