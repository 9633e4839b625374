// This module is browser compatible.
/**
 * The backend on IndexedDB, for browsers without OPFS and for the main thread.
 * Files live in memory, so reads and writes are synchronous; `flush` writes the
 * blocks that changed, 64 KiB each, in one transaction of strict durability. So
 * a flush is there as a whole or not at all, and a store costs as much memory as
 * its files are long.
 *
 * A dropped connection is opened again and the transaction repeated once. Each
 * file carries a mark that every transaction compares: when the database was
 * cleared or replaced in the meantime nothing is written, and the flush fails.
 *
 * @module
 */
import {
  FileExistsError,
  FileMissingError,
  IoError,
  LockedError,
  UnsupportedError,
} from "./errors.ts";
import { checkName, checkOpen, checkRange, checkSize } from "./_internal.ts";
import {
  BLOCK_BYTES,
  blockRange,
  finished,
  IdbConnection,
  isMeta,
  type Meta,
  type ObjectStore,
  valueOf,
} from "./_idb_connection.ts";
import { SparseBytes } from "./_sparse_bytes.ts";
import { translateError } from "./_translate.ts";
import type {
  StorageBackend,
  StorageFile,
  StorageLock,
  StorageOpenOptions,
  StorageSupports,
} from "./types.ts";

/** What an open file was loaded with. */
interface Loaded {
  readonly bytes: SparseBytes;
  readonly stored: Set<number>;
  readonly mark: string;
}

class IdbFile implements StorageFile {
  #connection: IdbConnection;
  #name: string;
  #bytes: SparseBytes;
  #mark: string;
  /** Blocks that the database has. */
  #stored: Set<number>;
  #batch: Batch = newBatch();
  #closed = false;

  constructor(connection: IdbConnection, name: string, loaded: Loaded) {
    this.#connection = connection;
    this.#name = name;
    this.#bytes = loaded.bytes;
    this.#stored = loaded.stored;
    this.#mark = loaded.mark;
  }

  read(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    return this.#bytes.read(buffer, position);
  }

  write(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    if (buffer.length === 0) return 0;
    const end = position + buffer.length;
    this.#bytes.write(buffer, position);
    const last = Math.floor((end - 1) / BLOCK_BYTES);
    for (let i = Math.floor(position / BLOCK_BYTES); i <= last; i++) {
      this.#batch.blocks.add(i);
    }
    return buffer.length;
  }

