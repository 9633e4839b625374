// The page tree as bytes: how full pages are, how many a read or a write
// touches, that their numbers are used again and none is lost.

import { assert, assertEquals } from "@std/assert";
import type { Scheme } from "@stemma/verify";
import { PAGE_HEADER_BYTES } from "../../src/tree/layout.ts";
import { amount, type Random, random } from "../_amount.ts";
import { drawKeys, drawValue, type KeyKind } from "../oracle/mod.ts";
import {
  type Inside,
  openInside,
  reportPages,
  unreachedPages,
} from "./_pages.ts";
import {
  commit,
  key32,
  pageBytesMin,
  realName,
  SCHEMES,
  type Write,
} from "./_store.ts";

const BIG = ["nomt-blake3", "jam-blake2b", "eip7864-sha256", "eip8297-blake3"];
function keysOf(
  scheme: Scheme,
  kind: KeyKind,
  count: number,
  draw: Random,
): Uint8Array[] {
  return drawKeys(realName(scheme.family), kind, count, draw);
}

/**
 * Least share of every page but the root's: a quarter from 4 KiB on. In smaller
 * pages the groups of four nodes and the largest record weigh more.
 */
function fillMin(pageBytes: number): number {
  const room = pageBytes - PAGE_HEADER_BYTES;
  return Math.min(Math.floor(room / 4) / room, 9 / 32 - 100 / room);
}

function assertFill(inside: Inside, what: string): void {
  const report = reportPages(inside);
  const { pageBytes } = inside.storage.pool;
  const text = `${what}: ${JSON.stringify(report)}`;
  assert(report.fillMin >= fillMin(pageBytes), text);
}

const FILLS: readonly [KeyKind, number][] = [
  ["random", 3_000],
  ["sequential", 3_000],
  ["neighbours", 1_500],
  ["shared-prefix", 1_500],
  ["caterpillar", 1_000],
  ["equal-stems", 1_500],
  ["mixed", 1_500],
];

for (const name of BIG) {
  Deno.test(`commit() keeps pages filled under ${name}`, async () => {
    const scheme = SCHEMES[name];
    for (const pageBytes of [pageBytesMin(scheme), 4096, 16384]) {
      for (const [kind, count] of FILLS) {
        const draw = random(`fill ${name} ${pageBytes} ${kind}`);
        await using db = await fillAndEmpty(
          scheme,
          pageBytes,
          kind,
          count,
          draw,
        );
        assertEquals(db.root.length, 32);
      }
    }
  });
}

/** Fills a store in steps and empties it in steps, looking at its pages. */
async function fillAndEmpty(
  scheme: Scheme,
  pageBytes: number,
  kind: KeyKind,
  count: number,
  draw: Random,
): Promise<Inside["db"]> {
  const inside = await openInside({ scheme, pageBytes });
  const { db } = inside, name = realName(scheme.family);
  const keys = keysOf(scheme, kind, count, draw);
  if (kind === "sequential") {
    keys.sort((a, b) => a.toHex() < b.toHex() ? -1 : 1);
  }
  const step = Math.ceil(keys.length / 8);
  for (let i = 0; i < keys.length; i += step) {
    const writes = keys.slice(i, i + step)
      .map((key): Write => [key, drawValue(name, draw, pageBytes)]);
    await commit(db, writes);
    assertFill(inside, `${scheme.name} ${kind} ${pageBytes} + ${i}`);
  }
  const { fillMean, fillMin, pages, depth } = reportPages(inside);
  const text = `${scheme.name}, ${kind}, pages of ${pageBytes}: fill ` +
    `${fillMean.toFixed(2)}, least ${fillMin.toFixed(2)}, ${pages} pages, ` +
    `${depth} deep`;
  console.log(text);
  assertEquals(reportPages(inside).entries, keys.length);
  draw.shuffle(keys);
  for (let i = 0; i < keys.length; i += step) {
    const part = keys.slice(i, i + step);
    await commit(db, part.map((key): Write => [key, undefined]));
    assertFill(inside, `${scheme.name} ${kind} ${pageBytes} - ${i}`);
  }
  assertEquals(reportPages(inside).pages, 0);
  return db;
}

