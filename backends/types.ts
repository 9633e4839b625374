// This module is browser compatible.
/**
 * The storage-backend interface: what the engine asks of a place where bytes
 * are kept. File calls are positional and synchronous, the ways to get at a
 * file are asynchronous. The comments below are the whole contract: a backend
 * that keeps it passes `conformance.ts`, and the engine relies on nothing else.
 *
 * @module
 */

/** What a backend can do beyond the common contract. */
export interface StorageSupports {
  /**
   * `sync()` exists, and a created or removed name survives power loss once it
   * resolved. Where this is false (OPFS) a new file's existence is never known
   * to be durable, so the engine makes its files once and the one that decides
   * validity last.
   */
  readonly directorySync: boolean;
  /** Sizes and positions past 4 GiB work, and holes take no room. */
  readonly largeFiles: boolean;
  /** `flush` returns a promise instead of blocking until the bytes are safe. */
  readonly asyncFlush: boolean;
  /** What was flushed outlives the process. */
  readonly durable: boolean;
}

/** How a file is opened. */
export interface StorageOpenOptions {
  /**
   * `true`: the file must not exist and is made, empty ({@linkcode
   * FileExistsError} otherwise). `false`: the file must exist ({@linkcode
   * FileMissingError} otherwise). There is no "open or create".
   */
  readonly create: boolean;
}

/** A WebAssembly kernel over shared memory, lent to the thread behind `writeMade`. */
export interface StorageKernel {
  /** Imports `env.memory` and `env.base`. */
  readonly module: WebAssembly.Module;
  /** Shared memory. */
  readonly memory: WebAssembly.Memory;
  /** Byte offset in the memory where an instance of the module has room to work. */
  readonly base: number;
  /** The export that is called: it takes three numbers of 32 bits. */
  readonly name: string;
}

/** Bytes that the thread behind `writeMade` puts together before it writes them. */
export interface MadeBytes {
  /** Where in the lent memory they will lie; other calls may use the same place. */
  readonly at: number;
  /** How many there are. */
  readonly length: number;
  /** With what the lent kernel is called for them. Calling it twice does no harm. */
  readonly arguments: readonly [number, number, number];
  /** Makes that call on the thread of the caller. */
  make(): void;
}

/**
 * An open file.
 *
 * Rules for every call:
 *
 * * Positions and sizes are integers in 0..2^53 − 1; anything else, and a
 *   position whose end would lie beyond, is a `RangeError` before any I/O.
 * * After `close()` every call but `close()` throws `ClosedError`.
 * * Whatever the host throws arrives as `IoError`, `StorageFullError`,
 *   `PermissionError` or `ClosedError` with the original as `cause`, never as
 *   itself.
 * * Buffers may be views over a part of a larger buffer and over shared memory;
 *   only the view's bytes are touched, and no reference is kept after return.
 */
