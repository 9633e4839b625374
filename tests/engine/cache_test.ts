// What the page cache keeps when it does not hold everything.

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
} from "../../mod.ts";
import { MemoryDisk } from "../../backends/memory.ts";
import { random } from "../_amount.ts";
import { commit, FEW_FRAMES, type Write } from "./_store.ts";

/** Frames of a store with `few-frames`. */
const FRAMES = 128;

const SMALL: OpenOptions = { cacheBytes: 0, ...FEW_FRAMES };

async function filled(
  disk: MemoryDisk,
  pageBytes: number,
  count: number,
): Promise<Uint8Array[]> {
  const draw = random(`cache ${pageBytes}`);
  await using db = await open(memoryBackend(disk), { pageBytes });
  const writes: Write[] = Array.from(
    { length: count },
    () => [draw.bytes(32), draw.bytes(32)],
  );
  await commit(db, writes);
  return writes.map(([key]) => key);
}

/** Pages that a store reads for some gets. */
function pagesRead(db: Stemma, keys: Iterable<Uint8Array>): number {
  const before = db.metrics().pageReads;
  for (const key of keys) assert(db.get(key) !== undefined);
  return db.metrics().pageReads - before;
}

Deno.test("a cold get reads one page when those above fit", async () => {
  const disk = new MemoryDisk(), draw = random("cold");
  const keys = await filled(disk, 4096, 8000);
  await using db = await open(memoryBackend(disk), SMALL);
  pagesRead(db, keys);
  let cold = 0;
  for (let i = 0; i < 2000; i++) {
    const pages = pagesRead(db, [draw.pick(keys)]);
    assertLessOrEqual(pages, 1);
    cold += pages;
  }
  assert(cold > 1000, `only ${cold} gets were cold`);
});

Deno.test("keys read again and again come to stay in the cache", async () => {
  const disk = new MemoryDisk();
  const keys = await filled(disk, 512, 4000);
  const hot: Uint8Array[] = [];
  {
    await using db = await open(memoryBackend(disk));
    let pages = 0;
    for (const key of keys) {
      pages += pagesRead(db, [key]);
      if (pages > FRAMES - 16) break;
      hot.push(key);
    }
  }
  await using db = await open(memoryBackend(disk), SMALL);
  pagesRead(db, keys);
  let rounds = 0;
  while (pagesRead(db, hot) > 0) assert(++rounds < 1000, "they never stay");
  assertEquals(pagesRead(db, hot), 0);
});

for (const name of ["nomt-blake3", "eip8297-blake3"] as const) {
  Deno.test(`the smallest cache holds a page for every bit of a key of ${name}`, async () => {
    const draw = random("deep"), bytes = name === "nomt-blake3" ? 32 : 160;
    const end = new Uint8Array(bytes).fill(0x55);
    const keys = Array.from({ length: 8 * bytes }, (_, bit) => {
      const key = end.slice();
      key[bit >> 3] ^= 0x80 >> (bit & 7);
      return key;
    });
    // As long as fits into a page beside the nodes.
    const value = (): Uint8Array =>
      draw.bytes(name === "nomt-blake3" ? 48 : 32);
    await using db = await open(memoryBackend(), {
      scheme: name,
      cacheBytes: 0,
      pageBytes: name === "nomt-blake3" ? 512 : 2048,
    });
    const known = new Map<Uint8Array, Uint8Array>();
    for (let round = 0; round < 2; round++) {
      const some = keys.filter(() => round === 0 || draw.chance(0.05));
      const writes = [...some, end].map((key): Write => [key, value()]);
      await commit(db, writes);
      for (const [key, value] of writes) known.set(key, value!);
    }
    for (const [key, value] of known) assertEquals(db.get(key), value);
  });
}

Deno.test("commits to a store of five times the cache read and write about a page a write", async () => {
  const draw = random("beyond the cache"), count = 1 << 18, size = 312;
  await using db = await open(memoryBackend(), { cacheBytes: 16 << 20 });
  const keys = Array.from({ length: count }, () => draw.bytes(32));
  for (let i = 0; i < count; i += 8192) {
    const some = keys.slice(i, i + 8192);
    await commit(db, some.map((key): Write => [key, key]));
  }
  await db.checkpoint();
  const before = db.metrics(), commits = 40;
  for (let i = 0; i < commits; i++) {
    const writes = Array.from({ length: size }, (_, j): Write => [
      j % 2 === 0 ? draw.pick(keys) : draw.bytes(32),
      draw.bytes(32),
    ]);
    await commit(db, writes);
  }
  await db.checkpoint();
  const after = db.metrics(), writes = commits * size;
  const read = (after.pageReads - before.pageReads) / writes;
  const written = (after.pageWrites - before.pageWrites) / writes;
  assertLessOrEqual(read, 1.1, `${read} pages read a write`);
  assertLessOrEqual(written, 1.2, `${written} pages written a write`);
});

Deno.test("gets find what a commit puts above and below a known node", async () => {
  const draw = random("jumps");
  await using db = await open(memoryBackend(), { cacheBytes: 0 });
  const state = new Map<string, Write>();
  const stem = draw.bytes(32);
  for (let round = 0; round < 40; round++) {
    const writes = Array.from({ length: 20 }, (): Write => {
      const key = draw.bytes(32);
      // All shared lengths, so that new joins come to be above old ones.
      key.set(stem.subarray(0, draw.int(4)));
      return [key, draw.chance(0.9) ? draw.bytes(8) : undefined];
    });
    const known = [...state.values()].filter(() => draw.chance(0.1));
    writes.push(...known.map(([key]): Write => [key, undefined]));
    using before = db.snapshot();
    const old = [...state.values()];
    await commit(db, writes);
    for (const write of writes) state.set(write[0].toHex(), write);
    for (const view of [db, before, db]) {
      const entries = view === before ? old : state.values();
      for (const [key, value] of entries) assertEquals(view.get(key), value);
    }
  }
});
