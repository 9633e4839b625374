/**
 * The backend on files of a Deno process: one directory, one store. Calls are
 * synchronous and positional (2 to 4 microseconds for 4 KiB, asynchronous ones
 * cost 5 to 60 times that). The directory is made with mode 0700, files with
 * 0600 and never over something that exists. Only plain files that have this
 * one name are opened: a symbolic link, a hard link, a directory, a FIFO or a
 * device in a file's place is refused untouched.
 *
 * @module
 */
import {
  FileKindError,
  IoError,
  LockedError,
  PermissionError,
} from "./errors.ts";
import { Readers } from "./_deno_readers.ts";
import type { MeantFile } from "./_deno_worker.ts";
import { LaterWriter } from "./_deno_writer.ts";
import {
  checkName,
  checkOpen,
  checkPlace,
  checkRange,
  checkSize,
} from "./_internal.ts";
import { type Attempt, describe, translateError } from "./_translate.ts";
import type {
  MadeBytes,
  StorageBackend,
  StorageFile,
  StorageKernel,
  StorageLock,
  StorageOpenOptions,
  StorageSupports,
} from "./types.ts";

/** Never renamed, replaced or removed: `flock` belongs to the inode. */
const LOCK_FILE = "lock.stemma";

/** Readers of a file at most. */
const READERS_MAX = 64;

/** What {@linkcode denoFs} does besides keeping files. */
export interface DenoFsOptions {
  /**
   * Threads that read pages before a large commit, or `warmUp`, comes to them: for
   * stores that do not fit into their cache. A disk answers several at a time, and
   * even what the system has cached is read beside the commit. They are workers, started
   * when a first page is to be read ahead, and stopped when the store is closed.
   *
   * @default {0}
   */
  readonly readers?: number;
  /**
   * Whether a thread writes pages while the next ones are put together, and those of a
   * store that does not fit into its cache while later commits go on: the store's memory
   * is shared with it. It is a worker, started when pages are to be written for the first
   * time, and stopped when the store is closed.
   *
   * @default {false}
   */
  readonly writer?: boolean;
}

function attemptSync<T>(attempt: Attempt, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw translateError(cause, attempt);
  }
}

class DenoFile implements StorageFile {
  readonly readLater?: (position: number, length: number) => void;
  readonly writeLater?: (buffer: Uint8Array, position: number) => void;
  readonly finishWrites?: () => void;
  readonly lend?: (kernel: StorageKernel) => void;
  readonly writeMade?: (bytes: MadeBytes, position: number) => void;
  #file: Deno.FsFile;
  #name: string;
  #closed = false;
  readonly #path: string;
  /** A second handle: one that is being flushed takes no other call. */
  #flusher: Deno.FsFile | undefined;
  /** Where the handle stands; -1 when that is not known. */
  #at = -1;
  readonly #threads: number;
  #writer: LaterWriter | undefined;
  #kernel: StorageKernel | undefined;
  #readers: Readers | undefined;
  /** Whether nothing was to be read, or written, later so far. */
  #mayStartReaders = true;
  #mayStartWriter = true;

  constructor(
    file: Deno.FsFile,
    name: string,
    path: string,
    { readers, writer }: Required<DenoFsOptions>,
  ) {
    this.#file = file;
    this.#name = name;
    this.#path = path;
    this.#threads = readers;
    if (readers > 0) this.readLater = (...block) => this.#readLater(...block);
    if (!writer) return;
    this.writeLater = (...piece) => this.#writeLater(...piece);
    this.finishWrites = () => this.#writer?.finish();
    this.lend = (kernel) => this.#kernel = kernel;
    this.writeMade = (...piece) => this.#writeMade(...piece);
  }

  read(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    if (buffer.length === 0) return 0;
    this.#writer?.finishCopied();
    const ahead = this.#readers?.fetch(buffer, position);
    if (ahead !== undefined) return ahead;
    try {
      this.#seek(position);
      const got = this.#file.readSync(buffer) ?? 0;
      this.#at = position + got;
      return got;
    } catch (cause) {
      throw this.#translate(cause, "read", position);
    }
  }

  write(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    if (buffer.length === 0) return 0;
    this.#writer?.finish();
    this.#readers?.forget();
    return this.#put(buffer, position);
  }

