// A store with a second thread has the roots of one without, batch for batch: it
// hashes pages while others are being changed, and must never see one of those.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { simulated } from "../../backends/simulated.ts";
import { CorruptError, memoryBackend, open, type Stemma } from "../../mod.ts";
import { SecondThread } from "../../src/hash/threads.ts";
import type { WasmHasher } from "../../src/hash/wasm_hasher.ts";
import { sameBytes } from "../../src/store/bytes.ts";
import { amount, random } from "../_amount.ts";
import { drawBatch } from "./_batches.ts";
import { insideOf } from "./_pages.ts";
import { commit, pageBytesMin, SCHEMES, type Write } from "./_store.ts";

const ROUNDS = amount(6);
/** Fewer changes than this are not worth waking a thread. */
const CHANGES_MIN = 256;
/** Nodes on the way to a key of EIP-8297, at most. */
const LONGEST_PATH = 8 * 255;

async function openWith(
  threads: 1 | 2,
  scheme: string,
  bytes: number,
): Promise<Stemma> {
  const db = await open(memoryBackend(), {
    scheme: SCHEMES[scheme],
    threads,
    cacheBytes: 8 << 20,
    pageBytes: Math.max(pageBytesMin(SCHEMES[scheme]), bytes),
  });
  const engine = threads === 2 ? "wasm-simd+threads" : "wasm-simd";
  for (let i = 0; i < 2000 && db.metrics().hasher !== engine; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(db.metrics().hasher, engine);
  return db;
}

/** Without keys that are prefixes of others, which commits refuse. */
function isPrefixFree(
  batch: readonly Write[],
  keys: Iterable<string>,
): boolean {
  const all = [...keys, ...batch.map(([key]) => key.toHex())].sort();
  return all.every((text, i) =>
    i === 0 || text === all[i - 1] || !text.startsWith(all[i - 1])
  );
}

for (const scheme of Object.keys(SCHEMES)) {
  Deno.test(`a second thread changes no root under ${scheme}`, async () => {
    const draw = random(`threads ${scheme}`);
    const bytes = draw.pick([512, 4096]);
    await using one = await openWith(1, scheme, bytes);
    await using two = await openWith(2, scheme, bytes);
    let keys = new Map<string, Uint8Array>(), large = 0;
    // Not every draw of keys is large, or free of prefixes.
    for (let round = 0; round < ROUNDS || large <= ROUNDS / 3; round++) {
      assert(round < 20 * ROUNDS, `only ${large} batches were shared`);
      const next = new Map(keys);
      const batch = drawBatch(scheme, next, draw);
      if (!isPrefixFree(batch, keys.keys())) continue;
      keys = next;
      if (batch.length >= CHANGES_MIN) large++;
      if (draw.chance(0.4)) {
        // What is known of pages beyond their bytes goes with them.
        await two.checkpoint();
        insideOf(two).storage.pool.forgetClean();
      }
      await commit(one, batch);
      await commit(two, batch);
      assertEquals(two.root, one.root);
    }
    // Pages that are dissolved after they were hashed may save or cost a few, and
    // a batch in two parts hashes the path between them twice. A part has so many
    // pages, so small ones make more parts, and one thread makes more than two. One
    // hashes pages above before it does what a kernel has left of those below.
    const share = bytes === 512 ? 0.1 : 0.04;
    const [more, hashes] = [two, one].map((db) => db.metrics().hashes);
    const paths = scheme === "eip8297-blake3" ? large * LONGEST_PATH : 0;
    assert(
      Math.abs(more - hashes) < share * hashes + paths,
      `${more} for ${hashes} hashes`,
    );
    await two.check();
  });
}

/** Pages that a second thread was left, with the bytes that they had then. */
interface Left {
  readonly pages: readonly number[];
  readonly frames: readonly number[];
  readonly bytes: readonly Uint8Array[];
}

/**
 * Runs a function while the second thread of a store does nothing with the pages that it
 * is left until somebody waits for them; by then no byte of them may have changed.
 *
 * @returns How often somebody waited for some.
 */
async function withLazyThread(
  db: Stemma,
  run: () => Promise<void>,
): Promise<number> {
  const { pool, hasher, scheme } = insideOf(db).storage;
  const { pages: { u8, u32 }, listAt, pageBytes } = pool;
  const second = SecondThread.prototype, { hashLater, finishGroups } = second;
  const left: Left[] = [];
  let waits = 0;
  second.hashLater = (_, pages, frames) => {
    const bytes = pages.map((f) => u8.slice(f, f + pageBytes));
    left.push({ pages: [...pages], frames, bytes });
    return true;
  };
  second.finishGroups = function () {
    finishGroups.call(this);
    if (left.length > 0) waits++;
    for (const { pages, bytes } of left) {
      pages.forEach((f, i) =>
        assert(sameBytes(u8.subarray(f, f + pageBytes), bytes[i]))
      );
    }
    for (const { pages, frames } of left.splice(0)) {
      u32.set([...pages, ...frames], listAt >> 2);
      (hasher as WasmHasher).hashPages(scheme.family, listAt, pages.length);
    }
  };
  try {
    await run();
  } finally {
    Object.assign(second, { hashLater, finishGroups });
  }
  return waits;
}

for (const scheme of Object.keys(SCHEMES)) {
  Deno.test(`nobody touches pages that a second thread has, under ${scheme}`, async () => {
    const draw = random(`lent pages ${scheme}`);
    await using one = await openWith(1, scheme, 512);
    await using two = await openWith(2, scheme, 512);
    let keys = new Map<string, Uint8Array>(), waits = 0;
    // Paths of EIP-8297 are eight times as long.
    const rounds = scheme === "eip8297-blake3" ? ROUNDS / 3 : 2 * ROUNDS;
    // Not every draw of keys is large, or free of prefixes.
    for (let round = 0; round < rounds || waits < 2; round++) {
      assert(round < 20 * rounds, `only ${waits} batches were shared`);
      const next = new Map(keys);
      const batch = drawBatch(scheme, next, draw);
      if (!isPrefixFree(batch, keys.keys())) continue;
      keys = next;
      await commit(one, batch);
      waits += await withLazyThread(two, () => commit(two, batch));
      assertEquals(two.root, one.root);
    }
  });
}

Deno.test("a second thread changes no root when a path of many pages is left at once", async () => {
  await using one = await openWith(1, "nomt-blake3", 512);
  await using two = await openWith(2, "nomt-blake3", 512);
  const draw = random("one long path");
  // One bit longer each, and then keys of the other half.
  const keys: Uint8Array[] = Array.from({ length: 255 }, (_, i) => {
    const key = new Uint8Array(32).fill(0xff);
    key[i + 1 >> 3] ^= 0x80 >> (i + 1 & 7);
    key[0] &= 0x7f;
    return key;
  });
  for (let i = 0; i < 300; i++) {
    const key = draw.bytes(32);
    key[0] |= 0x80;
    keys.push(key);
  }
  for (let round = 0; round < 10; round++) {
    const batch = keys.map((key): Write => [key, draw.bytes(40)]);
    await commit(one, batch);
    await commit(two, batch);
    assertEquals(two.root, one.root);
  }
  await two.check();
});

Deno.test("a store that cannot be opened leaves no second thread behind", async () => {
  const disk = simulated();
  const db = await open(disk, { threads: 2 });
  for (let i = 0; i < 3; i++) {
    await commit(db, [[new Uint8Array(32).fill(i), new Uint8Array(900)]]);
  }
  // Neither a record in the midst of the log can be replayed, nor a map be read.
  const log = disk.readFile("log.stemma")!;
  const inReplay = simulated(), inMap = simulated();
  inReplay.writeFile("pages.stemma", disk.readFile("pages.stemma")!);
  inReplay.writeFile("log.stemma", log.map((byte, i) => byte ^ +(i === 1500)));
  await db.close();
  const pages = disk.readFile("pages.stemma")!;
  inMap.writeFile("pages.stemma", pages.map((byte, i) => i < 16384 ? byte : 1));
  inMap.writeFile("log.stemma", disk.readFile("log.stemma")!.slice(0, 64));

  const { Worker } = globalThis;
  let alive = 0;
  globalThis.Worker = class extends Worker {
    constructor(...setup: ConstructorParameters<typeof Worker>) {
      super(...setup);
      alive++;
    }
    override terminate(): void {
      super.terminate();
      alive--;
    }
  };
  try {
    for (const damaged of [inReplay, inMap]) {
      await assertRejects(() => open(damaged, { threads: 2 }), CorruptError);
      assertEquals(alive, 0);
    }
  } finally {
    globalThis.Worker = Worker;
  }
});
