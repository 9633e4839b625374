// A checkpoint gives the pages of many commits new numbers, so that it can write
// them in long runs; so does a commit after which few pages of the cache could be
// given up. Who reads meanwhile must not notice, and the file stays small.

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { StorageFullError } from "../../backends/errors.ts";
import { MemoryDisk } from "../../backends/memory.ts";
import { memoryBackend, open, type StorageBackend } from "../../mod.ts";
import { Space } from "../../src/store/space.ts";
import { amount, type Random, random } from "../_amount.ts";
import { insideOf } from "./_pages.ts";
import { commit, openSmall, type Write } from "./_store.ts";

/** A disk whose page file counts calls, and has no room behind a position. */
function watched(disk: MemoryDisk) {
  const inner = memoryBackend(disk);
  const watch = { writes: 0, end: Infinity };
  const backend: StorageBackend = {
    name: inner.name,
    supports: inner.supports,
    async open(name, options) {
      const file = await inner.open(name, options);
      if (name !== "pages.stemma") return file;
      return {
        read: (bytes, position) => file.read(bytes, position),
        write(bytes, position) {
          watch.writes++;
          if (position + bytes.length <= watch.end) {
            return file.write(bytes, position);
          }
          throw new StorageFullError("Cannot write", { operation: "write" });
        },
        size: () => file.size(),
        truncate: (size) => file.truncate(size),
        flush: () => file.flush(),
        close: () => file.close(),
      };
    },
    list: () => inner.list(),
    remove: (name) => inner.remove(name),
    lock: () => inner.lock(),
  };
  return { backend, watch };
}

Deno.test("checkpoint() writes the pages of many commits in long runs", async () => {
  const { backend, watch } = watched(new MemoryDisk());
  const draw = random("runs");
  await using db = await open(backend);
  const keys = Array.from({ length: 20_000 }, () => draw.bytes(32));
  await commit(db, keys.map((key): Write => [key, draw.bytes(32)]));
  await db.checkpoint();
  for (let round = 0; round < amount(4); round++) {
    for (let i = 0; i < 30; i++) {
      const some = Array.from({ length: 100 }, () => draw.pick(keys));
      await commit(db, some.map((key): Write => [key, draw.bytes(32)]));
    }
    const before = db.metrics().pageWrites, calls = watch.writes;
    await db.checkpoint();
    const pages = db.metrics().pageWrites - before;
    // Runs of eight pages at least, but for what is left; map and headers.
    assertLessOrEqual(watch.writes - calls, pages / 8 + 12);
    await db.check();
  }
});

/** A store with more keys than its cache holds, and a checkpoint of them. */
async function beyondCache(backend: StorageBackend, draw: Random) {
  const db = await open(backend, { cacheBytes: 4 << 20 });
  const keys = Array.from({ length: 60_000 }, () => draw.bytes(32));
  for (let i = 0; i < keys.length; i += 3000) {
    const some = keys.slice(i, i + 3000);
    await commit(db, some.map((key): Write => [key, draw.bytes(32)]));
  }
  await db.checkpoint();
  const change = async (): Promise<void> => {
    const some = Array.from({ length: 60 }, () => draw.pick(keys));
    await commit(db, some.map((key): Write => [key, draw.bytes(32)]));
  };
  return { db, change };
}

Deno.test("commits beyond the cache write pages ahead in long runs", async () => {
  const { backend, watch } = watched(new MemoryDisk());
  const { db, change } = await beyondCache(backend, random("ahead"));
  let pages = 0, calls = 0;
  for (let round = 0; round < 3; round++) {
    const before = db.metrics(), called = watch.writes;
    for (let i = 0; i < 60; i++) await change();
    const after = db.metrics();
    assertEquals(after.checkpoints, before.checkpoints);
    pages += after.pageWrites - before.pageWrites;
    calls += watch.writes - called;
    await db.checkpoint();
    await db.check();
  }
  assert(pages > 3000, `only ${pages} pages written`);
  assertLessOrEqual(calls, pages / 4);
  await db.close();
});

