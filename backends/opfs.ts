// This module is browser compatible.
/**
 * The backend on the origin private file system of a browser, for a dedicated
 * worker: synchronous access handles, a fixed set of files, and the access
 * handle of a lock file as the lock. Persistent profiles only: private browsing
 * refuses it or is slow.
 *
 * OPFS cannot sync a directory, so a new file's existence is never known to be
 * durable: the engine makes its files once, the header that decides validity
 * last. A busy handle is tried again for at most a second, and is a
 * `LockedError` then; there is no falling back to memory and no starting empty.
 *
 * @module
 */
import { checkName } from "./_internal.ts";
import { OpfsFile } from "./_opfs_file.ts";
import {
  BUSY_MS_MAX,
  existsAlready,
  nameOf,
  type OpfsAccessHandle,
  type OpfsDirectory,
  opfsError,
  type OpfsMode,
  takeHandle,
} from "./_opfs_handles.ts";
import {
  ClosedError,
  LockedError,
  PermissionError,
  UnsupportedError,
} from "./errors.ts";
import type {
  StorageBackend,
  StorageFile,
  StorageLock,
  StorageOpenOptions,
  StorageSupports,
} from "./types.ts";

export type {
  OpfsAccessHandle,
  OpfsDirectory,
  OpfsFileHandle,
  OpfsMode,
} from "./_opfs_handles.ts";

/** Left out of `list()`. Its 16 bytes change with every opener that writes. */
const LOCK_FILE = "lock.stemma";
const MARK_BYTES = 16;
/** Handles of one dead owner are freed together, so this is enough. */
const LATER_BUSY_MS_MAX = 250;

/** Options of {@linkcode opfs}. */
export interface OpfsOptions {
  /**
   * The directory to work below, for instance a `FileSystemDirectoryHandle` of
   * the app's own or of a storage bucket.
   *
   * @default {await navigator.storage.getDirectory()}
   */
  readonly directory?: OpfsDirectory;
  /**
   * Take the files for reading, together with other readers. Possible when
   * nobody has the store open for writing and it was closed in order; writing
   * is a `PermissionError`, a browser without read-only handles an
   * `UnsupportedError`.
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
}

/** {@linkcode StorageBackend} on OPFS, which can let go of its handles. */
export interface OpfsBackend extends StorageBackend {
  /** Whether the handles were let go of by {@linkcode pause}. */
  readonly isPaused: boolean;
  /**
   * Lets go of all handles and of the lock, so that another tab can open the
   * store, or a hidden page can be frozen. Until {@linkcode resume} every file
   * call throws `ClosedError`; so let commits finish first. Calling it again
   * does nothing.
   */
  pause(): void;
  /**
   * Takes the handles again. When it rejects, the backend is paused as before.
   *
   * @throws {LockedError} When somebody else has the store.
   * @throws {ClosedError} When somebody else had it for writing meanwhile: what
   *   this opener knows is out of date, and the store must be opened anew.
   */
  resume(): Promise<void>;
}

class Opfs implements OpfsBackend {
  readonly name = "opfs";
  readonly supports: StorageSupports = {
    directorySync: false,
    // Positions past 4 GiB work, but holes count against the quota.
    largeFiles: false,
    asyncFlush: false,
    durable: true,
  };
  readonly #path: readonly string[];
  readonly #base: OpfsDirectory | undefined;
  readonly #mode: OpfsMode;
  readonly #files: Set<OpfsFile> = new Set();
  #directory: OpfsDirectory | undefined;
  #lock: OpfsAccessHandle | undefined;
  #isLocking = false;
  /** Whether `lock()` was given and not released; true while paused too. */
  #isLocked = false;
  #isPaused = false;
  #resuming: Promise<void> | undefined;
  #mark: Uint8Array = new Uint8Array(MARK_BYTES);
  #deadline = 0;