export interface StorageFile {
  /**
   * Reads bytes at `position` into `buffer`.
   *
   * Returns how many bytes were read, from the start of the buffer. Fewer than
   * asked is allowed anywhere (callers loop); 0 means that `position` is at or
   * past the end, or that the buffer is empty. Bytes never written below the
   * end read as zeros.
   */
  read(buffer: Uint8Array, position: number): number;
  /**
   * Says that `length` bytes at `position` will soon be read by one call, so that the
   * backend can begin to. Changes nothing about what `read` returns, whatever is written
   * or goes wrong meanwhile, and may do nothing. Left out where the host has no way to
   * read beside its caller.
   */
  readLater?(position: number, length: number): void;
  /**
   * Writes the buffer's bytes at `position`; the file grows when the end lies
   * past its size, and a gap in between reads as zeros.
   *
   * Returns how many bytes were written, from the start of the buffer. Fewer
   * than given is allowed (callers loop), but never 0 for a buffer that is not
   * empty: a backend that can write nothing throws. Writing an empty buffer
   * changes nothing, not even the size. When it throws, any bytes of the range
   * may or may not have been written, and nothing outside it has changed.
   */
  write(buffer: Uint8Array, position: number): number;
  /**
   * Begins to write all of the buffer's bytes at `position`, which it copies. What comes of
   * it is open until {@linkcode finishWrites} returns, or another call but this one and
   * `flushInBackground`, which finish it first. Left out where the host has no way to
   * write beside its caller.
   */
  writeLater?(buffer: Uint8Array, position: number): void;
  /**
   * Returns when all that was given to {@linkcode writeLater} is written as by `write`. When
   * it throws, any of it may or may not have been. There exactly when `writeLater` is.
   */
  finishWrites?(): void;
  /**
   * Lends the file's writing thread a kernel for {@linkcode writeMade}. To be called once at
   * most, before anything is written. There exactly when `writeMade` is.
   */
  lend?(kernel: StorageKernel): void;
  /**
   * As {@linkcode writeLater}, but has the lent kernel put the bytes together first: what
   * that reads and writes is the thread's until {@linkcode finishWrites} returns. `read` and
   * `readLater` do not finish it: they may be made meanwhile of other bytes of the file.
   * Left out where the host has no way to do so beside its caller.
   */
  writeMade?(bytes: MadeBytes, position: number): void;
  /** The file's size in bytes, with everything written so far. */
  size(): number;
  /**
   * Cuts the file to `size` bytes, or lengthens it with zeros. Bytes cut off
   * are gone: growing again brings zeros.
   */
  truncate(size: number): void;
  /**
   * Makes everything written and truncated through this handle before the call
   * survive power loss; it is done when the call returned or its promise
   * resolved. After an error nothing is known about those changes, and a later
   * flush that succeeds does not make them good: the caller must not retry.
   */
  flush(): void | Promise<void>;
  /**
   * As {@linkcode flush}, with the same promise, but without blocking the
   * caller's thread. Other calls may be made before it is done. Left out where
   * the host has no such thing, or where `flush` is asynchronous anyway.
   */
  flushInBackground?(): Promise<void>;
  /**
   * Gives the handle back. Does not flush: what was not flushed may be gone when
   * the file is opened again. Calling it again does nothing. When it throws, the
   * handle is closed all the same.
   */
  close(): void;
}

/** An exclusive claim on a store, held until released. */
export interface StorageLock {
  /** Lets somebody else lock the store. Calling it again does nothing. */
  release(): void | Promise<void>;
}

/**
 * A flat set of named files that belongs to one store.
 *
 * Names are 1 to 64 characters of `a-z 0-9 . _ -` and do not start with a dot;
 * other names are a `TypeError`. A store opens each of its files once at a
 * time, and closes a file before it removes it.
 */
export interface StorageBackend {
  /** What kind of backend this is, for messages: "memory", "deno_fs". */
  readonly name: string;
  /** What the backend can do beyond the common contract. */
  readonly supports: StorageSupports;
  /** Opens or creates one file. See {@linkcode StorageOpenOptions}. */
  open(file: string, options: StorageOpenOptions): Promise<StorageFile>;
  /**
   * The names of everything in the store's place, foreign things included, in
   * ascending order; the backend's own lock file is left out. Empty when the
   * place does not exist yet. Works without the lock and creates nothing, so
   * that an opener can look before it touches anything.
   */
  list(): Promise<string[]>;
  /** Removes a file. `FileMissingError` when there is none of that name. */
  remove(file: string): Promise<void>;
  /**
   * Makes the creation and removal of names before the call survive power
   * loss. Present exactly when `supports.directorySync`.
   */
  sync?(): Promise<void>;
  /**
   * Claims the store for this opener alone, against every other opener on the
   * same storage: this process, other processes, tabs and workers. Creates the
   * store's place when it does not exist, and changes no byte of any file in
   * it.
   *
   * Throws `LockedError` at once (within a second where a dead owner's claim
   * may linger) when somebody else has it. The claim ends with its owner, even
   * one that was killed.
   */
  lock(): Promise<StorageLock>;
  /**
   * Gives back what the backend itself holds. Calling it again does nothing.
   * Files and locks are closed by whoever opened them.
   */
  close?(): Promise<void>;
}

/** A file operation, as named in errors and by the simulated backend. */
export type StorageOperation =
  | "open"
  | "create"
  | "list"
  | "remove"
  | "sync"
  | "lock"
  | "unlock"
  | "read"
  | "write"
  | "size"
  | "truncate"
  | "flush"
  | "close";