Deno.test("get() and commit() touch O(log n) pages for spread keys", async () => {
  for (const bits of [10, 13, 16]) {
    const draw = random(`depth ${bits}`);
    const inside = await openInside({ cacheBytes: 128 << 20 });
    const { db } = inside;
    const keys = keysOf(db.scheme, "random", 2 ** bits, draw);
    await commit(db, keys.map((key): Write => [key, draw.bytes(8)]));
    const { depth, depthMean } = reportPages(inside);
    const text =
      `2^${bits} keys: ${depthMean.toFixed(1)} pages deep, at most ` +
      depth;
    console.log(text);
    assert(depth <= 2 + bits / 6, text);
    for (let i = 0; i < 50; i++) {
      const before = db.metrics();
      db.get(draw.pick(keys));
      const middle = db.metrics();
      const read = middle.cacheHits + middle.pageReads - before.cacheHits -
        before.pageReads;
      assert(read <= depth, `a read touches ${read} of ${depth} levels`);
      await commit(db, [[draw.pick(keys), draw.bytes(8)]]);
      const made = db.metrics().pagesMade - middle.pagesMade;
      assert(made <= depth, `a write makes ${made} pages of ${depth} levels`);
      await commit(db, [[draw.bytes(32), draw.bytes(8)]]);
    }
    await db.close();
  }
});

Deno.test("paths are about as long as each other, in whatever order keys come", async () => {
  for (const order of ["any", "ascending", "descending"]) {
    const draw = random(`paths ${order}`);
    const inside = await openInside({ cacheBytes: 128 << 20 });
    const { db } = inside;
    const keys = keysOf(db.scheme, "random", 2 ** 15, draw);
    if (order !== "any") keys.sort((a, b) => a.toHex() < b.toHex() ? -1 : 1);
    if (order === "descending") keys.reverse();
    for (let i = 0; i < keys.length; i += 2048) {
      const part = keys.slice(i, i + 2048);
      await commit(db, part.map((key): Write => [key, draw.bytes(32)]));
    }
    const { depth, depthMean, innerPages, pages } = reportPages(inside);
    const text = `${order}: ${depthMean.toFixed(2)} pages deep, at most ` +
      `${depth}; ${innerPages} of ${pages} pages lead to others`;
    console.log(text);
    assert(depth <= 4 && innerPages < 0.05 * pages, text);
    await db.close();
  }
});

Deno.test("pages that lead to others are few and hold few terminals", async () => {
  const draw = random("inner pages");
  const inside = await openInside({ cacheBytes: 128 << 20 });
  const { db } = inside;
  const keys = keysOf(db.scheme, "random", 2 ** 16, draw);
  for (let i = 0; i < keys.length; i += 4096) {
    const part = keys.slice(i, i + 4096);
    await commit(db, part.map((key): Write => [key, draw.bytes(32)]));
  }
  const { pages, innerPages, innerEntries } = reportPages(inside);
  const text = `${innerPages} of ${pages} pages lead to others, and hold ` +
    `${innerEntries} of ${keys.length} terminals`;
  console.log(text);
  assert(innerPages < 0.05 * pages && innerEntries < 0.01 * keys.length, text);
  await db.close();
});

Deno.test("get() touches at most key bits / joins a page for any keys", async () => {
  for (const name of BIG) {
    const scheme = SCHEMES[name], draw = random(`deep ${name}`);
    const inside = await openInside({ scheme });
    const keys = keysOf(scheme, "caterpillar", 1000, draw);
    const value = () => draw.bytes(32);
    await commit(inside.db, keys.map((key): Write => [key, value()]));
    const report = reportPages(inside);
    const bytes = report.entries * (2 * 40 + 36 + 32) + keys.length * 4;
    // Long keys of EIP-8297 weigh more.
    const heavy = scheme.family === "eip8297" ? 256 * keys.length : 0;
    const most = 2 + (bytes + heavy) / (fillMin(4096) * 4064);
    assert(report.depth <= most, `${name}: ${report.depth} pages deep`);
    await inside.db.close();
  }
});

