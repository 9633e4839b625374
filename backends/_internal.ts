// This module is browser compatible.
/**
 * Checks shared by all backends: file names, positions, sizes. They run before
 * any I/O, so that a programmer's mistake never reaches the storage.
 *
 * @module
 */
import { ClosedError } from "./errors.ts";

const NAME = /^[a-z0-9_-][a-z0-9._-]{0,63}$/;

/** Throws a `TypeError` unless `file` is a name that every backend takes. */
export function checkName(file: string): void {
  if (typeof file !== "string" || !NAME.test(file)) {
    throw new TypeError(
      "Cannot use file name: expected 1 to 64 of a-z 0-9 . _ - " +
        `not starting with a dot: received ${JSON.stringify(file)}`,
    );
  }
}

/** Throws unless `buffer` fits at `position`. */
export function checkRange(buffer: Uint8Array, position: number): void {
  if (!(buffer instanceof Uint8Array)) {
    throw new TypeError("Cannot use buffer: expected a Uint8Array");
  }
  checkPlace(position, buffer.length);
}

/** Throws a `RangeError` unless a file can have `length` bytes at `position`. */
export function checkPlace(position: number, length: number): void {
  if (
    !Number.isSafeInteger(position) || position < 0 ||
    !Number.isSafeInteger(length) || length < 0 ||
    !Number.isSafeInteger(position + length)
  ) {
    throw new RangeError(
      "Cannot use position: expected an integer in 0..2^53 - 1: " +
        `received ${position} with ${length} bytes`,
    );
  }
}

/** Throws a `RangeError` unless `size` is one a file can have. */
export function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(
      "Cannot truncate: size must be an integer in 0..2^53 - 1: " +
        `received ${size}`,
    );
  }
}

/** Throws a `ClosedError` when `closed`. */
export function checkOpen(closed: boolean, what: string): void {
  if (closed) throw new ClosedError(`Cannot use "${what}": it is closed`);
}