  #put(buffer: Uint8Array, position: number): number {
    let written: number;
    try {
      this.#seek(position);
      written = this.#file.writeSync(buffer);
      this.#at = position + written;
    } catch (cause) {
      throw this.#translate(cause, "write", position);
    }
    if (written > 0) return written;
    const attempt = { operation: "write", file: this.#name, position } as const;
    throw new IoError(
      `Cannot ${describe(attempt)}: nothing was written`,
      attempt,
    );
  }

  size(): number {
    checkOpen(this.#closed, this.#name);
    this.#writer?.finish();
    try {
      this.#at = -1;
      return this.#at = this.#file.seekSync(0, Deno.SeekMode.End);
    } catch (cause) {
      throw this.#translate(cause, "size");
    }
  }

  truncate(size: number): void {
    checkOpen(this.#closed, this.#name);
    checkSize(size);
    this.#writer?.finish();
    this.#readers?.forget();
    try {
      this.#file.truncateSync(size);
    } catch (cause) {
      throw this.#translate(cause, "truncate", size);
    }
  }

  flush(): void {
    checkOpen(this.#closed, this.#name);
    this.#writer?.finish();
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      throw this.#translate(cause, "flush");
    }
  }

  async flushInBackground(): Promise<void> {
    checkOpen(this.#closed, this.#name);
    try {
      this.#flusher ??= this.#openFlusher();
      await this.#flusher.syncData();
    } catch (cause) {
      throw this.#translate(cause, "flush");
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readers?.close();
    this.#writer?.close();
    try {
      this.#flusher?.close();
      this.#file.close();
    } catch (cause) {
      throw this.#translate(cause, "close");
    }
  }

  #readLater(position: number, length: number): void {
    checkOpen(this.#closed, this.#name);
    checkPlace(position, length);
    // Readers have handles of their own.
    this.#writer?.finishCopied();
    if (this.#mayStartReaders) this.#startReaders(length);
    this.#readers?.post(position, length);
  }

  #startReaders(length: number): void {
    this.#mayStartReaders = false;
    try {
      this.#readers = Readers.start(this.#meant(), length, this.#threads);
    } catch {
      // Then nothing is read ahead.
    }
  }

  #writeLater(buffer: Uint8Array, position: number): void {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    if (buffer.length === 0) return;
    this.#readers?.forget();
    if (this.#mayStartWriter) this.#startWriter();
    if (this.#writer !== undefined) this.#writer.post(buffer, position);
    else this.#putAll(buffer, position);
  }

  #writeMade(made: MadeBytes, position: number): void {
    checkOpen(this.#closed, this.#name);
    checkPlace(position, made.length);
    this.#readers?.forget();
    if (this.#mayStartWriter) this.#startWriter();
    if (this.#writer !== undefined) {
      return this.#writer.postMade(made, position);
    }
    const { at, length } = made;
    made.make();
    const { buffer } = this.#kernel!.memory;
    this.#putAll(new Uint8Array(buffer, at, length), position);
  }

  #startWriter(): void {
    this.#mayStartWriter = false;
    const put = (bytes: Uint8Array, position: number): void =>
      this.#putAll(bytes, position);
    try {
      const file = this.#meant();
      this.#writer = new LaterWriter(this.#name, file, put, this.#kernel);
    } catch {
      // Then pieces are written when they come.
    }
  }

  #putAll(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;) {
      done += this.#put(bytes.subarray(done), position + done);
    }
  }

  /** What a thread with a handle of its own has to find. */
  #meant(): MeantFile {
    const { dev, ino } = this.#file.statSync();
    return { path: this.#path, dev, ino };
  }

  /** Goes to a position; not known any more until the next call has gone well. */
  #seek(position: number): void {
    const isThere = this.#at === position;
    this.#at = -1;
    if (!isThere) this.#file.seekSync(position, Deno.SeekMode.Start);
  }

  #openFlusher(): Deno.FsFile {
    const file = openPlain(this.#path, this.#name, false);
    const { ino, dev } = this.#file.statSync(), again = file.statSync();
    if (again.ino === ino && again.dev === dev) return file;
    file.close();
    throw refuse(this.#name, "flush", "it was replaced while it was open");
  }

  #translate(
    cause: unknown,
    operation: Attempt["operation"],
    position?: number,
  ): Error {
    return translateError(cause, { operation, file: this.#name, position });
  }
}

class DenoFsBackend implements StorageBackend {
  readonly name = "deno_fs";
  readonly supports: StorageSupports = {
    // Windows has no way to flush a directory, and needs none for NTFS.
    directorySync: Deno.build.os !== "windows",
    largeFiles: true,
    asyncFlush: false,
    durable: true,
  };
  readonly sync?: () => Promise<void>;
  #directory: string;
  readonly #options: Required<DenoFsOptions>;

  constructor(directory: string, options: Required<DenoFsOptions>) {
    this.#directory = directory;
    this.#options = options;
    if (this.supports.directorySync) this.sync = () => this.#sync();
  }

  // Asynchronous so that mistakes reject instead of throwing.
  // deno-lint-ignore require-await
  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    checkName(file);
    checkOwnName(file);
    requireAccess(this.#directory, "open");
    const operation = options.create ? "create" : "open";
    if (options.create) this.#makeDirectory();
    else this.#checkDirectory("open");
    const handle = attemptSync(
      { operation, file },
      () => openPlain(this.#path(file), file, options.create),
    );
    return new DenoFile(handle, file, this.#path(file), this.#options);
  }

  // deno-lint-ignore require-await
  async list(): Promise<string[]> {
    requireAccess(this.#directory, "list");
    if (!this.#checkDirectory("list")) return [];
    return attemptSync({ operation: "list" }, () => {
      const names: string[] = [];
      for (const entry of Deno.readDirSync(this.#directory)) {
        if (entry.name !== LOCK_FILE) names.push(entry.name);
      }
      return names.sort();
    });
  }

  // deno-lint-ignore require-await
  async remove(file: string): Promise<void> {
    checkName(file);
    checkOwnName(file);
    requireAccess(this.#directory, "remove");
    attemptSync({ operation: "remove", file }, () => {
      checkPlain(Deno.lstatSync(this.#path(file)), file, "remove");
      Deno.removeSync(this.#path(file));
    });
  }

  // deno-lint-ignore require-await
  async lock(): Promise<StorageLock> {
    requireAccess(this.#directory, "lock");
    this.#makeDirectory();
    const handle = attemptSync(
      { operation: "lock", file: LOCK_FILE },
      () => this.#openLock(),
    );
    let taken = false;
    try {
      taken = attemptSync(
        { operation: "lock", file: LOCK_FILE },
        () => handle.tryLockSync(true),
      );
    } finally {
      if (!taken) handle.close();
    }
    if (!taken) {
      throw new LockedError(
        `Cannot lock store "${this.#directory}": another opener has it`,
      );
    }
    return { release: releaseOnce(handle) };
  }

  // deno-lint-ignore require-await
  async #sync(): Promise<void> {
    attemptSync({ operation: "sync" }, () => syncDirectory(this.#directory));
  }

  #path(file: string): string {
    return `${this.#directory}/${file}`;
  }

  /** Whether the store's directory is there; throws when it is not one. */
  #checkDirectory(operation: Attempt["operation"]): boolean {
    return attemptSync({ operation }, () => {
      try {
        const found = Deno.statSync(this.#directory);
        if (found.isDirectory) return true;
      } catch (cause) {
        if (cause instanceof Deno.errors.NotFound) return false;
        throw cause;
      }
      throw new FileKindError(
        `Cannot ${operation} "${this.#directory}": it is not a directory`,
        { operation },
      );
    });
  }

  /** Makes the directory, and its name durable where that is allowed. */
  #makeDirectory(): void {
    if (this.#checkDirectory("create")) return;
    attemptSync({ operation: "create" }, () => {
      Deno.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      if (!this.supports.directorySync) return;
      const parent = `${this.#directory}/..`;
      if (isGranted("read", parent)) syncDirectory(parent);
    });
  }

  /** Several openers may race to make the lock file; each finds the same. */
  #openLock(): Deno.FsFile {
    const path = this.#path(LOCK_FILE);
    try {
      return openPlain(path, LOCK_FILE, true);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
      return openPlain(path, LOCK_FILE, false);
    }
  }
}

/** Opens without following or touching anything but a plain file. */
function openPlain(
  path: string,
  file: string,
  create: boolean,
): Deno.FsFile {
  const operation = create ? "create" : "open";
  // Opening a FIFO would wait for its other end: so look first.
  if (!create) checkPlain(Deno.lstatSync(path), file, operation);
  const handle = Deno.openSync(path, {
    read: true,
    write: true,
    ...(create ? { createNew: true, mode: 0o600 } : {}),
  });
  try {
    // And look again: the name may lead elsewhere by now.
    const opened = handle.statSync();
    const named = Deno.lstatSync(path);
    checkPlain(named, file, operation);
    if (opened.ino !== named.ino || opened.dev !== named.dev) {
      throw refuse(file, operation, "it was replaced while being opened");
    }
    checkPlain(opened, file, operation);
    return handle;
  } catch (cause) {
    handle.close();
    throw cause;
  }
}

function checkPlain(
  info: Deno.FileInfo,
  file: string,
  operation: Attempt["operation"],
): void {
  if (info.isSymlink) throw refuse(file, operation, "it is a symbolic link");
  if (info.isDirectory) throw refuse(file, operation, "it is a directory");
  if (!info.isFile) throw refuse(file, operation, "it is not a plain file");
  if (info.nlink !== null && info.nlink > 1) {
    throw refuse(file, operation, "it has another name (hard link)");
  }
}

function refuse(
  file: string,
  operation: Attempt["operation"],
  why: string,
): FileKindError {
  return new FileKindError(`Cannot ${operation} "${file}": ${why}`, {
    operation,
    file,
  });
}

function checkOwnName(file: string): void {
  if (file === LOCK_FILE) {
    throw new TypeError(`Cannot use file name: "${file}" is the lock's`);
  }
}

function syncDirectory(path: string): void {
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/**
 * Unlocks before it closes: what is closed stays locked as long as a child that is
 * being started elsewhere in this process still has its copy of the handle.
 */
function releaseOnce(handle: Deno.FsFile): () => void {
  let released = false;
  return () => {
    if (released) return;
    released = true;
    attemptSync({ operation: "unlock", file: LOCK_FILE }, () => {
      try {
        handle.unlockSync();
      } finally {
        handle.close();
      }
    });
  };
}

function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

/** Asks first, because a call without permission would prompt the user. */
function requireAccess(
  directory: string,
  operation: Attempt["operation"],
): void {
  const missing = (["read", "write"] as const).filter((name) =>
    !isGranted(name, directory)
  );
  if (missing.length === 0) return;
  throw new PermissionError(
    `Cannot ${operation} store "${directory}": ${missing.join(" and ")} ` +
      `access is not granted, run again with --allow-read=${directory} ` +
      `--allow-write=${directory}`,
    { operation },
  );
}

/**
 * A backend on a directory of the file system.
 *
 * Needs `--allow-read=DIR --allow-write=DIR` and nothing more, and never
 * prompts. Nothing is touched until the first call. The directory is made, with
 * mode 0700, by `lock()` or the first file created in it; files get mode 0600.
 *
 * @example Usage
 * ```ts
 * import { denoFs } from "@stemma/db/backends/deno_fs";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const backend = denoFs(directory);
 * const file = await backend.open("numbers", { create: true });
 * file.write(new Uint8Array([1, 2, 3]), 0);
 * file.flush();
 * file.close();
 * assertEquals(await backend.list(), ["numbers"]);
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @param directory The directory: a path, or a `file:` URL.
 * @param options What else it can do.
 * @returns The backend.
 * @throws {TypeError} When the path is empty or the URL is not a `file:` URL.
 * @throws {RangeError} When the number of readers is not from 0 to 64.
 */
export function denoFs(
  directory: string | URL,
  { readers = 0, writer = false }: DenoFsOptions = {},
): StorageBackend {
  const path = typeof directory === "string"
    ? directory
    : pathFromUrl(directory);
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new TypeError("Cannot use directory: expected a path");
  }
  if (!Number.isInteger(readers) || readers < 0 || readers > READERS_MAX) {
    throw new RangeError(
      `Cannot use readers: expected 0 to ${READERS_MAX}: received ${readers}`,
    );
  }
  return new DenoFsBackend(path, { readers, writer });
}

function pathFromUrl(url: URL): string {
  if (url.protocol !== "file:") {
    throw new TypeError(
      `Cannot use directory: expected a file: URL: received "${url.protocol}"`,
    );
  }
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows"
    ? path.replace(/^\/([A-Za-z]:)/, "$1")
    : path;
}
