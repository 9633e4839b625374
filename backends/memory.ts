// This module is browser compatible.
/**
 * The backend in memory: the reference for the contract in `types.ts`, and what
 * tests use. Files live in a {@linkcode MemoryDisk}; a store that is closed can
 * be opened again from the same disk. Nothing outlives the process.
 *
 * @module
 */
import { FileExistsError, FileMissingError, LockedError } from "./errors.ts";
import { checkName, checkOpen, checkRange, checkSize } from "./_internal.ts";
import { SparseBytes } from "./_sparse_bytes.ts";
import type {
  StorageBackend,
  StorageFile,
  StorageLock,
  StorageOpenOptions,
  StorageSupports,
} from "./types.ts";

const BLOCK_BYTES = 65536;

/**
 * What one or more memory backends share: the files and the lock.
 *
 * @example Reopening
 * ```ts
 * import { MemoryDisk, memoryBackend } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const disk = new MemoryDisk();
 * const file = await memoryBackend(disk).open("a", { create: true });
 * file.write(new Uint8Array([1, 2, 3]), 0);
 * file.close();
 * const again = await memoryBackend(disk).open("a", { create: false });
 * assertEquals(again.size(), 3);
 * ```
 */
export class MemoryDisk {
  #files = new Map<string, SparseBytes>();
  #lock: object | undefined;

  /**
   * The names of all files, in ascending order.
   *
   * @returns A new array.
   */
  names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /**
   * A copy of a file's bytes, or undefined when there is no such file.
   *
   * @param file The file's name.
   * @returns A copy as long as the file.
   */
  readFile(file: string): Uint8Array | undefined {
    const bytes = this.#files.get(file);
    if (bytes === undefined) return undefined;
    const copy = new Uint8Array(bytes.size);
    bytes.read(copy, 0);
    return copy;
  }

  /**
   * Creates or replaces a file: how tests damage a store.
   *
   * @param file The file's name.
   * @param content Its new bytes; they are copied.
   */
  writeFile(file: string, content: Uint8Array): void {
    checkName(file);
    const bytes = new SparseBytes(BLOCK_BYTES);
    bytes.write(content, 0);
    this.#files.set(file, bytes);
  }

  /**
   * Removes a file.
   *
   * @param file The file's name.
   * @returns Whether there was such a file.
   */
  removeFile(file: string): boolean {
    return this.#files.delete(file);
  }

  /**
   * A second disk with the same files, unlocked. Costs little until one of the
   * two is written.
   *
   * @returns The copy.
   */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [name, bytes] of this.#files) {
      copy.#files.set(name, bytes.clone());
    }
    return copy;
  }

  /** @internal The bytes behind a name. */
  bytes(file: string): SparseBytes | undefined {
    return this.#files.get(file);
  }

  /** @internal A new empty file. */
  create(file: string): SparseBytes {
    const bytes = new SparseBytes(BLOCK_BYTES);
    this.#files.set(file, bytes);
    return bytes;
  }

  /** @internal Takes the lock for `owner`; false when it is taken. */
  acquire(owner: object): boolean {
    if (this.#lock !== undefined) return false;
    this.#lock = owner;
    return true;
  }

  /** @internal Gives the lock back when `owner` has it. */
  release(owner: object): void {
    if (this.#lock === owner) this.#lock = undefined;
  }
}

class MemoryFile implements StorageFile {
  #name: string;
  #bytes: SparseBytes;
  #closed = false;

  constructor(name: string, bytes: SparseBytes) {
    this.#name = name;
    this.#bytes = bytes;
  }

  read(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    return this.#bytes.read(buffer, position);
  }

  write(buffer: Uint8Array, position: number): number {
    checkOpen(this.#closed, this.#name);
    checkRange(buffer, position);
    this.#bytes.write(buffer, position);
    return buffer.length;
  }

  size(): number {
    checkOpen(this.#closed, this.#name);
    return this.#bytes.size;
  }

  truncate(size: number): void {
    checkOpen(this.#closed, this.#name);
    checkSize(size);
    this.#bytes.truncate(size);
  }

  flush(): void {
    checkOpen(this.#closed, this.#name);
  }

  close(): void {
    this.#closed = true;
  }
}

class MemoryBackend implements StorageBackend {
  readonly name = "memory";
  readonly supports: StorageSupports = {
    directorySync: true,
    largeFiles: true,
    asyncFlush: false,
    durable: false,
  };
  #disk: MemoryDisk;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  // Asynchronous so that mistakes reject instead of throwing.
  // deno-lint-ignore require-await
  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    checkName(file);
    const bytes = this.#disk.bytes(file);
    if (options.create) {
      if (bytes !== undefined) {
        throw new FileExistsError(
          `Cannot create "${file}": it exists already`,
          { operation: "create", file },
        );
      }
      return new MemoryFile(file, this.#disk.create(file));
    }
    if (bytes === undefined) {
      throw new FileMissingError(
        `Cannot open "${file}": there is no such file`,
        {
          operation: "open",
          file,
        },
      );
    }
    return new MemoryFile(file, bytes);
  }

  // deno-lint-ignore require-await
  async list(): Promise<string[]> {
    return this.#disk.names();
  }

  // deno-lint-ignore require-await
  async remove(file: string): Promise<void> {
    checkName(file);
    if (!this.#disk.removeFile(file)) {
      throw new FileMissingError(
        `Cannot remove "${file}": there is no such file`,
        { operation: "remove", file },
      );
    }
  }

  async sync(): Promise<void> {}

  // deno-lint-ignore require-await
  async lock(): Promise<StorageLock> {
    const owner = {};
    if (!this.#disk.acquire(owner)) {
      throw new LockedError("Cannot lock store: another opener has it");
    }
    return { release: () => this.#disk.release(owner) };
  }
}

/**
 * A backend in memory.
 *
 * @example Usage
 * ```ts
 * import { memoryBackend } from "@stemma/db/backends";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = memoryBackend();
 * const file = await backend.open("numbers", { create: true });
 * file.write(new Uint8Array([7]), 1000);
 * assertEquals(file.size(), 1001);
 * ```
 *
 * @param disk The files to work on; a new empty disk when left out.
 * @returns The backend.
 */
export function memoryBackend(
  disk: MemoryDisk = new MemoryDisk(),
): StorageBackend {
  return new MemoryBackend(disk);
}