Deno.test("a commit that finds no room to write pages ahead stands", async () => {
  const disk = new MemoryDisk(), { backend, watch } = watched(disk);
  const opened = await beyondCache(backend, random("no room ahead"));
  const { db, storage } = insideOf(opened.db);
  const snapshot = db.snapshot();
  watch.end = storage.file.positionOf(storage.space.pageCount / 2 | 0);
  let commits = 0;
  while (db.metrics().checkpointError === undefined) {
    await opened.change();
    assert(++commits < 100, "nothing was written ahead");
  }
  assert(db.metrics().checkpointError instanceof StorageFullError);
  assert(!db.metrics().isPoisoned);
  const state = [...db.entries()];
  watch.end = Infinity;
  snapshot.close();
  await opened.change();
  await db.check();
  await db.rollback(1);
  assertEquals([...db.entries()], state);
  const { root } = db;
  await db.close();
  await using again = await open(memoryBackend(disk));
  assertEquals(again.root, root);
  assertEquals([...again.entries()], state);
  await again.check();
});

Deno.test("a checkpoint moves pages below a suspended iterator, a snapshot and a fork", async () => {
  for (const isHeld of [false, true]) {
    const draw = random("iterator");
    await using db = await openSmall({ pageBytes: 512, cacheBytes: 0 });
    const model = new Map<string, Uint8Array>();
    const change = async (): Promise<void> => {
      const writes = Array.from(
        { length: 400 },
        (): Write => [draw.bytes(32), draw.bytes(20)],
      );
      await commit(db, writes);
      for (const [key, value] of writes) model.set(key.toHex(), value!);
    };
    for (let i = 0; i < 5; i++) await change();
    using snapshot = db.snapshot();
    const state = [...model].sort(([a], [b]) => a < b ? -1 : 1);
    const entries = snapshot.entries();
    const found: [string, Uint8Array][] = [];
    const take = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const { value, done } = entries.next();
        if (done) return;
        found.push([value[0].toHex(), value[1]]);
      }
    };
    take(100);
    // A version that is not committed may share any page.
    using session = db.begin();
    session.set(draw.bytes(32), draw.bytes(20));
    using fork = isHeld ? session.prepare() : undefined;
    await db.checkpoint();
    for (const [key, value] of state) {
      if (fork) assertEquals(fork.get(Uint8Array.fromHex(key)), value);
    }
    take(300);
    await change();
    await db.checkpoint();
    take(Infinity);
    assertEquals(found, state);
    for (const [key, value] of state) {
      assertEquals(snapshot.get(Uint8Array.fromHex(key)), value);
    }
    for (const [key, value] of model) {
      assertEquals(db.get(Uint8Array.fromHex(key)), value);
    }
    await db.check();
  }
});

Deno.test("a checkpoint moves pages that gets know a short way to", async () => {
  const draw = random("jumps");
  const { db, storage } = insideOf(
    await openSmall({ pageBytes: 512, cacheBytes: 1 << 23 }),
  );
  const keys = Array.from({ length: 4000 }, () => draw.bytes(32));
  for (let round = 0; round < amount(20); round++) {
    const state = keys.map((key): Write => [key, draw.bytes(20)]);
    await commit(db, state);
    for (const [key] of [...state, ...state]) db.get(key);
    await db.checkpoint();
    // Pages come back to other frames, some to one where their number was known.
    storage.pool.forgetClean();
    for (const [key, value] of draw.shuffle(state)) {
      assertEquals(db.get(key), value);
    }
    // The next round's pages take these frames, too.
    storage.pool.forgetClean();
  }
  await db.close();
});

Deno.test("a checkpoint that finds no room to grow uses what is free", async () => {
  const disk = new MemoryDisk(), { backend, watch } = watched(disk);
  const draw = random("no room");
  const { db, storage } = insideOf(await open(backend, { pageBytes: 512 }));
  const keys = Array.from({ length: 2000 }, () => draw.bytes(32));
  await commit(db, keys.map((key): Write => [key, draw.bytes(32)]));
  // Keeps the pages that it needs, so that few are free.
  const snapshot = db.snapshot();
  for (let i = 0; i < 23; i++) {
    if (i % 4 === 0) await db.checkpoint();
    const some = Array.from({ length: 40 }, () => draw.pick(keys));
    await commit(db, some.map((key): Write => [key, draw.bytes(32)]));
  }
  // Room for a map, not for the pages of four commits once more.
  watch.end = storage.file.positionOf(storage.space.pageCount + 8);
  let refused = 0;
  for (; refused < 2; refused++) {
    try {
      await db.checkpoint();
      break;
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
    }
  }
  assertEquals(refused, 1);
  snapshot.close();
  await db.check();
  const { root } = db;
  await db.close();
  await using again = await open(memoryBackend(disk));
  assertEquals(again.root, root);
  await again.check();
});

