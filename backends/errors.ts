// This module is browser compatible.
/**
 * The errors a storage backend throws. All extend `StemmaError`, carry a stable
 * `code`, and keep what the host threw as `cause`. Programmer mistakes are
 * plain `TypeError` and `RangeError` instead.
 *
 * @module
 */
import { StemmaError } from "@stemma/verify";
import type { StorageOperation } from "./types.ts";

/** Where a storage error happened. */
export interface StorageErrorDetails {
  /** The operation that failed. */
  readonly operation: StorageOperation;
  /** The name of the file, or undefined when the store as a whole is meant. */
  readonly file?: string | undefined;
  /** The byte position, or undefined when the call has none. */
  readonly position?: number | undefined;
  /** What the host threw. */
  readonly cause?: unknown;
}

/**
 * Base of the errors that name an operation, a file and a position.
 *
 * @example Telling where it happened
 * ```ts
 * import { IoError, StorageError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const error: unknown = new IoError("Cannot read", {
 *   operation: "read",
 *   file: "pages.stemma",
 *   position: 4096,
 * });
 * if (error instanceof StorageError) assertEquals(error.position, 4096);
 * ```
 */
export class StorageError extends StemmaError {
  /** The operation that failed. */
  readonly operation: StorageOperation;
  /** The name of the file, or undefined when the store as a whole is meant. */
  readonly file: string | undefined;
  /** The byte position, or undefined when the call has none. */
  readonly position: number | undefined;

  /**
   * Creates a new instance.
   *
   * @param code The stable code.
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(code: string, message: string, details: StorageErrorDetails) {
    super(
      code,
      message,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = "StorageError";
    this.operation = details.operation;
    this.file = details.file;
    this.position = details.position;
  }
}

/**
 * The storage failed at a call; code `"io"`.
 *
 * @example Recognizing it
 * ```ts
 * import { IoError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new IoError("Cannot flush", { operation: "flush" });
 * assertEquals(error.code, "io");
 * ```
 */
export class IoError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("io", message, details);
    this.name = "IoError";
  }
}

/**
 * There is no room left: disk full, quota, or file size limit; code
 * `"storage-full"`. It may work again when room is made.
 *
 * @example Recognizing it
 * ```ts
 * import { StorageFullError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new StorageFullError("Cannot write", { operation: "write" });
 * assertEquals(error.code, "storage-full");
 * ```
 */
export class StorageFullError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("storage-full", message, details);
    this.name = "StorageFullError";
  }
}

/**
 * Access was not granted, by the runtime or by the system; code
 * `"permission"`. The message says what to grant.
 *
 * @example Recognizing it
 * ```ts
 * import { PermissionError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new PermissionError("Cannot open", { operation: "open" });
 * assertEquals(error.code, "permission");
 * ```
 */
export class PermissionError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("permission", message, details);
    this.name = "PermissionError";
  }
}

/**
 * A file to be created exists already; code `"exists"`.
 *
 * @example Recognizing it
 * ```ts
 * import { FileExistsError, memoryBackend } from "@stemma/db/backends";
 * import { assertRejects } from "@std/assert";
 *
 * const backend = memoryBackend();
 * await backend.open("a", { create: true });
 * await assertRejects(
 *   () => backend.open("a", { create: true }),
 *   FileExistsError,
 * );
 * ```
 */
export class FileExistsError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("exists", message, details);
    this.name = "FileExistsError";
  }
}

/**
 * A file to be opened or removed does not exist; code `"missing"`.
 *
 * @example Recognizing it
 * ```ts
 * import { FileMissingError, memoryBackend } from "@stemma/db/backends";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(
 *   () => memoryBackend().open("a", { create: false }),
 *   FileMissingError,
 * );
 * ```
 */
export class FileMissingError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("missing", message, details);
    this.name = "FileMissingError";
  }
}

/**
 * Something that is not a plain file of its own stands in place of a store's
 * file (a symbolic link, hard link, directory, FIFO or device), or something
 * that is not a directory in place of its directory; code `"file-kind"`. It was
 * neither followed nor touched.
 *
 * @example Recognizing it
 * ```ts
 * import { FileKindError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new FileKindError("Cannot open", { operation: "open" });
 * assertEquals(error.code, "file-kind");
 * ```
 */
export class FileKindError extends StorageError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param details Where it happened.
   */
  constructor(message: string, details: StorageErrorDetails) {
    super("file-kind", message, details);
    this.name = "FileKindError";
  }
}

/**
 * Another opener holds the store; code `"locked"`. Nothing was changed.
 *
 * @example Recognizing it
 * ```ts
 * import { LockedError, memoryBackend } from "@stemma/db/backends";
 * import { assertRejects } from "@std/assert";
 *
 * const backend = memoryBackend();
 * await backend.lock();
 * await assertRejects(() => backend.lock(), LockedError);
 * ```
 */
export class LockedError extends StorageError {
  /**
   * After how many milliseconds another try may succeed without anybody doing
   * anything; undefined when only the other opener can tell.
   */
  readonly retryAfterMs: number | undefined;

  /**
   * Creates a new instance.
   *
   * @param message What could not be done and why.
   * @param options The original error, and when to try again.
   * @param options.cause What the host threw.
   * @param options.retryAfterMs When another try may succeed.
   */
  constructor(
    message: string,
    options?: { readonly cause?: unknown; readonly retryAfterMs?: number },
  ) {
    super("locked", message, { operation: "lock", cause: options?.cause });
    this.name = "LockedError";
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/**
 * The host cannot do what the backend needs; code `"unsupported"`. The message
 * says why and what would work.
 *
 * @example Recognizing it
 * ```ts
 * import { UnsupportedError } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new UnsupportedError("No such API").code, "unsupported");
 * ```
 */
export class UnsupportedError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What is missing and why.
   * @param options The original error, when there is one.
   * @param options.cause What the host threw.
   */
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("unsupported", message, options);
    this.name = "UnsupportedError";
  }
}

/**
 * A call on something that is closed; code `"closed"`.
 *
 * @example Recognizing it
 * ```ts
 * import { ClosedError, memoryBackend } from "@stemma/db/backends";
 * import { assertThrows } from "@std/assert";
 *
 * const file = await memoryBackend().open("a", { create: true });
 * file.close();
 * assertThrows(() => file.size(), ClosedError);
 * ```
 */
export class ClosedError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What was called on what.
   * @param options The original error, when there is one.
   * @param options.cause What the host threw.
   */
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("closed", message, options);
    this.name = "ClosedError";
  }
}
