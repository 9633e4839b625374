// session.warmUp() loads the pages of many keys by few calls.

import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import { CorruptError, memoryBackend, open, type Stemma } from "../../mod.ts";
import { MemoryDisk } from "../../backends/memory.ts";
import { type Random, random } from "../_amount.ts";
import { commit, FEW_FRAMES, type Write } from "./_store.ts";

/** A store on a disk, written by many commits and closed. */
async function written(disk: MemoryDisk, draw: Random): Promise<Write[]> {
  await using db = await open(memoryBackend(disk));
  const writes = Array.from(
    { length: 20_000 },
    (): Write => [draw.bytes(32), draw.bytes(32)],
  );
  for (let i = 0; i < writes.length; i += 2000) {
    await commit(db, writes.slice(i, i + 2000));
  }
  return writes;
}

/** Pages read and calls made by some work. */
function counted(db: Stemma, work: () => void): [pages: number, calls: number] {
  const before = db.metrics();
  work();
  const after = db.metrics();
  return [
    after.pageReads - before.pageReads,
    after.fileReads - before.fileReads,
  ];
}

Deno.test("warmUp() reads pages that lie close together by one call", async () => {
  const disk = new MemoryDisk(), draw = random("warm");
  const writes = await written(disk, draw);
  await using db = await open(memoryBackend(disk));
  using session = db.begin();
  let said = 0;
  const [pages, calls] = counted(db, () => {
    said = session.warmUp(writes.map(([key]) => key));
  });
  assertEquals(said, pages);
  assertEquals(db.metrics().warmed, pages);
  assert(pages > 1000, `only ${pages} pages`);
  assertLessOrEqual(calls, pages / 8);
  const [later] = counted(db, () => {
    for (const [key, value] of writes) assertEquals(session.get(key), value);
  });
  assertEquals(later, 0);
  assertEquals(session.warmUp(writes.map(([key]) => key)), 0);
});

Deno.test("warmUp() reads what some keys need and nothing else", async () => {
  const disk = new MemoryDisk(), draw = random("some");
  const writes = await written(disk, draw);
  const some = Array.from({ length: 300 }, () => draw.pick(writes));
  const absent = Array.from({ length: 50 }, () => draw.bytes(32));
  const keys = [...some.map(([key]) => key), ...absent];
  await using one = await open(memoryBackend(disk));
  const [needed] = counted(one, () => keys.forEach((key) => one.get(key)));
  await one.abandon();
  await using db = await open(memoryBackend(disk));
  using session = db.begin();
  assertEquals(session.warmUp(keys), needed);
  const [later] = counted(db, () => keys.forEach((key) => session.get(key)));
  assertEquals(later, 0);
});

Deno.test("warmUp() of more than the cache holds ends, and spoils nothing", async () => {
  const disk = new MemoryDisk(), draw = random("too much");
  const writes = await written(disk, draw);
  const small = { cacheBytes: 0, ...FEW_FRAMES };
  await using db = await open(memoryBackend(disk), small);
  {
    using session = db.begin();
    assert(session.warmUp(writes.map(([key]) => key)) > 128);
    for (const [key, value] of writes) assertEquals(session.get(key), value);
  }
  // What was read ahead is forgotten: the numbers of its pages are used again.
  for (let round = 0; round < 3; round++) {
    const next = writes.map(([key]): Write => [key, draw.bytes(32)]);
    await commit(db, next);
    await db.checkpoint();
    for (const [key, value] of next) assertEquals(db.get(key), value);
  }
});

Deno.test("warmUp() refuses a page that is not what refers to it", async () => {
  const disk = new MemoryDisk(), draw = random("bad page");
  const writes = await written(disk, draw);
  {
    const file = await memoryBackend(disk).open("pages.stemma", {
      create: false,
    });
    const byte = new Uint8Array(1), at = (file.size() >> 1) + 100;
    file.read(byte, at);
    byte[0] ^= 1;
    file.write(byte, at);
    file.close();
  }
  await using db = await open(memoryBackend(disk));
  using session = db.begin();
  const keys = writes.map(([key]) => key);
  assertThrows(() => session.warmUp(keys), CorruptError);
  assertThrows(() => session.warmUp(keys), CorruptError);
});
