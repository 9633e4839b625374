// This module is browser compatible.
/**
 * What the OPFS backend needs of the browser, as types, and the two things that
 * every call on it does: wait a bounded time for a handle whose dead owner has
 * not let go yet, and turn what the browser throws into a storage error.
 *
 * The types are structural because `FileSystemSyncAccessHandle` is known to
 * workers only, and `mode` to some browsers only.
 *
 * @module
 */
import {
  FileExistsError,
  FileKindError,
  FileMissingError,
  IoError,
  LockedError,
  PermissionError,
  StorageFullError,
  UnsupportedError,
} from "./errors.ts";
import { type Attempt, describe, translateError } from "./_translate.ts";
import type { StemmaError } from "@stemma/verify";

/** A synchronous handle on a file of the origin. */
export interface OpfsAccessHandle {
  /** How it was opened; undefined in browsers without modes. */
  readonly mode?: string;
  /** Reads at a position. */
  read(buffer: Uint8Array, options: { at: number }): number;
  /** Writes at a position. */
  write(buffer: Uint8Array, options: { at: number }): number;
  /** Size in bytes. */
  getSize(): number;
  /** Cuts or lengthens. */
  truncate(size: number): void;
  /** Makes changes durable. */
  flush(): void;
  /** Lets go. */
  close(): void;
}

/** A file of the origin. `FileSystemFileHandle` is one. */
export interface OpfsFileHandle {
  /** Its name in its directory. */
  readonly name: string;
  /** Missing outside dedicated workers. */
  createSyncAccessHandle?(
    options?: { mode?: OpfsMode },
  ): Promise<OpfsAccessHandle>;
}

/** A directory of the origin. `FileSystemDirectoryHandle` is one. */
export interface OpfsDirectory {
  /** The file of a name. */
  getFileHandle(
    name: string,
    options?: { create?: boolean },
  ): Promise<OpfsFileHandle>;
  /** The directory of a name. */
  getDirectoryHandle(
    name: string,
    options?: { create?: boolean },
  ): Promise<OpfsDirectory>;
  /** Removes a file or an empty directory. */
  removeEntry(name: string): Promise<void>;
  /** Names of files and directories. */
  keys(): AsyncIterable<string>;
}

/** How handles are taken: for one alone, or for several that only read. */
export type OpfsMode = "readwrite" | "read-only";

/** How long the handle of an owner that is gone may stay busy. */
export const BUSY_MS_MAX = 1000;

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 160;

/**
 * Takes a file's access handle. A handle that is busy is tried again until
 * `deadline` (of `performance.now()`), because one of a worker that was ended,
 * or of a renderer that crashed, is freed up to 300 ms later.
 *
 * @throws {LockedError} When it is still busy then.
 */
export async function takeHandle(
  file: OpfsFileHandle,
  mode: OpfsMode,
  deadline: number,
  attempt: Attempt,
): Promise<OpfsAccessHandle> {
  if (typeof file.createSyncAccessHandle !== "function") {
    throw new UnsupportedError(
      `Cannot ${describe(attempt)}: synchronous access handles exist only in ` +
        "a dedicated worker, not on a page's main thread or in a shared or " +
        "service worker",
    );
  }
  for (
    let pause = FIRST_PAUSE_MS;;
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  ) {
    try {
      const handle = await file.createSyncAccessHandle({ mode });
      return checkMode(handle, mode, attempt);
    } catch (cause) {
      if (nameOf(cause) !== "NoModificationAllowedError") {
        throw opfsError(cause, attempt);
      }
      const left = deadline - performance.now();
      if (left <= 0) throw busy(attempt, cause);
      await new Promise((go) => setTimeout(go, Math.min(pause, left)));
    }
  }
}

/** A browser without modes takes the file for one alone whatever is asked. */
function checkMode(
  handle: OpfsAccessHandle,
  mode: OpfsMode,
  attempt: Attempt,
): OpfsAccessHandle {
  if (mode === "readwrite" || handle.mode === mode) return handle;
  handle.close();
  throw new UnsupportedError(
    `Cannot ${describe(attempt)}: this browser has no read-only handles`,
  );
}

function busy(attempt: Attempt, cause: unknown): LockedError {
  return new LockedError(
    `Cannot ${describe(attempt)}: another tab or worker has the store open; ` +
      "try again when it is closed",
    { cause, retryAfterMs: BUSY_MS_MAX },
  );
}

/** The storage error for what the browser threw. */
export function opfsError(cause: unknown, attempt: Attempt): StemmaError {
  const text = `Cannot ${describe(attempt)}: ${messageOf(cause)}`;
  const details = { ...attempt, cause };
  switch (nameOf(cause)) {
    case "NotFoundError":
      return new FileMissingError(text, details);
    case "TypeMismatchError":
      return new FileKindError(text, details);
    case "NotAllowedError":
    case "NoModificationAllowedError":
      return new PermissionError(text, details);
    case "SecurityError":
      return new UnsupportedError(
        `${text} (private browsing, or storage is blocked for this site)`,
        { cause },
      );
    case "QuotaExceededError":
      return new StorageFullError(text, details);
    default:
      return translateError(cause, attempt);
  }
}

/** A write or read that made no progress: unknown cause, so not "full". */
export function noProgress(attempt: Attempt): IoError {
  return new IoError(
    `Cannot ${describe(attempt)}: nothing was written`,
    attempt,
  );
}

/** For a file that exists where none was to be. */
export function existsAlready(file: string): FileExistsError {
  return new FileExistsError(`Cannot create "${file}": it exists already`, {
    operation: "create",
    file,
  });
}

/** The `name` of what was thrown, or "". */
export function nameOf(cause: unknown): string {
  return cause instanceof Error ? cause.name : "";
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