  size(): number {
    checkOpen(this.#closed, this.#name);
    return this.#bytes.size;
  }

  truncate(size: number): void {
    checkOpen(this.#closed, this.#name);
    checkSize(size);
    if (size < this.#bytes.size) this.#batch.cut = true;
    this.#bytes.truncate(size);
    // The last block may have been cut; and a new size must be saved.
    this.#batch.blocks.add(Math.floor(size / BLOCK_BYTES));
  }

  async flush(): Promise<void> {
    checkOpen(this.#closed, this.#name);
    const attempt = { operation: "flush", file: this.#name } as const;
    try {
      await this.#connection.inTurn(() => this.#save());
    } catch (cause) {
      throw translateError(cause, attempt);
    }
  }

  close(): void {
    this.#closed = true;
  }

  /** One transaction with everything that changed up to its start. */
  async #save(): Promise<void> {
    if (this.#batch.blocks.size === 0 && !this.#batch.cut) return;
    await this.#connection.transact(
      "readwrite",
      (store) => this.#saveIn(store),
    );
  }

  async #saveIn(store: ObjectStore): Promise<void> {
    const done = finished(store.transaction);
    if (!await this.#compareMark(store)) throw replaced(this.#name);
    const batch = this.#batch;
    this.#batch = newBatch();
    try {
      const { stored, deleted } = this.#put(store, batch);
      await done;
      for (const index of stored) this.#stored.add(index);
      for (const index of deleted) this.#stored.delete(index);
    } catch (cause) {
      // Still unsaved: a later flush must not pass it over.
      for (const index of batch.blocks) this.#batch.blocks.add(index);
      this.#batch.cut ||= batch.cut;
      throw cause;
    }
  }

  async #compareMark(store: ObjectStore): Promise<boolean> {
    const meta: unknown = await valueOf(store.get([this.#name]));
    return isMeta(meta) && meta.mark === this.#mark;
  }

  #put(
    store: ObjectStore,
    batch: Batch,
  ): { stored: number[]; deleted: number[] } {
    const size = this.#bytes.size;
    const meta: Meta = { size, mark: this.#mark };
    store.put(meta, [this.#name]);
    const stored: number[] = [];
    const deleted: number[] = [];
    for (const index of batch.blocks) {
      const block = this.#bytes.block(index);
      if (block === undefined) {
        deleted.push(index);
        continue;
      }
      const length = Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES);
      store.put(block.slice(0, length), [this.#name, index]);
      stored.push(index);
    }
    if (batch.cut) {
      for (const index of this.#stored) {
        if (this.#bytes.block(index) === undefined) deleted.push(index);
      }
    }
    for (const index of deleted) store.delete([this.#name, index]);
    return { stored, deleted };
  }
}

/** What differs from the database. */
interface Batch {
  readonly blocks: Set<number>;
  /** Stored blocks may have been cut off. */
  cut: boolean;
}

function newBatch(): Batch {
  return { blocks: new Set(), cut: false };
}

function replaced(file: string): IoError {
  return new IoError(
    `Cannot flush "${file}": the database was cleared or replaced meanwhile`,
    { operation: "flush", file },
  );
}

class IdbBackend implements StorageBackend {
  readonly name = "idb";
  readonly supports: StorageSupports = {
    // A name is made in a transaction of its own, awaited.
    directorySync: true,
    largeFiles: true,
    asyncFlush: true,
    durable: true,
  };
  #connection: IdbConnection;

  constructor(database: string) {
    this.#connection = new IdbConnection(database);
  }

  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    checkName(file);
    const operation = options.create ? "create" : "open";
    try {
      const loaded = options.create
        ? await this.#create(file)
        : await this.#load(file);
      return new IdbFile(this.#connection, file, loaded);
    } catch (cause) {
      throw translateError(cause, { operation, file });
    }
  }

  async list(): Promise<string[]> {
    try {
      if (!await this.#connection.exists()) return [];
      const names = await this.#connection.transact(
        "readonly",
        async (store) => {
          const found: unknown[] = await valueOf(store.getAllKeys());
          return found.filter((key) => Array.isArray(key) && key.length === 1)
            .map((key) => String(key));
        },
      );
      return names.sort();
    } catch (cause) {
      throw translateError(cause, { operation: "list" });
    }
  }

  async remove(file: string): Promise<void> {
    checkName(file);
    const attempt = { operation: "remove", file } as const;
    try {
      if (!await this.#connection.exists()) throw missing(file, "remove");
      await this.#connection.transact("readwrite", async (store) => {
        const done = finished(store.transaction);
        const count: number = await valueOf(store.count([file]));
        if (count > 0) store.delete(blockRange(file));
        await done;
        if (count === 0) throw missing(file, "remove");
      });
    } catch (cause) {
      throw translateError(cause, attempt);
    }
  }

  async sync(): Promise<void> {}

  async lock(): Promise<StorageLock> {
    const locks: Locks | undefined = Reflect.get(navigator, "locks");
    if (locks === undefined) {
      throw new UnsupportedError(
        "Cannot lock store: this host has no Web Locks; a page needs a secure " +
          "origin (https, or localhost)",
      );
    }
    const name = `stemma-idb:${this.#connection.database}`;
    const release = await holdLock(locks, name);
    if (release === undefined) {
      throw new LockedError(
        `Cannot lock store "${this.#connection.database}": another tab, ` +
          "worker or opener has it; close it or try again",
      );
    }
    return { release };
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #create(file: string): Promise<Loaded> {
    const mark = crypto.randomUUID();
    const meta: Meta = { size: 0, mark };
    await this.#connection.transact("readwrite", async (store) => {
      const done = finished(store.transaction);
      const count: number = await valueOf(store.count([file]));
      // What a repeated transaction finds may be its own.
      const found: unknown = count && await valueOf(store.get([file]));
      if (count === 0) store.put(meta, [file]);
      await done;
      if (count === 0 || isMeta(found) && found.mark === mark) return;
      throw new FileExistsError(
        `Cannot create "${file}": it exists already`,
        { operation: "create", file },
      );
    });
    return { bytes: new SparseBytes(BLOCK_BYTES), stored: new Set(), mark };
  }

  async #load(file: string): Promise<Loaded> {
    if (!await this.#connection.exists()) throw missing(file, "open");
    return await this.#connection.transact("readonly", async (store) => {
      const range = blockRange(file);
      const reading: Promise<unknown[]> = valueOf(store.getAllKeys(range));
      const values: unknown[] = await valueOf(store.getAll(range));
      const keys = await reading;
      if (keys.length === 0) throw missing(file, "open");
      return assemble(file, keys, values);
    });
  }
}

function assemble(file: string, keys: unknown[], values: unknown[]): Loaded {
  const [meta, ...blocks] = values;
  if (!isMeta(meta)) throw malformed(file);
  const bytes = new SparseBytes(BLOCK_BYTES);
  const stored = new Set<number>();
  blocks.forEach((block, i) => {
    const key = keys[i + 1];
    const index: unknown = Array.isArray(key) ? key[1] : undefined;
    if (typeof index !== "number" || !(block instanceof Uint8Array)) {
      throw malformed(file);
    }
    bytes.write(block, index * BLOCK_BYTES);
    stored.add(index);
  });
  bytes.truncate(meta.size);
  return { bytes, stored, mark: meta.mark };
}

function missing(file: string, operation: "open" | "remove"): FileMissingError {
  const message = `Cannot ${operation} "${file}": there is no such file`;
  return new FileMissingError(message, { operation, file });
}

function malformed(file: string): IoError {
  return new IoError(
    `Cannot open "${file}": the database holds something else under its name`,
    { operation: "open", file },
  );
}

/** What is used of Web Locks. */
interface Locks {
  request(
    name: string,
    options: { mode: "exclusive"; ifAvailable: true },
    held: (lock: unknown) => Promise<void> | undefined,
  ): Promise<unknown>;
}

/** Takes a Web Lock if it is free; the function gives it back. */
function holdLock(
  locks: Locks,
  name: string,
): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    const options = { mode: "exclusive", ifAvailable: true } as const;
    const ended = locks.request(name, options, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve(async () => {
          release();
          await ended;
        });
      });
    });
    ended.catch(reject);
  });
}

/**
 * A backend on an IndexedDB database of its own.
 *
 * Needs IndexedDB and Web Locks, so a secure origin. Nothing is opened until the
 * first call. Errors tell quota (`StorageFullError`) from everything else; a
 * flush that failed wrote nothing.
 *
 * @example In a page
 * ```ts ignore
 * import { idb } from "@stemma/db/backends/idb";
 *
 * const backend = idb("my-state");
 * const file = await backend.open("numbers", { create: true });
 * file.write(new Uint8Array([1, 2, 3]), 0);
 * await file.flush();
 * ```
 *
 * @param database The database's name; nobody else should use it.
 * @returns The backend.
 * @throws {TypeError} When the name is empty.
 */
export function idb(database: string): StorageBackend {
  if (typeof database !== "string" || database === "") {
    throw new TypeError("Cannot use database name: expected a text");
  }
  return new IdbBackend(database);
}
