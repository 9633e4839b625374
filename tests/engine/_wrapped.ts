// A backend around another one, with something different about its files.

import type { StorageBackend, StorageFile } from "../../mod.ts";
import type { MadeBytes } from "../../backends/types.ts";

/**
 * A backend that keeps bytes in another one.
 *
 * @param differ What is different about a file: calls that it has besides the usual
 *   ones, or instead of them.
 */
export function wrapped(
  inner: StorageBackend,
  differ: (file: StorageFile) => Partial<StorageFile>,
): StorageBackend {
  return {
    name: "wrapped",
    supports: inner.supports,
    list: () => inner.list(),
    remove: (file) => inner.remove(file),
    ...(inner.sync && { sync: () => inner.sync!() }),
    lock: () => inner.lock(),
    open: async (name, options) => {
      const file = await inner.open(name, options);
      return {
        read: (buffer, position) => file.read(buffer, position),
        write: (buffer, position) => file.write(buffer, position),
        size: () => file.size(),
        truncate: (size) => file.truncate(size),
        flush: () => file.flush(),
        close: () => file.close(),
        ...differ(file),
      };
    },
  };
}

/** A piece on its way: where it goes, and what puts its bytes together. */
interface Piece {
  readonly position: number;
  readonly length: number;
  /** Whether nothing may be read before it is written. */
  readonly isCopied: boolean;
  bytes(): Uint8Array;
}

/** Writes that a helper has yet to do; a plan can have them done sooner, or fail. */
class Pieces {
  readonly #file: StorageFile;
  #waiting: Piece[] = [];
  memory: Uint8Array = new Uint8Array(0);

  constructor(file: StorageFile) {
    this.#file = file;
  }

  copy(bytes: Uint8Array, position: number): void {
    const copy = bytes.slice(), { length } = copy;
    this.#waiting.push({ position, length, isCopied: true, bytes: () => copy });
  }

  make({ at, length, make }: MadeBytes, position: number): void {
    const bytes = (): Uint8Array => {
      make();
      return this.memory.slice(at, at + length);
    };
    this.#waiting.push({ position, length, isCopied: false, bytes });
  }

  /** Writes all of them, or finds that it cannot. */
  finish(): void {
    for (const piece of this.#waiting.splice(0)) this.#write(piece);
  }

  #write({ position, bytes }: Piece): void {
    const all = bytes();
    for (let done = 0; done < all.length;) {
      done += this.#file.write(all.subarray(done), position + done);
    }
  }

  /** Runs another call, before which only those that are made may be left. */
  settled<T>(call: () => T): T {
    if (this.#waiting.some(({ isCopied }) => isCopied)) {
      throw new Error(`${this.#waiting.length} pieces are not finished`);
    }
    this.finish();
    return call();
  }

  /** Runs a read, which may come while others than what it reads are made. */
  read(buffer: Uint8Array, position: number): number {
    const end = position + buffer.length;
    for (const piece of this.#waiting) {
      const isApart = piece.position >= end ||
        piece.position + piece.length <= position;
      if (piece.isCopied || !isApart) {
        throw new Error(`the piece at ${piece.position} is not finished`);
      }
    }
    this.#writeFirst();
    return this.#file.read(buffer, position);
  }

  /** Somebody is at work on them meanwhile; what fails is left for who finishes them. */
  #writeFirst(): void {
    if (this.#waiting.length === 0) return;
    try {
      this.#write(this.#waiting[0]);
      this.#waiting.shift();
    } catch {
      // Not done.
    }
  }
}

/**
 * A backend that can be told of reads, and writes as late as it may; anything else that
 * is done with pieces on their way is a mistake.
 *
 * @param told Called with the bytes of each piece that is to be made.
 */
export function helped(
  inner: StorageBackend,
  told: (length: number) => void = () => {},
): StorageBackend {
  return wrapped(inner, (file) => {
    const pieces = new Pieces(file);
    return {
      readLater: () => {},
      writeLater: (...piece) => pieces.copy(...piece),
      finishWrites: () => pieces.finish(),
      lend: ({ memory }) => pieces.memory = new Uint8Array(memory.buffer),
      writeMade: (made, position) => {
        told(made.length);
        pieces.make(made, position);
      },
      read: (...call) => pieces.read(...call),
      write: (...call) => pieces.settled(() => file.write(...call)),
      size: () => pieces.settled(() => file.size()),
      truncate: (size) => pieces.settled(() => file.truncate(size)),
      flush: () => pieces.settled(() => file.flush()),
    };
  });
}
