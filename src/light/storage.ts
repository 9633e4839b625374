// This module is browser compatible.
//
// Where a light client keeps its one record: a file of OPFS, replaced as a whole,
// or one value in IndexedDB. Losing it is no harm: the client starts again from
// the app's checkpoint.

/** Keeps one record. */
export interface LightStorage {
  /** The record; `undefined` when there is none. */
  load(): Promise<Uint8Array | undefined>;
  /** Replaces the record: afterwards it is the old or the new one, whole. */
  save(record: Uint8Array): Promise<void>;
}

/** What of a file of OPFS is used; `FileSystemFileHandle` is one. */
interface RecordFile {
  getFile(): Promise<Blob>;
  createWritable(): Promise<{
    write(bytes: Uint8Array): Promise<void>;
    close(): Promise<void>;
  }>;
}

interface RecordDirectory {
  getFileHandle(
    name: string,
    options: { create: boolean },
  ): Promise<RecordFile>;
}

/**
 * Keeps the record in a file of the origin's private file system. Works on a
 * page's main thread and in workers.
 *
 * @example
 * ```ts ignore
 * import { LightClient, lightOpfs } from "@stemma/db/light";
 *
 * const light = await LightClient.open({
 *   scheme, checkpoint, storage: lightOpfs("mainnet"),
 * });
 * ```
 *
 * @param name Name of the file.
 * @returns The storage.
 */
export function lightOpfs(name: string): LightStorage {
  const file = async (): Promise<RecordFile> => {
    const { navigator } = globalThis as unknown as {
      navigator: { storage: { getDirectory(): Promise<RecordDirectory> } };
    };
    const root = await navigator.storage.getDirectory();
    return await root.getFileHandle(`${name}.light`, { create: true });
  };
  return {
    async load() {
      const found = await (await file()).getFile();
      if (found.size === 0) return undefined;
      return new Uint8Array(await found.arrayBuffer());
    },
    async save(record) {
      // Bytes go to a file beside, which replaces this one when it is closed.
      const writable = await (await file()).createWritable();
      await writable.write(record);
      await writable.close();
    },
  };
}

/** What of IndexedDB is used. */
interface Request<T> {
  result: T;
  error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface Store {
  get(key: string): Request<Uint8Array | undefined>;
  put(value: Uint8Array, key: string): Request<unknown>;
}

interface Transaction {
  objectStore(name: string): Store;
  error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

interface Database {
  createObjectStore(name: string): Store;
  transaction(
    store: string,
    mode: "readonly" | "readwrite",
    options?: { durability: "strict" },
  ): Transaction;
  close(): void;
}

interface Factory {
  open(name: string, version: number): Request<Database> & {
    onupgradeneeded: (() => void) | null;
  };
}

/**
 * Keeps the record in IndexedDB, where there is no OPFS.
 *
 * @example
 * ```ts ignore
 * import { LightClient, lightIdb } from "@stemma/db/light";
 *
 * const light = await LightClient.open({
 *   scheme, checkpoint, storage: lightIdb("mainnet"),
 * });
 * ```
 *
 * @param name Name of the database.
 * @returns The storage.
 */
export function lightIdb(name: string): LightStorage {
  const open = (): Promise<Database> => {
    const { indexedDB } = globalThis as unknown as { indexedDB: Factory };
    const request = indexedDB.open(`${name}.light`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("record");
    return settled(request);
  };
  return {
    async load() {
      const database = await open();
      try {
        const tx = database.transaction("record", "readonly");
        return await settled(tx.objectStore("record").get("record"));
      } finally {
        database.close();
      }
    },
    async save(record) {
      const database = await open();
      try {
        const durability = { durability: "strict" } as const;
        const tx = database.transaction("record", "readwrite", durability);
        tx.objectStore("record").put(record, "record");
        await new Promise<void>((resolve, reject) => {
          tx.oncomplete = () => resolve();
          tx.onabort = () => reject(tx.error);
        });
      } finally {
        database.close();
      }
    },
  };
}

function settled<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
