// This module is browser compatible.
//
// A store in a worker with the calls of an open store, each with a promise.

import type { CheckOptions } from "../check.ts";
import type { Head } from "../database.ts";
import type { Metrics } from "../metrics_report.ts";
import type { ImportOptions } from "../transfer.ts";
import { clientName, Connection } from "./connection.ts";
import { hold, type Link, type Port, portLink } from "./link.ts";
import {
  type FromWorker,
  HEAD,
  type SentCommit,
  type ToWorker,
  unpack,
} from "./protocol.ts";
import {
  type CallOptions,
  listEntries,
  RemotePrepared,
  type RemoteRange,
  RemoteReader,
  RemoteSession,
  RemoteSnapshot,
} from "./views.ts";

/** Options of {@linkcode connect}. */
export interface ConnectOptions extends CallOptions {
  /**
   * On a page: let the worker pause its store when the page goes into the
   * back-forward cache and go on when it comes back, and close it when the page
   * goes for good.
   *
   * @default {true}
   */
  readonly followPage?: boolean;
}

/** How {@linkcode RemoteStore.begin} begins a session. */
export interface RemoteBeginOptions {
  /** The version to stand on; the head if not given. */
  readonly on?: RemotePrepared | RemoteSnapshot;
  /**
   * Whether to make a witness of everything read and written.
   *
   * @default {false}
   */
  readonly witness?: boolean;
}

/** Where a stream of commits starts, what it carries and how it ends. */
export interface RemoteCommitsOptions extends CallOptions {
  /** First sequence wanted; the next commit to come if not given. */
  readonly from?: number;
  /**
   * Whether changed keys and values come along.
   *
   * @default {false}
   */
  readonly changes?: boolean;
}

/** One commit or rollback. */
export interface RemoteCommit {
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
  /** Changed keys with their new values, when they were asked for. */
  readonly changes:
    | readonly (readonly [Uint8Array, Uint8Array | undefined])[]
    | undefined;
}

