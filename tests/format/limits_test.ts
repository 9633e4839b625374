// Sizes at which offsets and page numbers would no longer fit.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StorageFullError } from "../../backends/errors.ts";
import { memoryBackend, open } from "../../mod.ts";
import { random } from "../_amount.ts";
import { PAGES_MAX, Space } from "../../src/store/space.ts";

/** The largest cache. */
const CACHE_BYTES = 3.75 * 2 ** 30;

Deno.test("open() refuses a cache that the pool cannot address", async () => {
  for (const cacheBytes of [CACHE_BYTES + 1, 2 ** 32, Infinity, -1, NaN]) {
    await assertRejects(
      () => open(memoryBackend(), { cacheBytes }),
      RangeError,
    );
  }
});

Deno.test("open() takes the largest cache", async () => {
  for (const hasher of ["wasm", "js"] as const) {
    const cacheBytes = CACHE_BYTES, key = new Uint8Array(32);
    await using db = await open(memoryBackend(), { cacheBytes, hasher });
    using session = db.begin();
    session.set(key, key);
    await session.prepare().commit();
    await db.checkpoint();
    assertEquals(db.get(key), key);
    assertEquals(db.metrics().cacheBytesMax, cacheBytes);
  }
});

Deno.test("Space.allocate() gives out page numbers above 2^31", () => {
  const space = new Space(), most = 2 ** 31 + 100;
  space.reset(most);
  space.release(2 ** 31 + 7);
  assertEquals(space.allocate(), 2 ** 31 + 7);
  assertEquals(space.allocate(), most + 1);
});

Deno.test("Space.allocateRun() says that storage is full when page numbers end", () => {
  const space = new Space();
  assertThrows(() => space.allocateRun(PAGES_MAX + 1), StorageFullError);
  assertEquals(space.allocate(), 1);
});

Deno.test("Space.allocateRun() finds the lowest run that is free", () => {
  const draw = random("runs"), space = new Space(), used: boolean[] = [true];
  space.reset(500);
  for (let page = 1; page <= 500; page++) used[page] = true;
  const release = (page: number): void => {
    if (!used[page]) return;
    used[page] = false;
    space.release(page);
  };
  for (let i = 0; i < 300; i++) {
    for (let n = draw.int(20), at = draw.int(480); n > 0; n--) release(at + n);
    const count = 2 + draw.int(40);
    let first = 1;
    const isFree = (from: number): boolean =>
      Array.from({ length: count }, (_, n) => used[from + n] === false)
        .every((free) => free);
    while (first < used.length && !isFree(first)) first++;
    assertEquals(space.allocateRun(count), first);
    for (let n = 0; n < count; n++) used[first + n] = true;
  }
});