  constructor(path: readonly string[], options: OpfsOptions) {
    this.#path = path;
    this.#base = options.directory;
    this.#mode = options.readOnly ? "read-only" : "readwrite";
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    checkName(file);
    checkOwnName(file);
    const { create } = options;
    const attempt = { operation: create ? "create" : "open", file } as const;
    if (create) this.#refuseReadOnly("create", file);
    try {
      const directory = await this.#find(create);
      if (create && await has(directory, file)) throw existsAlready(file);
      const handle = await takeHandle(
        await directory.getFileHandle(file, { create }),
        this.#mode,
        this.#lateDeadline(),
        attempt,
      );
      const opened = new OpfsFile(
        file,
        handle,
        (gone) => this.#files.delete(gone),
      );
      this.#files.add(opened);
      return opened;
    } catch (cause) {
      throw opfsError(cause, attempt);
    }
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    try {
      const directory = await this.#find(false);
      for await (const name of directory.keys()) {
        if (name !== LOCK_FILE) names.push(name);
      }
    } catch (cause) {
      if (nameOf(cause) === "NotFoundError") return [];
      throw opfsError(cause, { operation: "list" });
    }
    return names.sort();
  }

  async remove(file: string): Promise<void> {
    checkName(file);
    checkOwnName(file);
    this.#refuseReadOnly("remove", file);
    try {
      await (await this.#find(false)).removeEntry(file);
    } catch (cause) {
      throw opfsError(cause, { operation: "remove", file });
    }
  }

  async lock(): Promise<StorageLock> {
    if (this.#isLocked || this.#isLocking) {
      throw new LockedError("Cannot lock store: this opener has it already");
    }
    this.#isLocking = true;
    try {
      this.#lock = await this.#takeLock();
      if (this.#mode === "readwrite") this.#leaveMark(this.#lock);
      else this.#mark = readMark(this.#lock);
      this.#isLocked = true;
    } catch (cause) {
      this.#lock?.close();
      this.#lock = undefined;
      throw opfsError(cause, { operation: "lock" });
    } finally {
      this.#isLocking = false;
    }
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#isLocked = false;
        this.#isPaused = false;
        this.#lock?.close();
        this.#lock = undefined;
      },
    };
  }

  // Asynchronous so that mistakes reject instead of throwing.
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    for (const file of this.#files) file.close();
    this.#lock?.close();
    this.#lock = undefined;
    this.#isLocked = false;
    this.#isPaused = false;
  }

  pause(): void {
    if (this.#isPaused || !this.#isLocked) return;
    this.#isPaused = true;
    for (const file of this.#files) file.release();
    // The lock goes last: whoever gets it finds the files free.
    this.#lock?.close();
    this.#lock = undefined;
  }

  resume(): Promise<void> {
    this.#resuming ??= this.#resume().finally(() => {
      this.#resuming = undefined;
    });
    return this.#resuming;
  }

