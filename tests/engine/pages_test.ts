// How full pages are, how many a read needs, and that none is lost: measured on
// the pages themselves, for random, sequential and adversarial keys.

import { assert, assertEquals } from "@std/assert";
import type { Scheme } from "@stemma/verify";
import { memoryBackend, open, type Stemma } from "../../mod.ts";
import { coreOf } from "../../src/database.ts";
import { CHILD, PAGE_HEADER_BYTES, TERMINAL } from "../../src/tree/layout.ts";
import type { Version } from "../../src/store/versions.ts";
import { type Random, random } from "../_amount.ts";
import { commit, SCHEMES, type Write } from "./_store.ts";

/** The part of a page that every page but the root's fills, docs/format.md. */
const FILL_MIN = 5 / 16;

/** Fill of every page of the head but the root's; pages and extents reached. */
function survey(db: Stemma): { fills: number[]; reached: Set<number> } {
  const { pool, versions, file } = coreOf(db).storage;
  const { pages } = pool;
  const fills: number[] = [], reached = new Set<number>();
  const { tree }: Version = versions.head;
  const stack = tree.page === 0 ? [] : [[tree.page, ...tree.sum]];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const [page, low, high] = at;
    const f = pool.get(page, low, high);
    reached.add(page);
    if (page !== tree.page) {
      fills.push(pages.weight(f) / (pages.pageBytes - PAGE_HEADER_BYTES));
    }
    for (let n = 0; n < pages.u16[f + 14 >> 1]; n++) {
      if (pages.kind(f, n) === CHILD) {
        const i = pages.record(f, n) >> 2;
        stack.push([pages.u32[i], pages.u32[i + 1], pages.u32[i + 2]]);
      } else if (pages.kind(f, n) === TERMINAL && pages.isOverflow(f, n)) {
        const i = pages.valueAt(f, n) >> 2;
        const count = file.extentPages(pages.u32[i]);
        for (let p = 0; p < count; p++) reached.add(pages.u32[i + 1] + p);
      }
    }
  }
  return { fills, reached };
}

const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;

type Draw = (i: number, draw: Random) => Uint8Array;

const KEYS: Record<string, Draw> = {
  random: (_, draw) => draw.bytes(32),
  sequential: (i) => {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(28, i);
    return key;
  },
  caterpillar: (i) => {
    // Each key leaves the same long path at another bit.
    const key = new Uint8Array(32).fill(0x5a);
    key[(i >> 3) & 31] ^= 128 >> (i & 7);
    key[31] ^= i >> 8;
    return key;
  },
  "255 shared bits": (i) => {
    const key = new Uint8Array(32).fill(i >> 1);
    key[1] = i >> 9;
    key[31] = (i >> 1 & 0xfe) | (i & 1);
    return key;
  },
};

for (const [name, draw] of Object.entries(KEYS)) {
  Deno.test(`commit() keeps pages full for ${name} keys`, async () => {
    const source = random(`fill ${name}`);
    await using db = await open(memoryBackend(), { scheme: "nomt-sha256" });
    const keys: Uint8Array[] = [];
    for (let round = 0; round < 12; round++) {
      const writes: Write[] = [];
      for (let i = 0; i < 1_500; i++) {
        const key = draw(keys.length, source);
        keys.push(key);
        writes.push([key, source.bytes(1 + source.int(64))]);
      }
      await commit(db, writes);
      if (round % 3 !== 2) continue;
      const gone = source.shuffle(keys.slice()).slice(0, keys.length / 2);
      await commit(db, gone.map((key): Write => [key, undefined]));
      const { fills } = survey(db);
      const least = Math.min(1, ...fills);
      assert(least >= FILL_MIN - 0.001, `a page is ${least} full`);
    }
    const { fills } = survey(db);
    console.log(
      `${name}: ${fills.length} pages, mean fill ${mean(fills).toFixed(2)}, ` +
        `least ${Math.min(...fills).toFixed(2)}`,
    );
  });
}

for (const scheme of ["nomt-sha256", "jam-blake2b"]) {
  Deno.test(`no page of ${scheme} leaks over commits, forks, rollbacks and reopening`, async () => {
    const source = random(`leaks ${scheme}`);
    const rule: Scheme = SCHEMES[scheme], disk = memoryBackend();
    const options = {
      scheme: rule,
      pageBytes: 512,
      history: { commits: 3 },
      checkpoint: { commits: 4 },
    } as const;
    let db = await open(disk, options);
    const keys = Array.from(
      { length: 200 },
      () => source.bytes(rule.keyBytesMin),
    );
    for (let round = 0; round < 60; round++) {
      const writes = Array.from({ length: 20 }, (): Write => [
        source.pick(keys),
        source.chance(0.4) ? undefined : source.bytes(source.int(3000)),
      ]);
      if (source.chance(0.2)) {
        using session = db.begin();
        for (const [key, value] of writes) {
          if (value) session.set(key, value);
        }
        session.prepare().discard();
      }
      await commit(db, writes);
      if (source.chance(0.1)) await db.rollback(1);
      if (source.chance(0.1)) {
        await db.close();
        db = await open(disk, options);
      }
    }
    // Two checkpoints of one state: nothing but that state and its map is left.
    await db.checkpoint();
    await db.checkpoint();
    const { reached } = survey(db);
    const { pageFileSize, pageFileFree } = db.metrics();
    const used = Math.ceil((pageFileSize - 16384 - pageFileFree) / 512);
    const maps = used - reached.size;
    assert(maps >= 0 && maps <= 8, `${maps} pages besides the tree are used`);
    await db.check();
    await db.close();
  });
}

Deno.test("get() reads O(log n) pages of a store with spread keys", async () => {
  const source = random("depth");
  const disk = memoryBackend();
  const keys = Array.from({ length: 1 << 15 }, () => source.bytes(32));
  {
    await using db = await open(disk);
    await commit(db, keys.map((key): Write => [key, key]));
  }
  await using db = await open(disk);
  const cold = db.metrics().pageReads;
  db.get(keys[0]);
  const path = db.metrics().pageReads - cold;
  console.log(`a cold path has ${path} pages`);
  assert(path <= 8, `a cold path has ${path} pages`);
  for (const key of keys.slice(0, 500)) db.get(key);
  const before = db.metrics().pageReads;
  for (const key of keys.slice(500, 1000)) db.get(key);
  const reads = (db.metrics().pageReads - before) / 500;
  console.log(`${reads} pages read a get once upper levels are cached`);
  assert(reads <= 1.1, `${reads} pages are read once upper levels are cached`);
  assertEquals(db.get(keys[7]), keys[7]);
});
