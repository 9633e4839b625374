// This module is browser compatible.
/**
 * A connection to one IndexedDB database with one object store, shaped as an
 * idb-keyval store but strict about durability, and able to notice that it was
 * dropped. Types come from idb-keyval, so that the file checks with and without
 * DOM types.
 *
 * Keys: `[name]` holds a file's size and mark, `[name, i]` its block i.
 *
 * @module
 */
import { promisifyRequest, type UseStore } from "idb-keyval";
import { ClosedError, StorageError, UnsupportedError } from "./errors.ts";

/** Bytes in a block. */
export const BLOCK_BYTES = 65536;

const STORE = "blocks";

/** The object store inside a transaction. */
export type ObjectStore = Parameters<Parameters<UseStore>[1]>[0];

type Transaction = ObjectStore["transaction"];
type Connection = Transaction["db"];
type KeyRange = Exclude<Parameters<ObjectStore["getAll"]>[0], null | undefined>;

/** What `[name]` holds. */
export interface Meta {
  /** The file's size in bytes. */
  readonly size: number;
  /** Drawn when the file was made; tells it from another of the same name. */
  readonly mark: string;
}

/** Whether a stored value is a file's size and mark. */
export function isMeta(value: unknown): value is Meta {
  return typeof value === "object" && value !== null &&
    "size" in value && Number.isSafeInteger(value.size) &&
    "mark" in value && typeof value.mark === "string";
}

/** A request's result. */
export function valueOf<T>(request: {
  result: T;
}): Promise<T> {
  return promisifyRequest<T>(request as never);
}

/** All keys of a file: `[name]` and every `[name, i]`. */
export function blockRange(file: string): KeyRange {
  return Reflect.get(globalThis, "IDBKeyRange").bound([file], [file, []]);
}

/**
 * Resolves when a transaction is on the disk, rejects when it was aborted.
 * Unlike a request's, its `error` event comes too early to know the reason.
 */
export function finished(transaction: Transaction): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new Error("The transaction was aborted"));
  });
  // Callers await it last; what failed before is what they report.
  done.catch(() => {});
  return done;
}

/** One database, opened when first needed and again when dropped. */
export class IdbConnection {
  /** The database's name. */
  readonly database: string;
  #connecting: Promise<Connection> | undefined;
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(database: string) {
    this.database = database;
  }

  /** Whether the database is there, without making it; true if unknown. */
  async exists(): Promise<boolean> {
    const factory = theFactory();
    if (this.#connecting !== undefined) return true;
    if (typeof factory.databases !== "function") return true;
    const found: { name?: string }[] = await factory.databases();
    return found.some(({ name }) => name === this.database);
  }

  /** Runs calls one after another, whether they fail or not. */
  inTurn(call: () => Promise<void>): Promise<void> {
    const turn = this.#tail.then(call);
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /**
   * Runs one transaction; once more, on a new connection, when the host fails.
   * Repeating is safe: what failed was undone, and `run` starts from memory.
   */
  async transact<T>(
    mode: "readonly" | "readwrite",
    run: (store: ObjectStore) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#once(mode, run);
    } catch (cause) {
      if (!mayRepeat(cause)) throw cause;
      await this.#drop();
      return await this.#once(mode, run);
    }
  }

  /** Closes the connection, after everything under way. */
  async close(): Promise<void> {
    await this.#tail;
    this.#closed = true;
    await this.#drop();
  }

  async #once<T>(
    mode: "readonly" | "readwrite",
    run: (store: ObjectStore) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#connect();
    const options = { durability: "strict" } as const;
    const transaction = connection.transaction(STORE, mode, options);
    try {
      return await run(transaction.objectStore(STORE));
    } catch (cause) {
      // A request that threw must not let those before it be committed.
      abort(transaction);
      throw cause;
    }
  }

  #connect(): Promise<Connection> {
    if (this.#closed) {
      throw new ClosedError(`Cannot use "${this.database}": it is closed`);
    }
    return this.#connecting ??= this.#open();
  }

  async #open(): Promise<Connection> {
    try {
      const request = theFactory().open(this.database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      const connection: Connection = await valueOf<Connection>(request);
      connection.onclose = () => this.#connecting = undefined;
      // Somebody deletes the database: do not stand in the way.
      connection.onversionchange = () => {
        connection.close();
        this.#connecting = undefined;
      };
      return connection;
    } catch (cause) {
      this.#connecting = undefined;
      throw cause;
    }
  }

  async #drop(): Promise<void> {
    const connecting = this.#connecting;
    this.#connecting = undefined;
    const connection = await connecting?.catch(() => undefined);
    connection?.close();
  }
}

interface Factory {
  open(name: string, version: number): {
    readonly result: Connection;
    onupgradeneeded: unknown;
  };
  databases?(): Promise<{ name?: string }[]>;
}

function theFactory(): Factory {
  const factory: Factory | undefined = Reflect.get(globalThis, "indexedDB");
  if (factory === undefined || factory === null) {
    throw new UnsupportedError(
      "Cannot open store: this host has no IndexedDB",
    );
  }
  return factory;
}

function mayRepeat(cause: unknown): boolean {
  if (cause instanceof StorageError || cause instanceof ClosedError) {
    return false;
  }
  if (cause instanceof UnsupportedError) return false;
  return !(cause instanceof Error) || cause.name !== "QuotaExceededError";
}

function abort(transaction: Transaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already: nothing is left to undo.
  }
}