  async #resume(): Promise<void> {
    if (!this.#isPaused) return;
    const taken: OpfsAccessHandle[] = [];
    try {
      const lock = await this.#takeLock();
      taken.push(lock);
      if (!sameMark(readMark(lock), this.#mark)) {
        throw new ClosedError(
          "Cannot resume: another opener used the store meanwhile; open it anew",
        );
      }
      const directory = await this.#find(false);
      const files = [...this.#files];
      for (const { name } of files) {
        const file = await directory.getFileHandle(name);
        const attempt = { operation: "open", file: name } as const;
        taken.push(
          await takeHandle(file, this.#mode, this.#lateDeadline(), attempt),
        );
      }
      if (!this.#isLocked) throw new ClosedError("Cannot resume: closed");
      files.forEach((file, i) => file.renew(taken[i + 1]));
      this.#lock = lock;
      this.#isPaused = false;
    } catch (cause) {
      for (const handle of taken) handle.close();
      throw opfsError(cause, { operation: "lock" });
    }
  }

  async #takeLock(): Promise<OpfsAccessHandle> {
    this.#deadline = performance.now() + BUSY_MS_MAX;
    const directory = await this.#find(true);
    const file = await directory.getFileHandle(LOCK_FILE, { create: true });
    const attempt = { operation: "lock" } as const;
    return await takeHandle(file, this.#mode, this.#deadline, attempt);
  }

  /** Says, to whoever looks later, that another opener has been here. */
  #leaveMark(lock: OpfsAccessHandle): void {
    this.#mark = crypto.getRandomValues(new Uint8Array(MARK_BYTES));
    if (lock.write(this.#mark, { at: 0 }) < MARK_BYTES) {
      throw new PermissionError("Cannot lock store: the mark was cut short", {
        operation: "lock",
      });
    }
  }

  #lateDeadline(): number {
    return Math.max(this.#deadline, performance.now() + LATER_BUSY_MS_MAX);
  }

  async #find(create: boolean): Promise<OpfsDirectory> {
    if (this.#directory !== undefined) return this.#directory;
    let directory = this.#base ?? await originDirectory();
    for (const name of this.#path) {
      directory = await directory.getDirectoryHandle(name, { create });
    }
    this.#directory = directory;
    return directory;
  }

  #refuseReadOnly(operation: "create" | "remove", file: string): void {
    if (this.#mode === "readwrite") return;
    throw new PermissionError(
      `Cannot ${operation} "${file}": the store was opened for reading`,
      { operation, file },
    );
  }
}

async function has(directory: OpfsDirectory, file: string): Promise<boolean> {
  try {
    await directory.getFileHandle(file);
    return true;
  } catch (cause) {
    if (nameOf(cause) === "NotFoundError") return false;
    throw cause;
  }
}

function readMark(lock: OpfsAccessHandle): Uint8Array {
  const mark = new Uint8Array(MARK_BYTES);
  lock.read(mark, { at: 0 });
  return mark;
}

function sameMark(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

function checkOwnName(file: string): void {
  if (file === LOCK_FILE) {
    throw new TypeError(`Cannot use file name: "${file}" is the lock's`);
  }
}

/** What a browser's `navigator.storage` may have. */
interface StorageManagerParts {
  getDirectory?(): Promise<OpfsDirectory>;
  persist?(): Promise<boolean>;
  persisted?(): Promise<boolean>;
  estimate?(): Promise<{ usage?: number; quota?: number }>;
}

function storageManager(): StorageManagerParts | undefined {
  const { navigator } = globalThis as {
    navigator?: { storage?: StorageManagerParts };
  };
  return navigator?.storage;
}

async function originDirectory(): Promise<OpfsDirectory> {
  const storage = storageManager();
  if (storage === undefined) {
    throw new UnsupportedError(
      "Cannot open store: navigator.storage exists only on secure origins " +
        "(https:, or localhost)",
    );
  }
  if (typeof storage.getDirectory !== "function") {
    throw new UnsupportedError(
      "Cannot open store: this browser has no origin private file system",
    );
  }
  return await storage.getDirectory();
}

/**
 * A backend on the origin private file system. Works in a dedicated worker.
 * Nothing is touched until the first call.
 *
 * @example In a dedicated worker
 * ```ts ignore
 * import { open } from "@stemma/db";
 * import { opfs } from "@stemma/db/backends/opfs";
 *
 * await using db = await open(opfs("wallet/mainnet"));
 * ```
 *
 * @param path Directories below the origin's root, with slashes; they are made
 *   by the first opener. Each is 1 to 64 of `a-z 0-9 . _ -`, not starting with
 *   a dot.
 * @param options A directory of the app's own; reading only.
 * @returns The backend.
 * @throws {TypeError} When the path has other characters.
 */
export function opfs(path: string, options: OpfsOptions = {}): OpfsBackend {
  const names = typeof path === "string" ? path.split("/") : [""];
  for (const name of names) checkName(name);
  return new Opfs(names, options);
}

/**
 * Asks the browser not to evict the origin's files when room gets short. Works
 * on pages and in workers; some browsers ask the user.
 *
 * @example
 * ```ts
 * import { persist } from "@stemma/db/backends/opfs";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await persist(), false); // not in a browser
 * ```
 *
 * @returns Whether the files are safe from eviction.
 */
export async function persist(): Promise<boolean> {
  const storage = storageManager();
  if (await storage?.persisted?.()) return true;
  return await storage?.persist?.() ?? false;
}

/** What {@linkcode estimate} knows, in bytes. */
export interface StorageEstimate {
  /** In use by the origin; `undefined` when the browser does not say. */
  readonly usage: number | undefined;
  /** Most that the origin may use; writes may fail well below it. */
  readonly quota: number | undefined;
}

/**
 * How much the origin stores and may store.
 *
 * @example
 * ```ts
 * import { estimate } from "@stemma/db/backends/opfs";
 * import { assertEquals } from "@std/assert";
 *
 * const { quota } = await estimate();
 * assertEquals(quota, undefined); // not in a browser
 * ```
 *
 * @returns Bytes used and allowed, as far as the browser says.
 */
export async function estimate(): Promise<StorageEstimate> {
  const found = await storageManager()?.estimate?.();
  return { usage: found?.usage, quota: found?.quota };
}