Deno.test("checkpoint() uses page numbers again: the file stays small", async () => {
  const inside = await openInside({ pageBytes: 1024 });
  const { db, storage } = inside, draw = random("reuse");
  const keys = keysOf(db.scheme, "random", 2000, draw);
  await commit(db, keys.map((key): Write => [key, draw.bytes(40)]));
  await db.checkpoint();
  const { pages } = reportPages(inside);
  for (let round = 0; round < amount(150); round++) {
    const some = Array.from({ length: 20 }, () => draw.pick(keys));
    await commit(db, some.map((key): Write => [key, draw.bytes(40)]));
    if (round % 5 === 4) await db.checkpoint();
  }
  assert(
    storage.space.pageCount <= 3 * pages,
    `${storage.space.pageCount} pages for a tree of ${pages}`,
  );
  await commit(db, keys.map((key): Write => [key, undefined]));
  // A free map may lie at the end of the file for as long as a header needs it.
  for (let i = 0; i < 6; i++) await db.checkpoint();
  assert(storage.space.pageCount <= 4, `${storage.space.pageCount} pages left`);
  await db.close();
});

for (const name of BIG) {
  Deno.test(`no page is lost, whatever is done, under ${name}`, async () => {
    const scheme = SCHEMES[name], draw = random(`leaks ${name}`);
    const pageBytes = pageBytesMin(scheme);
    const inside = await openInside({
      scheme,
      pageBytes,
      history: { commits: 4 },
    });
    const { db } = inside, real = realName(scheme.family);
    const keys = keysOf(scheme, "mixed", 300, draw);
    const write = (): Write => [
      draw.pick(keys),
      draw.chance(0.3) ? undefined : drawValue(real, draw, pageBytes),
    ];
    for (let round = 0; round < amount(60); round++) {
      using held = db.snapshot();
      const forks = [0, 1, 2].map(() => {
        using session = db.begin();
        for (let i = 0; i < 30; i++) {
          const [key, value] = write();
          if (value === undefined) session.delete(key);
          else session.set(key, value);
        }
        return session.prepare();
      });
      using child = db.begin({ on: forks[0] });
      child.delete(keys[0]);
      using grandchild = child.prepare();
      assert(grandchild.root.length === 32 && held.root.length === 32);
      forks[1].discard();
      await forks[draw.pick([0, 2])].commit();
      if (draw.chance(0.2)) await db.rollback(1);
      if (draw.chance(0.2)) {
        using old = db.snapshot(draw.pick(db.history()).root);
        assertEquals(old.root.length, 32);
      }
      if (draw.chance(0.3)) await db.checkpoint();
    }
    // What is left besides the tree is a free map for each header.
    assertEquals(await unreachedPages(inside), 2);
    await db.close();
  });
}

Deno.test("overflow pages are given back when values go", async () => {
  const inside = await openInside({ pageBytes: 512 });
  const { db } = inside, draw = random("overflow");
  for (let round = 0; round < 40; round++) {
    await commit(db, [
      [key32(1), draw.bytes(draw.int(20_000))],
      [key32(draw.int(4)), draw.bytes(5000)],
      [key32(draw.int(4)), undefined],
    ]);
    if (round % 3 === 0) await db.checkpoint();
    if (round % 10 === 9) assertEquals(await unreachedPages(inside), 2);
  }
  const same = draw.bytes(9000);
  for (let i = 0; i < 5; i++) await commit(db, [[key32(9), same]]);
  assertEquals(await unreachedPages(inside), 2);
  await db.close();
});
