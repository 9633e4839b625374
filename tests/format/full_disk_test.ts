// What a full disk leaves behind. A page that could not be written and was changed
// after that must not keep the checksum it had at the first attempt; a header
// that could not be written may have been written all the same.

import { assertEquals, assertRejects } from "@std/assert";
import { StorageFullError } from "../../backends/errors.ts";
import {
  memoryBackend,
  open,
  type StorageBackend,
  type StorageFile,
} from "../../mod.ts";

/** What happens to a write: nothing of it is done, or all, and it is refused. */
type Verdict = "take" | "refuse" | "take and refuse";

/** Memory whose page file has no room where `verdict` says so. */
function fullWhere(verdict: (position: number) => Verdict): StorageBackend {
  const backend = memoryBackend();
  const wrap = (file: StorageFile): StorageFile => ({
    read: (bytes, position) => file.read(bytes, position),
    write(bytes, position) {
      const said = verdict(position);
      const written = said === "refuse" ? 0 : file.write(bytes, position);
      if (said === "take") return written;
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

/** Pages begin behind the two header slots. */
const HEADER_AREA_BYTES = 16384;

/** More than a session holds back. */
const COUNT = 690;

function keyOf(i: number): Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(i, 0x9e3779b1));
  return key;
}

Deno.test("a session goes on after another one met a full disk, and what it commits can be read after reopening", async () => {
  let isFull = false;
  const backend = fullWhere(() => isFull ? "refuse" : "take");
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

Deno.test("a header that was refused and written all the same can be opened, whatever came after it", async () => {
  let isFull = false;
  const backend = fullWhere((position) =>
    isFull && position < HEADER_AREA_BYTES ? "take and refuse" : "take"
  );
  const options = { pageBytes: 512, cacheBytes: 0 } as const;
  const db = await open(backend, options);
  const change = async (round: number): Promise<void> => {
    using session = db.begin();
    for (let i = 0; i < COUNT; i++) {
      session.set(keyOf(i), new Uint8Array(40).fill(i + round));
    }
    await session.prepare().commit();
  };
  await change(0);
  await db.checkpoint();
  await change(1);
  isFull = true;
  await assertRejects(() => db.checkpoint(), StorageFullError);
  // These need room for pages, and take whatever counts as free.
  for (let round = 2; round < 6; round++) await change(round);
  const { root } = db;
  await db.abandon();
  isFull = false;
  {
    await using again = await open(backend, options);
    assertEquals(again.root, root);
    await again.check();
  }
  await using last = await open(backend, options);
  assertEquals(last.root, root);
  await last.check();
});
