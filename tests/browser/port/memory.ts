// This module is browser compatible.
//
// Stands in for the backend in memory: a disk is a directory of OPFS, so what
// was written for memory runs on the browser's files.

import { LockedError } from "../../../backends/errors.ts";
import { opfs } from "../../../backends/opfs.ts";
import type { StorageBackend } from "../../../backends/types.ts";

let disks = 0;

/** A place of its own below the origin's files. */
export class MemoryDisk {
  readonly path: string = `disks/${disks++}`;
  isLocked = false;
}

/** A backend on that place. */
export function memoryBackend(
  disk: MemoryDisk = new MemoryDisk(),
): StorageBackend {
  const backend = opfs(disk.path), lock = backend.lock.bind(backend);
  return Object.assign(backend, {
    // Without the second that another opener waits: tests lock very often.
    async lock() {
      if (disk.isLocked) throw new LockedError("Cannot lock store: it is open");
      const held = await lock();
      disk.isLocked = true;
      return {
        release() {
          disk.isLocked = false;
          return held.release();
        },
      };
    },
  });
}
