// docs/format.md is true: a reader written from it alone finds every entry, every
// free page and every record in the files, and a store of each released version
// of the format opens.

import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { memoryBackend, open, type Stemma } from "../../mod.ts";
import { random } from "../_amount.ts";
import { backendOf, type Files, makeStore, SMALL } from "./_forge.ts";
import { type Pair, Reader } from "./_reader.ts";

interface Case {
  readonly scheme: "nomt-blake3" | "eip8297-blake3" | "jam-blake2b";
  readonly keyBytes: number;
  readonly pageBytes: number;
}

const CASES: Case[] = [
  { scheme: "nomt-blake3", keyBytes: 32, pageBytes: 512 },
  { scheme: "jam-blake2b", keyBytes: 31, pageBytes: 1024 },
  { scheme: "eip8297-blake3", keyBytes: 0, pageBytes: 2048 },
];

const entriesOf = (db: Stemma): Pair[] =>
  Array.from(db.entries(), ([key, value]) => [key.toHex(), value.toHex()]);

/** A store with large values, deletes, a rollback and several checkpoints. */
async function fill(db: Stemma, { keyBytes }: Case): Promise<void> {
  const draw = random(`tables ${keyBytes}`), keys: Uint8Array[] = [];
  for (let round = 0; round < 8; round++) {
    using session = db.begin();
    for (let i = 0; i < 40; i++) {
      // First byte = length: no key is a prefix of another.
      const length = keyBytes || 2 + draw.int(60);
      const key = draw.bytes(length);
      if (keyBytes === 0) key[0] = length;
      keys.push(key);
      const most = draw.chance(0.1) ? 3000 : 60;
      const bytes = db.scheme.valueBytes ?? draw.int(most);
      session.set(key, draw.bytes(bytes));
      if (draw.chance(0.3)) session.delete(draw.pick(keys));
    }
    await session.prepare().commit({ meta: draw.bytes(round) });
    if (round === 5) await db.rollback(2);
    if (draw.chance(0.4)) await db.checkpoint();
  }
}

for (const store of CASES) {
  Deno.test(`a reader made from docs/format.md reads a ${store.scheme} store`, async () => {
    let wanted: Pair[] = [], meta = "", sequence = 0, root = "";
    const { scheme, pageBytes, keyBytes } = store;
    const options = { ...SMALL, scheme, pageBytes };
    const files = await makeStore(async (db) => {
      await fill(db, store);
      wanted = entriesOf(db);
      ({ sequence } = db.head);
      meta = db.head.meta.toHex();
      root = db.root.toHex();
    }, options);
    const reader = new Reader(files, keyBytes);
    assertEquals([reader.sequence, reader.root, reader.meta], [
      sequence,
      root,
      meta,
    ]);
    assertEquals(reader.entries(), wanted);
    const { free } = reader.map();
    for (let page = 1; page <= reader.pageCount; page++) {
      assert(free.has(page) !== reader.reached.has(page), `page ${page}`);
    }
  });

  Deno.test(`a reader made from docs/format.md reads the log of a ${store.scheme} store`, async () => {
    const { scheme, pageBytes, keyBytes } = store;
    const options = { ...SMALL, scheme, pageBytes };
    const files = await makeStore((db) => fill(db, store), options);
    const reader = new Reader(files, keyBytes);
    // 32 is where the first record of all begins; none was let go yet.
    const state = new Map<string, string>();
    let root = "0".repeat(64), sequence = 1;
    for (const record of reader.records(32)) {
      assertEquals([record.sequence, record.previousRoot], [sequence++, root]);
      assertEquals(record.kind, record.sequence === 7 ? 2 : 1);
      root = record.root;
      for (const { key, value, old } of record.changes) {
        assertEquals(old, state.get(key));
        if (value === undefined) state.delete(key);
        else state.set(key, value);
      }
    }
    assertEquals(root, reader.root);
    assertEquals(new Map(reader.entries()), state);
  });
}

/** The files of a fixture: length of the page file, page file, log. */
async function fixture(name: string): Promise<Files> {
  const url = new URL(`../fixtures/${name}`, import.meta.url);
  const bytes = new Uint8Array(gunzipSync(await Deno.readFile(url)));
  const pageFileBytes = new DataView(bytes.buffer).getUint32(0, true);
  return {
    pages: bytes.slice(4, 4 + pageFileBytes),
    log: bytes.slice(4 + pageFileBytes),
  };
}

Deno.test("open() opens a store of format version 1", async () => {
  const backend = await backendOf(await fixture("format_1.gz"));
  await using db = await open(backend, { create: "never", cacheBytes: 0 });
  const root =
    "052b534f08c00eb4211cd4c34ac3faa5e0a91270d02dec8ae9343fbc88ce41b1";
  assertEquals([db.root.toHex(), db.head.sequence], [root, 9]);
  assertEquals(Array.from(db.entries()).length, 91);
  await db.check();
  await db.rollback(3);
  await db.check();
  await using again = await open(memoryBackend());
  await again.import(db.export());
  assertEquals(again.root, db.root);
});
