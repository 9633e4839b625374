// This module is browser compatible.
//
// One open file of the store: loops over short reads and writes, counts calls
// and bytes, and knows nothing of what the bytes mean.

import { IoError } from "../../backends/errors.ts";
import type {
  MadeBytes,
  StorageFile,
  StorageKernel,
  StorageOperation,
} from "../../backends/types.ts";
import { StemmaError } from "@stemma/verify";
import type { Counters } from "../metrics.ts";
import type { Fault } from "./faults.ts";

/** A file with whole reads and writes. */
export class StoreFile {
  readonly name: string;
  readonly #file: StorageFile;
  readonly #counters: Counters;
  readonly #faults: ReadonlySet<Fault>;
  /** Whether pieces may be on their way that are made, and why they could not be written. */
  #isMaking = false;
  #isLent = false;
  #failed: unknown;
  /** The file is at least so long. */
  #sizeMin = 0;

  constructor(
    name: string,
    file: StorageFile,
    counters: Counters,
    faults: ReadonlySet<Fault>,
  ) {
    this.name = name;
    this.#file = file;
    this.#counters = counters;
    this.#faults = faults;
  }

  /** Fills `bytes` from `position`; returns how many there were before the end. */
  read(bytes: Uint8Array, position: number): number {
    let done = 0;
    while (done < bytes.length) {
      this.#counters.fileReads++;
      const part = done === 0 ? bytes : bytes.subarray(done);
      const got = this.#call(
        "read",
        position + done,
        () => this.#file.read(part, position + done),
      );
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  /** Whether {@linkcode readLater} does anything. */
  get canReadLater(): boolean {
    return this.#file.readLater !== undefined;
  }

  /** Lets the backend begin to read what will be read soon. */
  readLater(position: number, length: number): void {
    const read = (): void => this.#file.readLater?.(position, length);
    this.#call("read", position, read);
  }

  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): void {
    this.#finishMade();
    let done = 0;
    while (done < bytes.length) {
      this.#counters.fileWrites++;
      const part = done === 0 ? bytes : bytes.subarray(done);
      const put = this.#write(part, position + done);
      done += put;
      if (this.#faults.has("short-write-not-looped")) return;
    }
  }

  /** Begins to write all of `bytes`, if the backend can; {@linkcode finishWrites} ends it. */
  writeLater(bytes: Uint8Array, position: number): void {
    const file = this.#file;
    if (file.writeLater === undefined) return this.write(bytes, position);
    this.#counters.fileWrites++;
    this.#call("write", position, () => file.writeLater?.(bytes, position));
  }

  /** Whether {@linkcode lend} does anything. */
  get canLend(): boolean {
    return this.#file.lend !== undefined;
  }

  /** Lends the thread behind {@linkcode writeMade} what it needs. */
  lend(kernel: StorageKernel): void {
    this.#file.lend?.(kernel);
    this.#isLent = this.canLend;
  }

  /** Whether there is {@linkcode writeMade}. */
  get canWriteMade(): boolean {
    return this.#isLent;
  }

  /**
   * Begins to write bytes that are put together first; see `StorageFile`. That they cannot
   * be is told by {@linkcode finishWrites}.
   */
  writeMade(bytes: MadeBytes, position: number): void {
    this.#counters.fileWrites++;
    this.#isMaking = true;
    const write = (): void => this.#file.writeMade?.(bytes, position);
    try {
      this.#call("write", position, write);
    } catch (error) {
      this.#failed ??= error;
    }
  }

  /** Returns when everything is written. */
  finishWrites(): void {
    this.#finishMade();
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed !== undefined) throw failed;
    this.#call("write", undefined, () => this.#file.finishWrites?.());
  }

  /**
   * Finishes pieces that are made before a call that would finish them as well: whoever
   * makes it, perhaps only to read, has nothing to do with what became of them. That is
   * told by {@linkcode finishWrites}.
   */
  #finishMade(): void {
    if (!this.#isMaking) return;
    this.#isMaking = false;
    try {
      this.#call("write", undefined, () => this.#file.finishWrites?.());
    } catch (error) {
      this.#failed ??= error;
    }
  }

  #write(bytes: Uint8Array, position: number): number {
    try {
      const put = this.#call(
        "write",
        position,
        () => this.#file.write(bytes, position),
      );
      if (put > 0) return put;
    } catch (error) {
      if (this.#faults.has("ignored-write-result")) return bytes.length;
      throw error;
    }
    throw new IoError("Cannot write: the backend wrote no byte", {
      operation: "write",
      file: this.name,
      position,
    });
  }

  size(): number {
    this.#finishMade();
    return this.#sizeMin = this.#call(
      "size",
      undefined,
      () => this.#file.size(),
    );
  }

  /** Whether the file is at least so long; asks only when that is not known. */
  reaches(end: number): boolean {
    return end <= this.#sizeMin || end <= this.size();
  }

  truncate(size: number): void {
    this.#finishMade();
    this.#sizeMin = Math.min(this.#sizeMin, size);
    this.#call("truncate", size, () => this.#file.truncate(size));
  }

  /** Makes what was written durable. */
  flush(): void | Promise<void> {
    this.#finishMade();
    return this.#flush(() => this.#file.flush());
  }

  /** Whether {@linkcode flushInBackground} leaves the thread to others. */
  get canFlushInBackground(): boolean {
    return this.#file.flushInBackground !== undefined;
  }

  /** The same, and leaves the thread to others where the backend can. */
  flushInBackground(): void | Promise<void> {
    const file = this.#file;
    return this.#flush(() => file.flushInBackground?.() ?? file.flush());
  }

  #flush(flush: () => void | Promise<void>): void | Promise<void> {
    this.#counters.flushes++;
    const done = this.#call("flush", undefined, flush);
    return done?.catch((error) => {
      throw this.#own("flush", undefined, error);
    });
  }

  /** Runs a backend call; what it throws arrives as an error of ours. */
  #call<T>(
    operation: StorageOperation,
    position: number | undefined,
    call: () => T,
  ): T {
    try {
      return call();
    } catch (error) {
      throw this.#own(operation, position, error);
    }
  }

  #own(
    operation: StorageOperation,
    position: number | undefined,
    cause: unknown,
  ): unknown {
    if (cause instanceof StemmaError) return cause;
    const { name: file } = this;
    const message = `Cannot ${operation} ${file}: the backend failed`;
    return new IoError(message, { operation, file, position, cause });
  }

  close(): void {
    this.#file.close();
  }
}
