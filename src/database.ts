// This module is browser compatible.
//
// An open store, and how it is opened.

import { type Scheme, schemeByName, type SchemeName } from "@stemma/verify";
import type { StorageBackend } from "../backends/types.ts";
import { type CheckOptions, checkStore } from "./check.ts";
import { type Commit, type CommitsOptions, CommitStream } from "./commits.ts";
import { Core } from "./core.ts";
import { NotRetainedError, StaleStateError, UsedUpError } from "./errors.ts";
import { type Metrics, metricsOf } from "./metrics_report.ts";
import { handles, Prepared } from "./prepared.ts";
import { Session, type SessionOptions } from "./session.ts";
import { Snapshot } from "./snapshot.ts";
import { type Fault, FAULTS } from "./store/faults.ts";
import type { CreateMode } from "./store/files.ts";
import type { HashtreeModule } from "./hash/hashtree_hasher.ts";
import type { HasherChoice } from "./store/hashers.ts";
import { sameBytes } from "./store/bytes.ts";
import type { StorageOptions } from "./store/options.ts";
import { Storage } from "./store/storage.ts";
import { exportState, type ImportOptions, importState } from "./transfer.ts";
import { PagePool } from "./tree/pool.ts";
import { keyRule } from "./tree/keys.ts";
import { PAGE_BYTES_MAX } from "./tree/layout.ts";
import type { Range } from "./tree_reader.ts";
import { versionOf } from "./view.ts";

const CACHE_BYTES_MAX = 3.75 * 2 ** 30;

/** How many commits a flush may wait for. */
export type Durability = "commit" | "relaxed" | {
  readonly everyCommits: number;
};

/** What the caller knows about the state to be opened. */
export type Expectation =
  | { readonly root: Uint8Array }
  | { readonly minSequence: number };

/** Options of {@linkcode open}. */
export interface OpenOptions {
  /**
   * The commitment scheme; must be the one that the store was made with.
   *
   * @default {"nomt-blake3"}
   */
  readonly scheme?: SchemeName | Scheme;
  /**
   * Whether a store may, must or must not be made.
   *
   * @default {"if-missing"}
   */
  readonly create?: CreateMode;
  /**
   * Bytes a page of a new store: a power of two from 512 to 32,768.
   *
   * @default {4096}
   */
  readonly pageBytes?: number;
  /**
   * Bytes a log segment of a new store: a power of two from 1,024 to 2^26.
   *
   * @default {1048576}
   */
  readonly segmentBytes?: number;
  /**
   * Bytes of memory for pages: 4 MiB is the smallest useful amount, 3.75
   * GiB the largest. Any store gets what two longest paths need, 2.6 MB with pages of
   * 4 KiB and keys of 32 bytes.
   *
   * @default {268435456}
   */
  readonly cacheBytes?: number;
  /** How far back the store can go; 128 commits and 1 GiB of log if not given. */
  readonly history?: { readonly commits?: number; readonly bytes?: number };
  /**
   * When a commit is flushed: at once (`"commit"`), every n commits, or at
   * checkpoints and on close (`"relaxed"`). Whatever is lost is a suffix.
   *
   * @default {"commit"}
   */
  readonly durability?: Durability;
  /**
   * When pages are written; after 128 MiB of log or 10,000 commits if not given. What
   * was logged since is replayed when a store is opened after a crash.
   */
  readonly checkpoint?: {
    readonly logBytes?: number;
    readonly commits?: number;
  };
  /** Refuse a state that is another or older than the caller knows. */
  readonly expect?: Expectation;
  /**
   * How hashes are computed.
   *
   * @default {"auto"}
   */
  readonly hasher?: HasherChoice;
  /**
   * With 2, large commits are made by two threads over shared memory, where the
   * host has it (in browsers: with cross-origin isolation) and kernels work;
   * `metrics().hasher` tells. Never changes a root.
   *
   * @default {1}
   */
  readonly threads?: 1 | 2;
  /**
   * A worker whose module calls `serveSecondThread()`, for places where a
   * content security policy forbids to make one from a blob.
   */
  readonly secondThreadWorker?: Worker;
  /**
   * The module `@chainsafe/hashtree`, a native add-on for schemes with SHA-256: pairs of
   * nodes take about half the time of the kernels, on one thread; in Deno it needs
   * `--allow-ffi`. Used when it gives the right hashes for a few messages;
   * `metrics().hasher` tells. Never changes a root.
   */
  readonly hashtree?: HashtreeModule;
  /**
   * Called with the memory of the cache before anything is kept in it, for whoever
   * can tell the system how it will be used: `hugePages` of
   * `@stemma/db/backends/huge_pages`.
   */
  readonly prepareMemory?: (memory: ArrayBufferLike) => unknown;
}

