// A backend around another one, with something different about its files.

import type { StorageBackend, StorageFile } from "../../mod.ts";

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

/**
 * A backend that can be told of reads, and writes as late as it may; anything else that
 * is done with pieces on their way is a mistake.
 */
export function helped(inner: StorageBackend): StorageBackend {
  return wrapped(inner, (file) => {
    let pieces: [Uint8Array, number][] = [];
    const settled = <T>(call: () => T): T => {
      if (pieces.length === 0) return call();
      throw new Error(`${pieces.length} pieces are not finished`);
    };
    return {
      readLater: () => {},
      writeLater: (bytes, position) => pieces.push([bytes.slice(), position]),
      finishWrites: () => {
        const all = pieces;
        pieces = [];
        for (const [bytes, position] of all) {
          for (let done = 0; done < bytes.length;) {
            done += file.write(bytes.subarray(done), position + done);
          }
        }
      },
      read: (...call) => settled(() => file.read(...call)),
      write: (...call) => settled(() => file.write(...call)),
      size: () => settled(() => file.size()),
      truncate: (size) => settled(() => file.truncate(size)),
      flush: () => settled(() => file.flush()),
    };
  });
}
