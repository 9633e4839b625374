// Ends of paths that deletes leave with little: two become one, whoever else has them,
// and whatever the second is doing elsewhere, in storage or in the hands of a thread.

import { assert, assertEquals } from "@std/assert";
import { memoryBackend, open, type Stemma } from "../../mod.ts";
import { amount, type Random, random } from "../_amount.ts";
import { drawKeys, drawValue, type KeyKind } from "../oracle/mod.ts";
import { openInside, reportPages } from "./_pages.ts";
import {
  commit,
  contents,
  pageBytesMin,
  realName,
  SCHEMES,
  type Write,
} from "./_store.ts";

const BIG = ["nomt-blake3", "jam-blake2b", "eip7864-sha256", "eip8297-blake3"];
const KINDS: readonly KeyKind[] = ["random", "neighbours", "mixed"];

Deno.test("pages that deletes leave with little are merged", async () => {
  for (const kind of ["deleted", "deleted key by key"]) {
    const draw = random(kind), inside = await openInside({});
    const { db } = inside, size = kind === "deleted" ? 1000 : 10;
    const keys = drawKeys("nomt-blake3", "random", 2 ** 13, draw);
    await commit(db, keys.map((key): Write => [key, draw.bytes(32)]));
    for (let i = 0; i < keys.length / 2; i += size) {
      const part = keys.slice(i, Math.min(i + size, keys.length / 2));
      await commit(db, part.map((key): Write => [key, undefined]));
    }
    const { fillMean, entries, pages } = reportPages(inside);
    const text = `${kind}: ${entries} keys in ${pages} pages, ` +
      `${fillMean.toFixed(2)} full`;
    console.log(text);
    assert(fillMean > 0.46, text);
    await db.close();
  }
});

/** A store that has just been given all keys is the one that had others besides. */
async function assertRebuilt(
  db: Stemma,
  model: ReadonlyMap<string, Uint8Array>,
  pageBytes: number,
): Promise<void> {
  const anew = await open(memoryBackend(), { scheme: db.scheme, pageBytes });
  const all = [...model].map(([key, value]): Write => [
    Uint8Array.fromHex(key),
    value,
  ]);
  await commit(anew, all);
  assertEquals(db.root, anew.root);
  const held = [...model].map(([key, value]) => [key, value.toHex()] as const);
  assertEquals(contents(db), held.toSorted(([a], [b]) => a < b ? -1 : 1));
  await anew.close();
}

/** Deletes most keys in steps, with some puts in between, and goes back now and then. */
async function emptyOut(
  db: Stemma,
  model: Map<string, Uint8Array>,
  draw: Random,
  pageBytes: number,
): Promise<void> {
  const name = realName(db.scheme.family);
  while (model.size > 10) {
    const keys = [...model.keys()],
      batch = new Map<string, Uint8Array | undefined>();
    const most = 1 + draw.int(draw.pick([2, 20, keys.length]));
    for (let i = 0; i < most; i++) batch.set(draw.pick(keys), undefined);
    for (let i = draw.int(3); i > 0; i--) {
      batch.set(draw.pick(keys), drawValue(name, draw, pageBytes));
    }
    const before = db.root;
    const writes = [...batch].map(([key, value]): Write => [
      Uint8Array.fromHex(key),
      value,
    ]);
    await commit(db, writes);
    if (draw.chance(0.2)) {
      await db.rollback(1);
      assertEquals(db.root, before);
      continue;
    }
    for (const [key, value] of batch) {
      if (value === undefined) model.delete(key);
      else model.set(key, value);
    }
    if (draw.chance(0.2)) await db.checkpoint();
  }
  await assertRebuilt(db, model, pageBytes);
  await db.check();
}

for (const name of BIG) {
  Deno.test(`merged pages change no root under ${name}`, async () => {
    const scheme = SCHEMES[name];
    for (const pageBytes of [pageBytesMin(scheme), 4096]) {
      for (const kind of KINDS) {
        const draw = random(`merge ${name} ${pageBytes} ${kind}`);
        const options = { scheme, pageBytes, segmentBytes: 1 << 16 };
        // The least cache there is: what is merged comes from storage.
        const db = await open(memoryBackend(), {
          ...options,
          cacheBytes: 1 << 16,
        });
        const family = realName(scheme.family),
          model = new Map<string, Uint8Array>();
        for (const key of drawKeys(family, kind, amount(300), draw)) {
          model.set(key.toHex(), drawValue(family, draw, pageBytes));
        }
        const all = [...model].map(([key, value]): Write => [
          Uint8Array.fromHex(key),
          value,
        ]);
        await commit(db, all);
        await emptyOut(db, model, draw, pageBytes);
        await db.close();
      }
    }
  });
}
