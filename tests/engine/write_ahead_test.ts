// A store that does not fit into its cache writes what commits have made while others go
// on, where the backend can. Nobody may notice: not who reads, not who opens what a crash
// has left, and not when writing fails.

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { denoFs } from "../../backends/deno_fs.ts";
import { IoError, StorageFullError } from "../../backends/errors.ts";
import { MemoryDisk } from "../../backends/memory.ts";
import { simulated } from "../../backends/simulated.ts";
import {
  memoryBackend,
  open,
  type OpenOptions,
  PoisonedError,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { amount, type Random, random } from "../_amount.ts";
import { commit, type Write } from "./_store.ts";
import { helped, wrapped } from "./_wrapped.ts";

const OPTIONS: OpenOptions = {
  scheme: "nomt-blake3",
  cacheBytes: 4 << 20,
  checkpoint: { logBytes: 1 << 30, commits: 1 << 20 },
};
const KEYS = 30_000;

/** A store with twice as many pages as its cache holds, that has begun to give up some. */
async function outgrown(
  backend: StorageBackend,
  name: string,
  options: OpenOptions = {},
): Promise<{ db: Stemma; keys: Uint8Array[]; draw: Random }> {
  const draw = random(name);
  const keys = Array.from({ length: KEYS }, () => draw.bytes(32));
  const db = await open(backend, { ...OPTIONS, ...options });
  await commit(db, keys.map((key) => [key, draw.bytes(32)]));
  await db.checkpoint();
  await commit(db, someOf(keys, draw));
  return { db, keys, draw };
}

/**
 * New values, a few deletes, fresh keys, some of them so close to each other that pages
 * are cut, and now and then a value for an extent.
 */
function someOf(keys: Uint8Array[], draw: Random, count = 200): Write[] {
  const crowd = draw.bytes(3);
  return Array.from({ length: count }, (): Write => {
    const kind = draw.int(100), at = draw.int(keys.length);
    if (kind === 0) return [keys[at], undefined];
    if (kind < 12) {
      const key = keys[at] = draw.bytes(32);
      if (kind > 1) key.set(crowd);
      return [key, draw.bytes(32)];
    }
    return [keys[at], draw.bytes(kind === 12 ? 3000 : 32)];
  });
}

Deno.test("a store that outgrew its cache has pages written beside its commits, and is the store that has not", async () => {
  let made = 0;
  const disks = [new MemoryDisk(), new MemoryDisk()];
  const helper = helped(memoryBackend(disks[0]), () => made++);
  const stores = [
    await outgrown(helper, "same"),
    await outgrown(memoryBackend(disks[1]), "same"),
  ];
  for (let round = 0; round < amount(12); round++) {
    for (const { db, keys, draw } of stores) {
      await commit(db, someOf(keys, draw, draw.pick([40, 200, 600, 3000])));
      if (round % 5 === 4) await db.checkpoint();
      if (round % 4 === 3) await db.rollback(1);
    }
    const [{ db, keys }, other] = stores;
    assertEquals(db.root, other.db.root);
    for (const key of keys.slice(0, 100)) {
      assertEquals(db.get(key), other.db.get(key));
    }
  }
  assertGreater(made, amount(12));
  for (const { db } of stores) {
    await db.check();
    await db.close();
  }
  const again = await Promise.all(
    disks.map((disk) => open(memoryBackend(disk), OPTIONS)),
  );
  assertEquals(again[0].root, again[1].root);
  for (const db of again) {
    await db.check();
    await db.close();
  }
});

Deno.test("most of what a commit makes is written ahead, once, and a store in its cache writes nothing", async () => {
  let bytes = 0;
  const helper = helped(memoryBackend(), (length) => bytes += length);
  const { db, keys, draw } = await outgrown(helper, "most");
  for (let n = 0; n < 3; n++) await commit(db, someOf(keys, draw));
  bytes = 0;
  const before = db.metrics();
  for (let n = 0; n < 20; n++) {
    const some = keys.slice(200 * n, 200 * n + 200);
    await commit(db, some.map((key) => [key, draw.bytes(32)]));
  }
  const after = db.metrics(), pages = bytes / 4096;
  const made = after.pagesMade - before.pagesMade;
  assertGreater(pages, 0.5 * made, `${pages} of ${made} pages`);
  const written = (after.pageFileBytes - before.pageFileBytes) / 4096;
  assertLess(written, made);
  // What is left is as much as may stay unwritten, and what a commit makes.
  assertLess(after.unwrittenPages, 1024 / 16 + 1.2 * made / 20);
  await db.close();

  bytes = 0;
  const inside = await outgrown(
    helped(memoryBackend(), (length) => bytes += length),
    "most",
    { cacheBytes: 64 << 20 },
  );
  for (let n = 0; n < 10; n++) {
    await commit(inside.db, someOf(inside.keys, inside.draw));
  }
  assertEquals(bytes, 0);
  await inside.db.close();
});

Deno.test("page numbers that were taken for pages to come are free after a checkpoint", async () => {
  const disk = new MemoryDisk();
  const { db, keys, draw } = await outgrown(
    helped(memoryBackend(disk)),
    "numbers",
    { history: { commits: 0 } },
  );
  const sizes: number[] = [];
  for (let round = 0; round < 12; round++) {
    for (let n = 0; n < 4; n++) {
      await commit(
        db,
        Array.from({ length: 300 }, () => [draw.pick(keys), draw.bytes(32)]),
      );
    }
    const dropped = db.begin();
    for (let n = 0; n < 300; n++) dropped.set(draw.pick(keys), draw.bytes(32));
    dropped.prepare()[Symbol.dispose]();
    await db.checkpoint();
    sizes.push(db.metrics().pageFileSize);
  }
  await db.check();
  await db.close();
  assertLess(sizes[11], 1.1 * sizes[5], `page file: ${sizes}`);
});

Deno.test("a power loss while pages are on their way leaves what was committed", async () => {
  const backend = simulated({ seed: random("power").u32() });
  let made = 0;
  const helper = helped(backend, () => made++);
  const { db, keys, draw } = await outgrown(helper, "power");
  for (let round = 0; round < amount(12); round++) {
    await commit(db, someOf(keys, draw));
    if (round % 4 === 2) await db.checkpoint();
    if (round % 2 === 0) continue;
    await using left = await open(backend.image(draw.u32()).open(), OPTIONS);
    assertEquals(left.root, db.root, `round ${round}`);
    await left.check();
  }
  assertGreater(made, amount(12));
  await db.close();
});

/** A helped backend whose page file can fail to write. */
function failing(disk: MemoryDisk) {
  const plan: { error: (() => Error) | undefined; isAtOnce: boolean } = {
    error: undefined,
    isAtOnce: false,
  };
  const inner = wrapped(memoryBackend(disk), (file) => ({
    write: (bytes, position) => {
      // Pages lie behind the headers; the log is shorter than that.
      if (plan.error !== undefined && bytes.length % 4096 === 0) {
        throw plan.error();
      }
      return file.write(bytes, position);
    },
  }));
  const told = (): void => {
    if (plan.error !== undefined && plan.isAtOnce) throw plan.error();
  };
  return { backend: helped(inner, told), plan };
}

Deno.test("a disk that is full for a while loses nothing that was to be written ahead", async () => {
  const disk = new MemoryDisk(), { backend, plan } = failing(disk);
  const { db, keys, draw } = await outgrown(backend, "full");
  const full = (): Error =>
    new StorageFullError("Cannot write", { operation: "write" });
  let failures = 0;
  for (let round = 0; round < amount(10); round++) {
    plan.error = round % 3 === 1 ? full : undefined;
    plan.isAtOnce = draw.chance(0.5);
    const values = new Map(someOf(keys, draw, 300));
    try {
      await commit(db, [...values]);
    } catch (error) {
      assert(error instanceof StorageFullError, `${error}`);
      failures++;
      continue;
    }
    if (plan.error !== undefined) failures++;
    for (const [key, value] of values) assertEquals(db.get(key), value);
  }
  assertGreater(failures, 0);
  plan.error = undefined;
  await db.checkpoint();
  await db.check();
  const { root } = db;
  await db.close();
  await using again = await open(memoryBackend(disk), OPTIONS);
  assertEquals(again.root, root);
  await again.check();
});

Deno.test("pages that fail to be written ahead end writing, and commits are found again", async () => {
  const disk = new MemoryDisk(), { backend, plan } = failing(disk);
  const { db, keys, draw } = await outgrown(backend, "broken");
  for (let n = 0; n < 3; n++) await commit(db, someOf(keys, draw));
  plan.error = () => new IoError("Cannot write", { operation: "write" });
  let { root } = db;
  await assertRejects(async () => {
    for (let n = 0; n < 10; n++) {
      await commit(
        db,
        Array.from({ length: 300 }, () => [draw.pick(keys), draw.bytes(32)]),
      );
      root = db.root;
    }
  }, Error);
  assertEquals(db.root, root);
  for (const key of keys.slice(0, 300)) db.get(key);
  await assertRejects(() => db.checkpoint(), PoisonedError);
  await db.close();
  plan.error = undefined;
  await using again = await open(memoryBackend(disk), OPTIONS);
  assertEquals(again.root, root);
  await again.check();
});

Deno.test("threads that write ahead make the same store as none", async () => {
  const directory = await Deno.makeTempDir();
  const files = denoFs(`${directory}/store`, { readers: 2, writer: true });
  const helpers = await outgrown(files, "threads");
  const alone = await outgrown(memoryBackend(), "threads");
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 300);
  await promise;
  for (let round = 0; round < amount(15); round++) {
    for (const { db, keys, draw } of [helpers, alone]) {
      await commit(db, someOf(keys, draw));
    }
    assertEquals(helpers.db.root, alone.db.root);
  }
  const { root } = alone.db;
  await alone.db.close();
  await helpers.db.check();
  // What a killed process leaves: the files as they are.
  await copyFiles(`${directory}/store`, `${directory}/killed`);
  await helpers.db.close();
  for (const name of ["killed", "store"]) {
    const again = await open(denoFs(`${directory}/${name}`), OPTIONS);
    assertEquals(again.root, root, name);
    await again.check();
    await again.close();
  }
  await Deno.remove(directory, { recursive: true });
});

async function copyFiles(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  for (const name of ["pages.stemma", "log.stemma"]) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