/** The last committed state. */
export interface Head {
  /** Root: 32 bytes, a copy. */
  readonly root: Uint8Array;
  /** Commits and rollbacks so far. */
  readonly sequence: number;
  /** The application's data of that commit, a copy. */
  readonly meta: Uint8Array;
}

/** How {@linkcode Stemma.begin} begins a session. */
export interface BeginOptions extends SessionOptions {
  /** The version to stand on; the head if not given. */
  readonly on?: Prepared | Snapshot;
}

/**
 * Opens a store, or makes one.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend(), { scheme: "nomt-sha256" });
 * assertEquals(db.root, new Uint8Array(32));
 * ```
 *
 * @param backend Where the store's files are.
 * @param options Scheme, sizes and promises.
 * @returns The store; it is this opener's alone until closed.
 * @throws {LockedError} When somebody else has the store open.
 * @throws {ExistenceError} When a store is there and must not be, or the reverse.
 * @throws {FormatError} When it is of another scheme or format version.
 * @throws {CorruptError} When the files are not as they were written.
 * @throws {StaleStateError} When `expect` is not met.
 * @throws {RangeError} When a size is out of range.
 */
export async function open(
  backend: StorageBackend,
  options: OpenOptions = {},
): Promise<Stemma> {
  const storage = await Storage.open(backend, storageOptions(options));
  const db = new Stemma(new Core(storage));
  try {
    refuseUnexpected(db.head, options.expect);
  } catch (error) {
    await db.abandon();
    throw error;
  }
  return db;
}

/**
 * An open store.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * const key = new Uint8Array(32).fill(7);
 * using session = db.begin();
 * session.set(key, new TextEncoder().encode("seven"));
 * await session.prepare().commit({ meta: new Uint8Array([1]) });
 * assertEquals(db.head.sequence, 1);
 * await db.rollback(1);
 * assertEquals(db.get(key), undefined);
 * ```
 */
export class Stemma {
  readonly #core: Core;
  readonly #streams: Set<CommitStream> = new Set();
  #closing: Promise<void> | undefined;

