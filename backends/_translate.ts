// This module is browser compatible.
/**
 * Turns what a host throws into a storage error, with the original as `cause`.
 * Deno gives some errors a class, some only a `code`, and some (quota, file size
 * limit) nothing but a number in the message, so all three are looked at.
 *
 * @module
 */
import {
  ClosedError,
  FileExistsError,
  FileKindError,
  FileMissingError,
  IoError,
  PermissionError,
  type StorageErrorDetails,
  StorageFullError,
} from "./errors.ts";
import { StemmaError } from "@stemma/verify";
import type { StorageOperation } from "./types.ts";

/** What was tried on what, for the message and the error's fields. */
export interface Attempt {
  readonly operation: StorageOperation;
  readonly file?: string | undefined;
  readonly position?: number | undefined;
}

/** ENOSPC; EDQUOT on Linux and macOS; EFBIG; Windows' full disk and quota. */
const FULL_NUMBERS: readonly number[] = [28, 122, 69, 27, 112, 1295];
const FULL_CODES: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG"];
const ACCESS_CODES: readonly string[] = ["EACCES", "EPERM", "EROFS"];

/** The storage error for whatever was thrown. */
export function translateError(cause: unknown, attempt: Attempt): StemmaError {
  if (cause instanceof StemmaError) return cause;
  const { name, code, message } = fieldsOf(cause);
  const details: StorageErrorDetails = { ...attempt, cause };
  const text = `Cannot ${describe(attempt)}: ${message}`;
  if (isFull(name, code, message)) return new StorageFullError(text, details);
  if (name === "NotFound") return new FileMissingError(text, details);
  if (name === "AlreadyExists") return new FileExistsError(text, details);
  if (name === "BadResource") return new ClosedError(text, { cause });
  if (KIND_NAMES.includes(name) || code === "ENXIO" || code === "ELOOP") {
    return new FileKindError(text, details);
  }
  if (ACCESS_NAMES.includes(name) || ACCESS_CODES.includes(code)) {
    return new PermissionError(text, details);
  }
  return new IoError(text, details);
}

const ACCESS_NAMES: readonly string[] = ["NotCapable", "PermissionDenied"];
const KIND_NAMES: readonly string[] = [
  "IsADirectory",
  "NotADirectory",
  "FilesystemLoop",
];

/** "write "log.stemma" at 4096". */
export function describe(attempt: Attempt): string {
  const { operation, file, position } = attempt;
  const what = file === undefined ? operation : `${operation} "${file}"`;
  return position === undefined ? what : `${what} at ${position}`;
}

function fieldsOf(
  cause: unknown,
): { name: string; code: string; message: string } {
  if (!(cause instanceof Error)) {
    return { name: "", code: "", message: String(cause) };
  }
  const code = "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "";
  return { name: cause.name, code, message: cause.message };
}

function isFull(name: string, code: string, message: string): boolean {
  if (name === "QuotaExceededError" || FULL_CODES.includes(code)) return true;
  if (code !== "") return false;
  const number = /\(os error (\d+)\)/.exec(message)?.[1];
  return number !== undefined && FULL_NUMBERS.includes(Number(number));
}
