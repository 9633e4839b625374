// Pages at the ends of paths are edited by a kernel: a store that has it must be the
// store that goes key by key, in roots, in what it holds and in what it can go back to.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { memoryBackend, open, type Stemma } from "../../mod.ts";
import { EDITS_ITEMS_MAX } from "../../src/hash/kernel_layout.ts";
import { WasmHasher } from "../../src/hash/wasm_hasher.ts";
import { amount, type Random, random } from "../_amount.ts";
import { drawBatch } from "./_batches.ts";
import {
  commit,
  contents,
  FEW_FRAMES,
  pageBytesMin,
  SCHEMES,
  type Write,
} from "./_store.ts";
import { helped } from "./_wrapped.ts";

const ROUNDS = amount(8);
const FAMILIES = ["nomt-blake3", "jam-blake2b", "eip7864-sha256"];

/**
 * Stores that edit by pages, with one thread, with two, and without kernels, and one
 * whose backend reads and writes beside its caller.
 */
async function openAll(
  scheme: string,
  pageBytes: number,
  frames: object = {},
): Promise<Stemma[]> {
  const common = { scheme: SCHEMES[scheme], pageBytes, ...frames };
  const stores = await Promise.all([
    open(memoryBackend(), { ...common, hasher: "wasm" }),
    open(memoryBackend(), { ...common, threads: 2 }),
    open(memoryBackend(), { ...common, hasher: "js" }),
    open(helped(memoryBackend()), { ...common, hasher: "wasm" }),
  ]);
  const isReady = (): boolean =>
    stores[1].metrics().hasher === "wasm-simd+threads";
  for (let i = 0; i < 2000 && !isReady(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert(isReady(), "the second thread does not start");
  return stores;
}

async function commitAll(
  stores: readonly Stemma[],
  batch: readonly Write[],
): Promise<void> {
  for (const db of stores) await commit(db, batch);
  assertSameRoots(stores);
}

function assertSameRoots(stores: readonly Stemma[]): void {
  for (const db of stores) assertEquals(db.root, stores[0].root);
}

async function closeAll(stores: readonly Stemma[]): Promise<void> {
  for (const db of stores) {
    await db.check();
    await db.close();
  }
}

/** Counts the groups of pages that kernels edit meanwhile. */
async function groupsEdited(run: () => Promise<void>): Promise<number> {
  const hasher = WasmHasher.prototype, { editPages } = hasher;
  let groups = 0;
  hasher.editPages = function (family, group) {
    groups++;
    editPages.call(this, family, group);
  };
  try {
    await run();
  } finally {
    hasher.editPages = editPages;
  }
  return groups;
}

for (const scheme of FAMILIES) {
  Deno.test(`editing by pages is editing by keys under ${scheme}`, async () => {
    const draw = random(`ends ${scheme}`);
    const pageBytes = draw.pick([pageBytesMin(SCHEMES[scheme]), 4096]);
    const frames = draw.chance(0.5) ? FEW_FRAMES : {};
    const stores = await openAll(scheme, pageBytes, frames);
    const keys = new Map<string, Uint8Array>();
    for (let round = 0; round < ROUNDS; round++) {
      await commitAll(stores, drawBatch(scheme, keys, draw));
      // What was noted of old values leads back.
      if (draw.chance(0.3) && round > 0) {
        for (const db of stores) await db.rollback(1);
        assertSameRoots(stores);
        keys.clear();
        for (const [key] of stores[2].entries()) keys.set(key.toHex(), key);
      }
      if (draw.chance(0.3)) { for (const db of stores) await db.checkpoint(); }
    }
    for (const db of stores) assertEquals(contents(db), contents(stores[2]));
    await closeAll(stores);
  });
}

/** Lengths of values at which an entry of the log looks another way, or nearly does. */
const VALUE_BYTES = [0, 1, 3, 4, 15, 16, 17, 32, 127, 128, 129, 300, 975];

/** What the log has of a commit, by key. */
async function logged(db: Stemma, from: number): Promise<Map<string, string>> {
  const changes = new Map<string, string>();
  for await (const commit of db.commits({ from })) {
    for (const [key, value] of commit.changes()) {
      assert(!changes.has(key.toHex()), "a key is there twice");
      changes.set(key.toHex(), value?.toHex() ?? "none");
    }
    break;
  }
  return changes;
}

for (const scheme of ["nomt-blake3", "jam-blake2b"]) {
  Deno.test(`the kernel's entries of the log are what was written under ${scheme}`, async () => {
    const draw = random(`entries ${scheme}`),
      keyBytes = scheme[0] === "j" ? 31 : 32;
    const stores = await openAll(scheme, 4096), { head } = stores[0];
    const first = Array.from({ length: 3000 }, (_, i): Write => [
      draw.bytes(keyBytes),
      draw.bytes(VALUE_BYTES[i % VALUE_BYTES.length]),
    ]);
    // Some are as they were, some as long, some a little longer or shorter, some new.
    const second = first.map(([key, value], i): Write => {
      if (i % 5 === 0) return [key, value!.slice()];
      if (i % 5 === 1) return [draw.bytes(keyBytes), value!];
      const more = i % 5 === 2 && value!.length % 4 > 0 ? -1 : 0;
      return [key, draw.bytes(value!.length + more)];
    });
    // A drawn value of one byte may be the one that was there.
    const isOther = ([key, value]: Write, i: number): boolean =>
      key !== first[i][0] || value!.toHex() !== first[i][1]!.toHex();
    const edited = await groupsEdited(async () => {
      for (const batch of [first, second]) await commitAll(stores, batch);
    });
    assertGreater(edited, 4);
    for (const db of stores) {
      for (const [i, batch] of [first, second.filter(isOther)].entries()) {
        const expected = batch.map(([k, v]) => [k.toHex(), v!.toHex()]);
        const found = await logged(db, head.sequence + 1 + i);
        assertEquals(found, new Map(expected as [string, string][]));
      }
      await db.rollback(1);
    }
    assertSameRoots(stores);
    for (const db of stores) assertEquals(contents(db), contents(stores[2]));
    await closeAll(stores);
  });
}

/** Keys that mostly go through the kernel: 32 bytes, each with a value of its own. */
function randomWrites(count: number, draw: Random): Write[] {
  return Array.from(
    { length: count },
    (): Write => [draw.bytes(32), draw.bytes(32)],
  );
}

Deno.test("keys that part above the page that their bits lead to go above it", async () => {
  const stores = await openAll("nomt-blake3", 4096), draw = random("skipped");
  // No join looks at bits 1 to 15: two halves, with zeros in between.
  const state = randomWrites(4000, draw);
  for (const [key] of state) {
    key[0] &= 0x80;
    key[1] = 0;
  }
  await commitAll(stores, state);
  // Sorted, these meet the same pages again and again, and most belong elsewhere.
  for (let round = 0; round < 4; round++) {
    const some = draw.shuffle([...state]).slice(0, 300);
    const others = randomWrites(300, draw);
    const updates = some.map(([key]): Write => [key, draw.bytes(32)]);
    await commitAll(stores, draw.shuffle([...updates, ...others]));
  }
  await closeAll(stores);
});

Deno.test("values that a store holds already change no root, and nothing to go back to", async () => {
  const stores = await openAll("nomt-blake3", 4096), draw = random("same");
  const state = randomWrites(3000, draw);
  await commitAll(stores, state);
  const before = stores[0].root, some = state.slice(0, 500);
  await commitAll(stores, some);
  assertEquals(stores[0].root, before);
  const [key] = state[0];
  await commitAll(stores, [...some.slice(1), [key, draw.bytes(32)]]);
  for (const db of stores) await db.rollback(1);
  assertSameRoots(stores);
  assertEquals(stores[0].root, before);
  await closeAll(stores);
});

Deno.test("nearly all of a large batch goes through the kernel", async () => {
  const draw = random("share"), size = 2000;
  await using db = await open(memoryBackend(), { scheme: "nomt-blake3" });
  await commit(db, randomWrites(20_000, draw));
  const more = randomWrites(size, draw);
  const groups = await groupsEdited(() => commit(db, more));
  // Hardly more than two keys a page of these.
  assertGreater(groups, size / EDITS_ITEMS_MAX / 3);
  for (const [key, value] of more) assertEquals(db.get(key), value);
});

/** Has the kernel fail when it has edited some groups of pages, and run into it. */
async function failHalfWay(run: () => Promise<unknown>): Promise<void> {
  const { editPages } = WasmHasher.prototype;
  let groups = 0;
  WasmHasher.prototype.editPages = function (family, group) {
    if (groups === 2) throw new Error("planted");
    groups++;
    editPages.call(this, family, group);
  };
  let message = "";
  try {
    await run();
  } catch (error) {
    message = (error as Error).message;
  } finally {
    WasmHasher.prototype.editPages = editPages;
  }
  assertEquals(message, "planted");
}

Deno.test("a batch that fails half way gives back all frames", async () => {
  const draw = random("frames");
  await using db = await open(memoryBackend(), { scheme: "nomt-blake3" });
  await commit(db, randomWrites(5000, draw));
  const before = db.metrics().cacheBytes, root = db.root;
  await failHalfWay(() => commit(db, randomWrites(2000, draw)));
  assertEquals(db.metrics().cacheBytes, before);
  await commit(db, randomWrites(2000, draw));
  await db.rollback(1);
  assertEquals(db.root, root);
  await db.check();
});

/** A store that was closed: storage has its pages, the pool none. */
async function openCold(state: readonly Write[]): Promise<Stemma> {
  const backend = memoryBackend(), options = { scheme: "nomt-blake3" } as const;
  const db = await open(backend, options);
  await commit(db, state);
  await db.close();
  return await open(backend, options);
}

Deno.test("pages that only storage has go through the kernel, and older states keep them", async () => {
  const draw = random("loaded"), state = randomWrites(20_000, draw);
  await using db = await openCold(state);
  await using warm = await open(memoryBackend(), { scheme: "nomt-blake3" });
  await commit(warm, state);
  const more = [
    ...state.slice(0, 400).map(([key]): Write => [key, draw.bytes(32)]),
    ...randomWrites(400, draw),
  ];
  using older = db.snapshot();
  // Hardly more than two keys a page of these.
  const groups = await groupsEdited(() => commit(db, more));
  assertGreater(groups, more.length / EDITS_ITEMS_MAX / 3);
  await commit(warm, more);
  assertSameRoots([db, warm]);
  for (const [key, value] of more) assertEquals(db.get(key), value);
  for (const [key, value] of state) assertEquals(older.get(key), value);
  await db.check();
});

Deno.test("a batch that fails half way leaves nothing in pages that were loaded for it", async () => {
  const draw = random("discarded"), state = randomWrites(5000, draw);
  await using db = await openCold(state);
  const root = db.root;
  const others = state.map(([key]): Write => [key, draw.bytes(32)]);
  await failHalfWay(() => commit(db, others));
  for (const [key, value] of state) assertEquals(db.get(key), value);
  await commit(db, others);
  for (const [key, value] of others) assertEquals(db.get(key), value);
  await db.rollback(1);
  assertEquals(db.root, root);
  await db.check();
});