  /**
   * Internal: made by {@linkcode open}.
   *
   * @internal
   */
  constructor(core: Core) {
    this.#core = core;
    cores.set(this, core);
    core.storage.listener = {
      published: (_state, _kind, stale) => {
        for (const version of stale) handles.get(version)?.makeStale();
        for (const stream of this.#streams) stream.wake();
      },
    };
  }

  /** The commitment scheme. */
  get scheme(): Scheme {
    return this.#core.scheme;
  }

  /** Root of the last commit: 32 bytes, a copy. */
  get root(): Uint8Array {
    return this.#core.storage.versions.head.tree.hash.slice();
  }

  /** The last committed state. */
  get head(): Head {
    const { entry, meta } = this.#core.storage.head;
    return {
      root: entry.root.slice(),
      sequence: entry.sequence,
      meta: meta.slice(),
    };
  }

  /**
   * Looks up a key in the last commit.
   *
   * @param key A key of the scheme's length.
   * @returns The value, a copy; `undefined` when the key is absent. Values of up to
   *   64 bytes share a buffer with others: `slice()` one before transferring it.
   * @throws {RangeError} When the key has a wrong length.
   * @throws {CorruptError} When storage holds other bytes than were written.
   */
  get(key: Uint8Array): Uint8Array | undefined {
    this.#refuseClosed();
    return this.#core.get(this.#core.storage.versions.head, key);
  }

  /**
   * Whether a key is present in the last commit.
   *
   * @param key A key of the scheme's length.
   * @returns Whether the key has a value.
   * @throws {RangeError} When the key has a wrong length.
   */
  has(key: Uint8Array): boolean {
    this.#refuseClosed();
    return this.#core.has(this.#core.storage.versions.head, key);
  }

  /**
   * Begins a write session.
   *
   * @param options The version to stand on, and whether to make a witness.
   * @returns The session; dispose it or prepare it.
   * @throws {StaleSessionError} When the version to stand on is stale.
   */
  begin(options: BeginOptions = {}): Session {
    this.#refuseClosed();
    const { versions } = this.#core.storage;
    const base = options.on === undefined
      ? versions.head
      : versionOf(options.on, this.#core);
    versions.hold(base);
    return new Session(this.#core, base, options);
  }

  /**
   * Pins a version for reading.
   *
   * @param at A retained root or a prepared version; the head if not given.
   * @returns The snapshot; close it.
   * @throws {NotRetainedError} When the store does not keep that root.
   */
  snapshot(at?: Uint8Array | Prepared): Snapshot {
    this.#refuseClosed();
    const { storage } = this.#core, { versions } = storage;
    if (at instanceof Prepared) {
      const version = versionOf(at, this.#core);
      versions.hold(version);
      return new Snapshot(this.#core, version, version.sequence);
    }
    const head = storage.head.entry;
    if (at === undefined || sameBytes(at, head.root)) {
      versions.hold(versions.head);
      return new Snapshot(this.#core, versions.head, head.sequence);
    }
    const steps = this.#stepsTo(at);
    const version = versions.begin(versions.head);
    try {
      storage.undo(version, steps);
    } catch (error) {
      versions.release(version);
      throw error;
    }
    const states = storage.history();
    const { sequence } = states[states.length - 1 - steps].entry;
    return new Snapshot(this.#core, version, sequence);
  }

  /**
   * Lists entries of the last commit in the order of their keys' bytes. Every
   * entry is of the version that was the head when listing began.
   *
   * @param range Bounds, direction and limit.
   * @returns Keys and values, copies; short ones share buffers, as with `get`.
   */
  *entries(
    range: Range = {},
  ): Generator<[Uint8Array, Uint8Array], void, undefined> {
    using snapshot = this.snapshot();
    yield* snapshot.entries(range);
  }

  /**
   * Takes commits back: a commit of its own that restores an earlier state.
   *
   * @param commits How many, at least 1.
   * @throws {NotRetainedError} When the history does not reach that far.
   * @throws {RangeError} When `commits` is no positive integer.
   */
  async rollback(commits = 1): Promise<void> {
    this.#refuseClosed();
    if (!Number.isInteger(commits) || commits < 1) {
      throw new RangeError(
        `Cannot roll back: count must be a positive integer: received ${commits}`,
      );
    }
    await this.#core.storage.drain();
    const most = this.#core.storage.history().length - 1;
    if (commits > most) {
      throw new NotRetainedError(
        `Cannot roll back ${commits} commits: the history holds ${most}`,
      );
    }
    await this.#core.storage.rollback(commits);
  }

  /**
   * Restores the most recent earlier state with a root.
   *
   * @param root 32 bytes. The head's own root changes nothing.
   * @throws {NotRetainedError} When the history does not hold it.
   */
  async rollbackTo(root: Uint8Array): Promise<void> {
    this.#refuseClosed();
    await this.#core.storage.drain();
    if (sameBytes(root, this.#core.storage.head.entry.root)) return;
    await this.#core.storage.rollback(this.#stepsTo(root));
  }

  /** The states that can be restored or read, newest first, the head included. */
  history(): { root: Uint8Array; sequence: number }[] {
    this.#refuseClosed();
    return this.#core.storage.history().map(({ entry }) => ({
      root: entry.root.slice(),
      sequence: entry.sequence,
    })).reverse();
  }

  /**
   * Follows commits and rollbacks.
   *
   * @param options Where to start, and a signal to stop.
   * @returns Commits in order, each with its changes.
   * @throws {NotRetainedError} When the log no longer holds the next commit.
   */
  commits(options: CommitsOptions = {}): AsyncIterableIterator<Commit> {
    this.#refuseClosed();
    const stream = new CommitStream(
      this.#core,
      options,
      () => this.#streams.delete(stream),
    );
    this.#streams.add(stream);
    return stream;
  }

  /**
   * Writes the last commit's pages and makes a header for it, so that opening
   * replays nothing. Happens by itself; see `OpenOptions.checkpoint`.
   *
   * @throws {StorageFullError} When there is no room; nothing has changed.
   */
  async checkpoint(): Promise<void> {
    this.#refuseClosed();
    await this.#core.storage.checkpoint();
  }

  /**
   * Reads everything that the last commit consists of and computes every hash
   * anew, up to the root.
   *
   * @param options A signal to stop and a callback for progress.
   * @throws {CorruptError} Naming file and page of the first thing wrong.
   */
  async check(options: CheckOptions = {}): Promise<void> {
    this.#refuseClosed();
    await checkStore(this.#core, options);
  }

  /**
   * The whole state of the last commit as a stream of bytes.
   *
   * @returns The stream; {@linkcode import} reads it.
   */
  export(): ReadableStream<Uint8Array> {
    this.#refuseClosed();
    return exportState(this.#core, this.snapshot(), this.head);
  }

  /**
   * Reads an exported state into this store, which must be empty. Its root is
   * computed anew and compared before anything is committed.
   *
   * @param stream What {@linkcode export} made.
   * @param options The root that the caller trusts, and a signal to stop.
   * @throws {CorruptError} When the stream is damaged or has another root.
   * @throws {ExistenceError} When the store is not empty.
   */
  async import(
    stream: ReadableStream<Uint8Array>,
    options: ImportOptions = {},
  ): Promise<void> {
    this.#refuseClosed();
    await importState(this, stream, options);
  }

  /** Counters and sizes. */
  metrics(): Metrics {
    this.#refuseClosed();
    return metricsOf(this.#core);
  }

  /** Checkpoints and lets go of files and lock. Calling it again does nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Internal: lets go of files and lock without writing anything.
   *
   * @internal
   */
  async abandon(): Promise<void> {
    this.#core.isClosed = true;
    this.#closing = this.#core.storage.abandon();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await this.#core.storage.drain();
    this.#core.isClosed = true;
    for (const stream of this.#streams) stream.wake();
    await this.#core.storage.close();
  }

  #refuseClosed(): void {
    this.#core.refuseClosed();
    if (this.#closing !== undefined) {
      throw new UsedUpError("Cannot use store: it is being closed");
    }
  }

  /** How many states back the most recent one with this root is. */
  #stepsTo(root: Uint8Array): number {
    if (!(root instanceof Uint8Array) || root.length !== 32) {
      throw new TypeError("Cannot find state: root must be 32 bytes");
    }
    const states = this.#core.storage.history();
    for (let i = states.length - 1; i >= 0; i--) {
      if (sameBytes(states[i].entry.root, root)) return states.length - 1 - i;
    }
    throw new NotRetainedError(
      `Cannot find state: none of the last ${states.length} has this root`,
    );
  }
}

const cores: WeakMap<Stemma, Core> = new WeakMap();

/** Internal: the inside of an open store, for tests and tools. */
export function coreOf(db: Stemma): Core {
  return cores.get(db)!;
}

function storageOptions(options: OpenOptions): StorageOptions {
  const { scheme: wanted = "nomt-blake3" } = options;
  const scheme = typeof wanted === "string" ? schemeByName(wanted) : wanted;
  if (scheme === undefined) {
    throw new RangeError(`Cannot open store: no scheme is called ${wanted}`);
  }
  const least = PagePool.pageBytesMin(keyRule(scheme));
  const faults = (options as { [FAULTS]?: ReadonlySet<Fault> })[FAULTS];
  return {
    scheme,
    create: options.create ?? "if-missing",
    pageBytes: powerOfTwo(
      "pageBytes",
      options.pageBytes ?? 4096,
      least,
      PAGE_BYTES_MAX,
    ),
    segmentBytes: powerOfTwo(
      "segmentBytes",
      options.segmentBytes ?? 1 << 20,
      1024,
      1 << 26,
    ),
    cacheBytes: cacheBytes(options.cacheBytes ?? 256 << 20),
    history: {
      commits: atLeast("history.commits", options.history?.commits ?? 128, 0),
      bytes: atLeast("history.bytes", options.history?.bytes ?? 2 ** 30, 0),
    },
    flushEvery: flushEvery(options.durability ?? "commit"),
    checkpointBytes: atLeast(
      "checkpoint.logBytes",
      options.checkpoint?.logBytes ?? 128 << 20,
      1,
    ),
    checkpointCommits: atLeast(
      "checkpoint.commits",
      options.checkpoint?.commits ?? 10_000,
      1,
    ),
    prepareMemory: options.prepareMemory,
    hashing: {
      choice: options.hasher ?? "auto",
      threads: options.threads ?? 1,
      worker: options.secondThreadWorker,
      hashtree: options.hashtree,
      onlyCount: faults?.has("count-hashes-only") ?? false,
    },
    faults: faults ?? new Set(),
  };
}

function flushEvery(durability: Durability): number {
  if (durability === "commit") return 1;
  if (durability === "relaxed") return Infinity;
  return atLeast("durability.everyCommits", durability.everyCommits, 1);
}

/** Offsets in the pool are 32 bits, and it is more than its frames. */
function cacheBytes(value: number): number {
  if (value <= CACHE_BYTES_MAX) return atLeast("cacheBytes", value, 0);
  throw new RangeError(
    `Cannot open store: cacheBytes must be at most ${CACHE_BYTES_MAX}: ` +
      `received ${value}`,
  );
}

function atLeast(name: string, value: number, least: number): number {
  if (value >= least) return value;
  throw new RangeError(
    `Cannot open store: ${name} must be at least ${least}: received ${value}`,
  );
}

function powerOfTwo(
  name: string,
  value: number,
  least: number,
  most: number,
): number {
  const good = Number.isInteger(value) && (value & (value - 1)) === 0 &&
    value >= least && value <= most;
  if (good) return value;
  throw new RangeError(
    `Cannot open store: ${name} must be a power of two from ${least} to ` +
      `${most}: received ${value}`,
  );
}

function refuseUnexpected(head: Head, expect: Expectation | undefined): void {
  if (expect === undefined) return;
  if ("minSequence" in expect) {
    if (head.sequence >= expect.minSequence) return;
    throw new StaleStateError(
      `Cannot open store: sequence must be at least ${expect.minSequence}: ` +
        `found ${head.sequence}`,
    );
  }
  if (sameBytes(head.root, expect.root)) return;
  throw new StaleStateError(
    "Cannot open store: its root is not the expected one",
  );
}