Deno.test("allocateMany() gives numbers that nobody uses, ascending, and grows a file that is nearly full only", () => {
  const draw = random("many");
  for (let run = 0; run < amount(200); run++) {
    const space = new Space();
    space.reset(draw.int(600));
    const share = draw.real();
    for (let page = 1; page <= space.pageCount; page++) {
      if (draw.chance(share)) space.release(page);
    }
    if (draw.chance(0.3) && space.pageCount > 40) {
      for (let page = 17; page < 33; page++) {
        if (space.isUsed(page)) space.release(page);
      }
    }
    const before = space.clone(), mayGrow = draw.chance(0.5);
    const count = draw.int(300);
    space.hasRoom = mayGrow;
    const pages = [...space.allocateMany(count)];
    assertEquals(pages.length, count);
    assert(pages.every((page, i) => i === 0 || page > pages[i - 1]));
    for (const page of pages) {
      assert(page >= 1 && page <= space.pageCount && space.isUsed(page));
      assert(page > before.pageCount || !before.isUsed(page));
    }
    if (!mayGrow) before.trim();
    const grown = space.pageCount - before.pageCount;
    assertEquals(space.freeCount, before.freeCount + grown - count);
    const isLoose = 3 * before.freeCount > before.pageCount + 3 * count;
    if (!mayGrow || isLoose) {
      assertEquals(grown, Math.max(0, count - before.freeCount));
      assertEquals(runsOf(pages), leastRuns(before, count));
    }
  }
});

Deno.test("allocateNext() gives numbers that nobody uses, in runs of eight where there are some", () => {
  const draw = random("next");
  for (let run = 0; run < amount(50); run++) {
    const space = new Space();
    space.reset(draw.int(3000));
    space.hasRoom = draw.chance(0.8);
    const share = draw.real();
    for (let page = 1; page <= space.pageCount; page++) {
      if (draw.chance(share)) space.release(page);
    }
    for (let step = 0; step < 20; step++) {
      const before = space.clone(), count = 1 + draw.int(100);
      const pages = [...space.allocateNext(count)];
      assertEquals(new Set(pages).size, count);
      for (const page of pages) {
        assert(page >= 1 && page <= space.pageCount && space.isUsed(page));
        assert(page > before.pageCount || !before.isUsed(page));
      }
      // Runs at the seam, at the end of what was wanted, and of what was left.
      if (space.pageCount === before.pageCount && eights(before) >= 2 * count) {
        assertLessOrEqual(runsOf(pages), count / 8 + 3);
      }
      for (const page of pages) if (draw.chance(0.3)) space.release(page);
      if (draw.chance(0.1)) space.trim();
    }
  }
});

/** Free pages in runs of eight at least. */
function eights(space: Space): number {
  let all = 0;
  for (let page = 1, run = 0; page <= space.pageCount + 1; page++) {
    const isFree = page <= space.pageCount && !space.isUsed(page);
    if (!isFree && run >= 8) all += run;
    run = isFree ? run + 1 : 0;
  }
  return all;
}

/** Runs of ascending page numbers. */
function runsOf(pages: readonly number[]): number {
  return pages.filter((page, i) => page !== pages[i - 1] + 1).length;
}

/** How few runs of free pages hold so many, with those behind the end as one. */
function leastRuns(space: Space, count: number): number {
  const lengths: number[] = [];
  for (let page = 1, run = 0; page <= space.pageCount + 1; page++) {
    const isFree = page <= space.pageCount && !space.isUsed(page);
    if (!isFree && run > 0) lengths.push(run);
    run = isFree ? run + 1 : 0;
  }
  lengths.sort((a, b) => b - a);
  let runs = 0;
  for (let left = count; left > 0; runs++) {
    // Pages behind the end follow a run that ends there.
    left -= lengths.shift() ??
      (runs > 0 && !space.isUsed(space.pageCount) ? (runs--, left) : left);
  }
  return runs;
}
