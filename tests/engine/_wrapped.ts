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
    sync: () => inner.sync!(),
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
