// A page that could not be written because the disk was full, and was changed
// after that, must not keep the checksum it had at the first attempt.

import { assertEquals } from "@std/assert";
import { StorageFullError } from "../../backends/errors.ts";
import {
  memoryBackend,
  open,
  type StorageBackend,
  type StorageFile,
} from "../../mod.ts";

/** Memory whose page file takes no byte while `isFull` says so. */
function fullWhile(isFull: () => boolean): StorageBackend {
  const backend = memoryBackend();
  const wrap = (file: StorageFile): StorageFile => ({
    read: (bytes, position) => file.read(bytes, position),
    write(bytes, position) {
      if (!isFull()) return file.write(bytes, position);
      throw new StorageFullError("Cannot write", { operation: "write" });
    },
    size: () => file.size(),
    truncate: (size) => file.truncate(size),
    flush: () => file.flush(),
    close: () => file.close(),
  });
  return {
    name: backend.name,
    supports: backend.supports,
    async open(name, options) {
      const file = await backend.open(name, options);
      return name === "pages.stemma" ? wrap(file) : file;
    },
    list: () => backend.list(),
    remove: (name) => backend.remove(name),
    lock: () => backend.lock(),
  };
}

/** More than a session holds back. */
const COUNT = 690;

function keyOf(i: number): Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(i, 0x9e3779b1));
  return key;
}

Deno.test("a session goes on after another one met a full disk, and what it commits can be read after reopening", async () => {
  let isFull = false;
  const backend = fullWhile(() => isFull);
  const options = { pageBytes: 512, cacheBytes: 0 } as const;
  const value = (i: number, round: number): Uint8Array =>
    new Uint8Array(40).fill(i + round);
  // The last keys in order: their pages are those not written yet.
  const late = Array.from({ length: COUNT }, (_, i) => i)
    .sort((a, b) => keyOf(b)[0] - keyOf(a)[0]).slice(0, 4);
  {
    await using db = await open(backend, options);
    using patient = db.begin();
    for (let i = 0; i < COUNT; i++) patient.set(keyOf(i), value(i, 0));
    using greedy = db.begin();
    isFull = true;
    let refused = 0;
    for (let i = 10_000; i < 14_000 && refused === 0; i++) {
      try {
        greedy.set(keyOf(i), value(i, 0));
      } catch (error) {
        if (!(error instanceof StorageFullError)) throw error;
        refused++;
      }
    }
    assertEquals(refused, 1, "the disk was full");
    isFull = false;
    for (const i of late) patient.set(keyOf(i), value(i, 1));
    await patient.prepare().commit();
  }
  await using db = await open(backend, options);
  for (let i = 0; i < COUNT; i++) {
    const round = late.includes(i) ? 1 : 0;
    assertEquals(db.get(keyOf(i)), value(i, round), `key ${i}`);
  }
  await db.check();
});
