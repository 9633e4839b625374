// This module is browser compatible.
/**
 * One file of the OPFS backend: an access handle with a size of its own.
 *
 * The browser checks the quota whenever a file grows, so files grow in large
 * steps: `#allocated` bytes lie in storage, of which the first `#size` are the
 * file's. Invariant: bytes from `#size` to `#allocated` are zero. Closing cuts
 * them off; after a crash they are part of the file, as zeros.
 *
 * @module
 */
import { checkOpen, checkRange, checkSize } from "./_internal.ts";
import {
  nameOf,
  noProgress,
  type OpfsAccessHandle,
  opfsError,
} from "./_opfs_handles.ts";
import { ClosedError, IoError } from "./errors.ts";
import type { StorageFile, StorageOperation } from "./types.ts";

/** Below this size a file is exactly as large as what was written. */
const SMALL_BYTES = 1 << 18;
const STEP_BYTES_MIN = 1 << 20;
const STEP_BYTES_MAX = 1 << 23;

/** An open file. */
export class OpfsFile implements StorageFile {
  readonly name: string;
  readonly #onClose: (file: OpfsFile) => void;
  #handle: OpfsAccessHandle | undefined;
  #isClosed = false;
  /** Why no call is made any more. */
  #broken: unknown;
  #size: number;
  #allocated: number;

  /** Internal: made by the backend, which has taken the handle. */
  constructor(
    name: string,
    handle: OpfsAccessHandle,
    onClose: (file: OpfsFile) => void,
  ) {
    this.name = name;
    this.#handle = handle;
    this.#onClose = onClose;
    this.#size = this.#call("size", undefined, (h) => h.getSize());
    this.#allocated = this.#size;
  }

  read(buffer: Uint8Array, position: number): number {
    checkOpen(this.#isClosed, this.name);
    checkRange(buffer, position);
    const length = Math.min(buffer.length, this.#size - position);
    if (length <= 0) return 0;
    const target = isResizable(buffer)
      ? new Uint8Array(length)
      : length < buffer.length
      ? buffer.subarray(0, length)
      : buffer;
    const got = this.#call(
      "read",
      position,
      (handle) => handle.read(target, { at: position }),
    );
    if (isResizable(buffer)) buffer.set(target);
    return got;
  }

  write(buffer: Uint8Array, position: number): number {
    checkOpen(this.#isClosed, this.name);
    checkRange(buffer, position);
    if (buffer.length === 0) return 0;
    const bytes = isResizable(buffer) ? buffer.slice() : buffer;
    const end = position + bytes.length;
    this.#reserve(end);
    try {
      this.#writeAll(bytes, position);
    } catch (error) {
      this.#forgetTail();
      throw error;
    }
    this.#size = Math.max(this.#size, end);
    this.#allocated = Math.max(this.#allocated, end);
    return buffer.length;
  }

  size(): number {
    checkOpen(this.#isClosed, this.name);
    this.#usable("size");
    return this.#size;
  }

  truncate(size: number): void {
    checkOpen(this.#isClosed, this.name);
    checkSize(size);
    if (size < this.#size || size > this.#allocated) {
      this.#call("truncate", size, (handle) => handle.truncate(size));
      this.#allocated = size;
    } else this.#usable("truncate");
    this.#size = size;
  }

  flush(): void {
    checkOpen(this.#isClosed, this.name);
    this.#call("flush", undefined, (handle) => handle.flush());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose(this);
    this.release();
  }

  /** Lets go of the handle, without closing: calls fail until `renew`. */
  release(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle === undefined) return;
    try {
      // Only to give room back: what is left over reads as zeros.
      if (this.#allocated > this.#size && this.#broken === undefined) {
        handle.truncate(this.#size);
        this.#allocated = this.#size;
      }
    } catch {
      // A read-only or dead handle; the file is whole either way.
    } finally {
      handle.close();
    }
  }

  /** Goes on with another handle on the same file. */
  renew(handle: OpfsAccessHandle): void {
    this.#handle = handle;
    this.#size = this.#call("size", undefined, (h) => h.getSize());
    this.#allocated = this.#size;
  }

  #writeAll(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;) {
      const part = done === 0 ? bytes : bytes.subarray(done);
      const at = position + done;
      const put = this.#call("write", at, (h) => h.write(part, { at }));
      if (put === 0) {
        throw noProgress({ operation: "write", file: this.name, position: at });
      }
      done += put;
    }
  }

  /** Grows by a large step before bytes up to `end` are written. */
  #reserve(end: number): void {
    if (end <= this.#allocated || end <= SMALL_BYTES) return;
    const half = this.#size >> 1;
    const step = Math.min(Math.max(half, STEP_BYTES_MIN), STEP_BYTES_MAX);
    const handle = this.#usable("write");
    try {
      handle.truncate(end + step);
      this.#allocated = end + step;
    } catch {
      // There may be room for what is to be written all the same.
    }
  }

  /** After a failed write: bytes past the end must be zeros again. */
  #forgetTail(): void {
    try {
      this.#handle?.truncate(this.#size);
      this.#allocated = this.#size;
    } catch (error) {
      this.#broken ??= error;
    }
  }

  #usable(operation: StorageOperation): OpfsAccessHandle {
    if (this.#broken !== undefined) {
      throw new IoError(
        `Cannot ${operation} "${this.name}": its handle failed before`,
        { operation, file: this.name, cause: this.#broken },
      );
    }
    if (this.#handle === undefined) {
      throw new ClosedError(`Cannot ${operation} "${this.name}": paused`);
    }
    return this.#handle;
  }

  #call<T>(
    operation: StorageOperation,
    position: number | undefined,
    call: (handle: OpfsAccessHandle) => T,
  ): T {
    const handle = this.#usable(operation);
    try {
      return call(handle);
    } catch (cause) {
      // The browser closed the handle under us: nothing is known any more.
      if (nameOf(cause) === "InvalidStateError") this.#broken = cause;
      throw opfsError(cause, { operation, file: this.name, position });
    }
  }
}

/** Browsers refuse views on buffers that can be resized. */
function isResizable({ buffer }: Uint8Array): boolean {
  return (buffer as { resizable?: boolean }).resizable === true;
}