/**
 * An open store in a worker. Sessions, versions and snapshots are dropped when
 * their client goes.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * using session = db.begin();
 * session.set(key, value);
 * await (await session.prepare()).commit();
 * assertEquals((await db.head()).sequence, 1);
 * await db.rollback();
 * assertEquals(await db.get(key), undefined);
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemoteStore extends RemoteReader {
  /** Internal: made by `connect` and `share`. */
  constructor(connection: Connection) {
    super(connection, HEAD);
  }

  /** Name of the commitment scheme. */
  get schemeName(): string {
    return this.connection.welcome.scheme;
  }

  /** The last committed state. */
  head(): Promise<Head> {
    return this.connection.ask({ op: "head" });
  }

  /** Root of the last commit: 32 bytes. */
  async root(): Promise<Uint8Array> {
    return (await this.head()).root;
  }

  /**
   * Begins a write session. Writes are sent in large messages.
   *
   * @param options The version to stand on, and whether to make a witness.
   * @returns The session; dispose it or prepare it.
   */
  begin(options: RemoteBeginOptions = {}): RemoteSession {
    const on = options.on === undefined ? HEAD : numberOf(options.on);
    return new RemoteSession(this.connection, on, options.witness ?? false);
  }

  /**
   * Pins a version for reading.
   *
   * @param at A retained root or a prepared version; the head if not given.
   * @returns The snapshot; close it.
   * @throws {NotRetainedError} When the store does not keep that root.
   */
  async snapshot(at?: Uint8Array | RemotePrepared): Promise<RemoteSnapshot> {
    const { connection } = this, handle = connection.newHandle();
    const made = await connection.ask({
      op: "snapshot",
      handle,
      at: at instanceof RemotePrepared ? at.handle : at,
    });
    return new RemoteSnapshot(connection, handle, made);
  }

  /**
   * Lists entries of the last commit in the order of their keys' bytes. Every
   * entry is of the version that was the head when listing began.
   *
   * @param range Bounds, direction and limit; a signal to stop.
   * @returns Keys and values.
   */
  async *entries(
    range: RemoteRange = {},
  ): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
    using snapshot = await this.snapshot();
    yield* listEntries(this.connection, numberOf(snapshot), range);
  }

  /**
   * Takes commits back: a commit of its own that restores an earlier state.
   *
   * @param commits How many, at least 1.
   * @throws {NotRetainedError} When the history does not reach that far.
   */
  async rollback(commits = 1): Promise<void> {
    await this.connection.ask({ op: "rollback", to: commits });
  }

  /**
   * Restores the most recent earlier state with a root.
   *
   * @param root 32 bytes.
   * @throws {NotRetainedError} When the history does not hold it.
   */
  async rollbackTo(root: Uint8Array): Promise<void> {
    await this.connection.ask({ op: "rollback", to: root });
  }

  /** The states that can be restored or read, newest first. */
  history(): Promise<{ root: Uint8Array; sequence: number }[]> {
    return this.connection.ask({ op: "history" });
  }

  /** Counters and sizes. */
  metrics(): Promise<Metrics> {
    return this.connection.ask({ op: "metrics" });
  }

  /** Writes the last commit's pages, so that opening replays nothing. */
  async checkpoint(): Promise<void> {
    await this.connection.ask({ op: "checkpoint" });
  }

  /**
   * Reads everything that the last commit consists of and computes every hash
   * anew, up to the root.
   *
   * @param options A signal to stop and a callback for progress.
   * @throws {CorruptError} Naming file and page of the first thing wrong.
   */
  async check(options: CheckOptions = {}): Promise<void> {
    await this.connection.ask({ op: "check" }, options);
  }

  /**
   * Follows commits and rollbacks.
   *
   * @param options Where to start, what to carry, and a signal to stop.
   * @returns Commits in order.
   * @throws {NotRetainedError} When the log no longer holds the next commit.
   */
  async *commits(
    options: RemoteCommitsOptions = {},
  ): AsyncGenerator<RemoteCommit, void, undefined> {
    const { connection } = this, { from, signal, changes = false } = options;
    const handle = connection.newHandle();
    connection.tell({ op: "follow", handle, from });
    try {
      for (;;) {
        const request = { op: "next", handle, changes } as const;
        const commit = await connection.ask(request, { signal });
        if (commit === undefined) return;
        yield receiveCommit(commit);
      }
    } finally {
      connection.tell({ op: "drop", handle });
    }
  }

  /** The whole state of the last commit as a stream of bytes. */
  export(): ReadableStream<Uint8Array> {
    const { connection } = this, handle = connection.newHandle();
    connection.tell({ op: "export", handle });
    return new ReadableStream({
      async pull(controller) {
        const chunk = await connection.ask({ op: "pull", handle });
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => connection.tell({ op: "drop", handle }),
    }, { highWaterMark: 0 });
  }

  /**
   * Reads an exported state into the store, which must be empty.
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
    const { connection } = this, handle = connection.newHandle();
    const { root, signal } = options;
    const done = connection.ask({ op: "import", handle, root }, { signal });
    const sent = sendChunks(connection, handle, stream);
    // Whichever fails first is the reason; the other must not go unheard.
    sent.catch(() => connection.tell({ op: "drop", handle }));
    done.catch(() => {});
    await Promise.race([done, sent.then(() => done)]);
  }

  /**
   * Closes the store for every client, and ends its worker's part. Calling it
   * again does nothing.
   */
  async close(): Promise<void> {
    if (this.connection.gone !== undefined) return;
    await this.connection.ask({ op: "close" });
    this.connection.close();
  }

  /** Same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Lets the worker give back its files and the lock, so that another tab can
   * open the store. Calls made meanwhile wait for {@linkcode resume}.
   */
  async pause(): Promise<void> {
    await this.connection.ask({ op: "pause" });
  }

  /**
   * Takes the files again. When another opener wrote meanwhile the store is
   * opened anew, and sessions, versions and snapshots of before are used up.
   *
   * @throws {LockedError} When somebody else has the store; it stays paused.
   */
  async resume(): Promise<void> {
    await this.connection.ask({ op: "resume" });
  }

  /** Stops talking to the worker, which goes on. */
  disconnect(): void {
    this.connection.close();
  }

  /** Internal: for who made this. */
  static connectionOf(store: RemoteStore): Connection {
    return store.connection;
  }
}

