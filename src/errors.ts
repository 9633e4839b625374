// This module is browser compatible.
//
// The engine's own errors, each with a stable code. Wrong arguments are plain
// `TypeError` and `RangeError`; errors of storage come from the backends.

import { StemmaError } from "@stemma/verify";

/** Where a {@linkcode CorruptError} was found. */
export interface CorruptPlace {
  /** The file: `"pages"` or `"log"`. */
  readonly file?: "pages" | "log";
  /** Page number, where a page is concerned. */
  readonly page?: number;
  /** Byte position in the file, where one is known. */
  readonly position?: number;
  /** What made it known. */
  readonly cause?: unknown;
}

/**
 * Storage holds other bytes than were put there. Code `"corrupt"`.
 *
 * @example
 * ```ts
 * import { CorruptError } from "@stemma/db";
 *
 * const error = new CorruptError("Cannot read page 7", { file: "pages", page: 7 });
 * console.log(error.code, error.page);
 * ```
 */
export class CorruptError extends StemmaError {
  /** The file: `"pages"` or `"log"`. */
  readonly file: "pages" | "log" | undefined;
  /** Page number, where a page is concerned. */
  readonly page: number | undefined;
  /** Byte position in the file, where one is known. */
  readonly position: number | undefined;

  /**
   * Creates a new instance.
   *
   * @param message What could not be done, and why.
   * @param place Where.
   */
  constructor(message: string, place: CorruptPlace = {}) {
    super("corrupt", message, { cause: place.cause });
    this.name = "CorruptError";
    this.file = place.file;
    this.page = place.page;
    this.position = place.position;
  }
}

/**
 * The version below a session or prepared version is no longer the head.
 * Code `"stale-session"`.
 *
 * @example
 * ```ts
 * import { memoryBackend, open, StaleSessionError } from "@stemma/db";
 *
 * await using db = await open(memoryBackend());
 * const one = db.begin().prepare(), two = db.begin().prepare();
 * await one.commit();
 * await two.commit().catch((e) => console.log(e instanceof StaleSessionError));
 * ```
 */
export class StaleSessionError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done, and why.
   */
  constructor(message: string) {
    super("stale-session", message);
    this.name = "StaleSessionError";
  }
}

/**
 * A version was to be committed before the version that it stands on.
 * Code `"uncommitted-parent"`.
 *
 * @example
 * ```ts
 * import { memoryBackend, open, UncommittedParentError } from "@stemma/db";
 *
 * await using db = await open(memoryBackend());
 * const child = db.begin({ on: db.begin().prepare() }).prepare();
 * await child.commit().catch((e) =>
 *   console.log(e instanceof UncommittedParentError)
 * );
 * ```
 */
export class UncommittedParentError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done, and why.
   */
  constructor(message: string) {
    super("uncommitted-parent", message);
    this.name = "UncommittedParentError";
  }
}

/**
 * The store is not in the state that `open({ expect })` asked for.
 * Code `"stale-state"`.
 *
 * @example
 * ```ts
 * import { memoryBackend, open, StaleStateError } from "@stemma/db";
 *
 * await open(memoryBackend(), { expect: { minSequence: 7 } })
 *   .catch((e) => console.log(e instanceof StaleStateError));
 * ```
 */
export class StaleStateError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What was wanted and what was found.
   */
  constructor(message: string) {
    super("stale-state", message);
    this.name = "StaleStateError";
  }
}

/**
 * The files are of another scheme, a format version this code does not know,
 * or need a feature it does not have. Codes `"scheme-mismatch"`,
 * `"format-version"`, `"format-feature"`.
 *
 * @example
 * ```ts
 * import { FormatError } from "@stemma/db";
 *
 * console.log(new FormatError("format-version", "Cannot open: version 9").code);
 * ```
 */
export class FormatError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param code Which of the three.
   * @param message What was wanted and what was found.
   */
  constructor(
    code: "scheme-mismatch" | "format-version" | "format-feature",
    message: string,
  ) {
    super(code, message);
    this.name = "FormatError";
  }
}

/**
 * A key is a prefix of another key, in a scheme whose keys are prefix-free.
 * Code `"key-prefix"`.
 *
 * @example
 * ```ts
 * import { KeyPrefixError, memoryBackend, open } from "@stemma/db";
 *
 * await using db = await open(memoryBackend(), { scheme: "eip8297-blake3" });
 * using session = db.begin();
 * session.set(new Uint8Array([1, 2]), new Uint8Array(32));
 * session.set(new Uint8Array([1]), new Uint8Array(32));
 * try {
 *   session.prepare();
 * } catch (error) {
 *   console.log(error instanceof KeyPrefixError);
 * }
 * ```
 */
export class KeyPrefixError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message Which keys.
   */
  constructor(message: string) {
    super("key-prefix", message);
    this.name = "KeyPrefixError";
  }
}

/**
 * A root or sequence that the store no longer keeps, or never had.
 * Code `"not-retained"`.
 *
 * @example
 * ```ts
 * import { memoryBackend, NotRetainedError, open } from "@stemma/db";
 *
 * await using db = await open(memoryBackend());
 * await db.rollback(3).catch((e) => console.log(e instanceof NotRetainedError));
 * ```
 */
export class NotRetainedError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What was asked for and how far back the store reaches.
   */
  constructor(message: string) {
    super("not-retained", message);
    this.name = "NotRetainedError";
  }
}

/**
 * A write or flush failed earlier; the store takes no writes until it is
 * opened anew. `cause` is the failure. Code `"poisoned"`.
 *
 * @example
 * ```ts
 * import { PoisonedError } from "@stemma/db";
 *
 * console.log(new PoisonedError(new Error("flush failed")).code);
 * ```
 */
export class PoisonedError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param cause What failed.
   */
  constructor(cause: unknown) {
    super(
      "poisoned",
      "Cannot write: an earlier write or flush failed: open the store anew",
      { cause },
    );
    this.name = "PoisonedError";
  }
}

/**
 * The store, session, version or snapshot was closed, used up or dropped.
 * Code `"used-up"`.
 *
 * @example
 * ```ts
 * import { memoryBackend, open, UsedUpError } from "@stemma/db";
 *
 * const db = await open(memoryBackend());
 * await db.close();
 * try {
 *   db.get(new Uint8Array(32));
 * } catch (error) {
 *   console.log(error instanceof UsedUpError);
 * }
 * ```
 */
export class UsedUpError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done, and why.
   */
  constructor(message: string) {
    super("used-up", message);
    this.name = "UsedUpError";
  }
}

/**
 * A store was there where none was to be, or none where one was to be.
 * Codes `"already-exists"`, `"no-store"`, `"not-empty"`.
 *
 * @example
 * ```ts
 * import { ExistenceError, memoryBackend, open } from "@stemma/db";
 *
 * await open(memoryBackend(), { create: "never" })
 *   .catch((e) => console.log(e instanceof ExistenceError, e.code));
 * ```
 */
export class ExistenceError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param code Which of the two.
   * @param message What was wanted and what was found.
   */
  constructor(
    code: "already-exists" | "no-store" | "not-empty",
    message: string,
  ) {
    super(code, message);
    this.name = "ExistenceError";
  }
}