async function sendChunks(
  connection: Connection,
  handle: number,
  stream: ReadableStream<Uint8Array>,
): Promise<void> {
  for await (const chunk of stream) {
    await connection.ask({ op: "push", handle, chunk });
  }
  await connection.ask({ op: "push", handle, chunk: undefined });
}

function receiveCommit({ changes, ...commit }: SentCommit): RemoteCommit {
  if (changes === undefined) return { ...commit, changes };
  const values = unpack(changes.values);
  return {
    ...commit,
    changes: unpack(changes.keys).map((key, i) => [key!, values[i]] as const),
  };
}

function numberOf(view: RemotePrepared | RemoteSnapshot): number {
  return (view as unknown as { target: number }).target;
}

/**
 * Connects to a store that a worker serves with `serveStore`.
 *
 * @example On a page
 * ```ts ignore
 * import { connect } from "@stemma/db/client";
 *
 * const worker = new Worker("store_worker.js", { type: "module" });
 * await using db = await connect(worker);
 * console.log(await db.root());
 * ```
 *
 * @param worker The worker, a message port to it, or the address of its script
 *   (which a policy of trusted types refuses; give a worker then).
 * @param options A signal to give up; whether to follow the page's life.
 * @returns The store, once it is open.
 * @throws {LockedError} When another tab or worker has the store.
 */
export async function connect(
  worker: Port | URL | string,
  options: ConnectOptions = {},
): Promise<RemoteStore> {
  const isAddress = typeof worker === "string" || worker instanceof URL;
  const port = isAddress ? new Worker(worker, { type: "module" }) : worker;
  const store = await connectLink(portLink(port), options.signal);
  const connection = RemoteStore.connectionOf(store);
  if (options.followPage ?? true) followPage(connection, true);
  return store;
}

/** Connects over any link. Internal. */
export async function connectLink(
  link: Link<FromWorker, ToWorker>,
  signal?: AbortSignal,
  name: string = clientName(),
  announce?: () => void,
): Promise<RemoteStore> {
  const held = hold(name, signal);
  try {
    const connection = await Connection.open(
      link,
      name,
      held,
      signal,
      announce,
    );
    connection.onGone = await held;
    return new RemoteStore(connection);
  } catch (error) {
    held.then((letGo) => letGo(), () => {});
    throw error;
  }
}

/** What a page's window has. */
interface Window {
  readonly document?: unknown;
  addEventListener(
    type: "pagehide" | "pageshow",
    listener: (event: { readonly persisted: boolean }) => void,
    options: { signal: AbortSignal },
  ): void;
}

/**
 * Pauses, resumes and closes the store as its page is put away.
 *
 * @param mayReturn Whether others can do without the store while the page lies
 *   in the back-forward cache. Internal.
 */
export function followPage(connection: Connection, mayReturn: boolean): void {
  const window = globalThis as unknown as Window;
  if (window.document === undefined) return;
  const stop = new AbortController();
  const { signal } = stop;
  const letGo = connection.onGone;
  connection.onGone = () => {
    stop.abort();
    letGo?.();
  };
  window.addEventListener("pagehide", ({ persisted }) => {
    connection.tell({ op: persisted && mayReturn ? "pause" : "close" });
  }, { signal });
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted) connection.tell({ op: "resume" });
  }, { signal });
}
