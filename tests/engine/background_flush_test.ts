// Checkpoints on backends that can flush without blocking: commits go on while the
// disk works, and a flush that fails there ends writing like any other.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  memoryBackend,
  open,
  type OpenOptions,
  PoisonedError,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { random } from "../_amount.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { commit, type Write } from "./_store.ts";
import { wrapped } from "./_wrapped.ts";

/** A backend whose flushes in the background end when the test says so. */
class SlowDisk {
  readonly backend: StorageBackend;
  /** What ends each flush that is under way, oldest first. */
  readonly waiting: { resolve(): void; reject(why: Error): void }[] = [];
  /** Whether they end at once. */
  isQuick = false;
  flushes = 0;

  constructor() {
    this.backend = wrapped(memoryBackend(), () => ({
      flushInBackground: () => {
        this.flushes++;
        if (this.isQuick) return Promise.resolve();
        return new Promise((resolve, reject) => {
          this.waiting.push({ resolve, reject });
        });
      },
    }));
  }

  /** Ends flushes until none is under way. */
  async settle(): Promise<void> {
    this.isQuick = true;
    for (const { resolve } of this.waiting.splice(0)) resolve();
    await turn();
  }
}

/** Lets everything go on that can. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

const OPTIONS: OpenOptions = {
  scheme: cheapScheme,
  hasher: "js",
  checkpoint: { commits: 2 },
};

function writes(name: string, count: number): Write[] {
  const draw = random(name, 1);
  return Array.from(
    { length: count },
    () => [draw.bytes(32), draw.bytes(8)] as const,
  );
}

async function openOn(
  disk: SlowDisk,
  options: OpenOptions = {},
): Promise<Stemma> {
  disk.isQuick = true;
  const db = await open(disk.backend, { ...OPTIONS, ...options });
  disk.isQuick = false;
  return db;
}

Deno.test("commit() goes on while a checkpoint becomes durable", async () => {
  const disk = new SlowDisk();
  const db = await openOn(disk);
  await commit(db, writes("first", 50));
  await commit(db, writes("second", 50));
  await turn();
  assertEquals(disk.waiting.length, 1);
  assertEquals(db.metrics().checkpoints, 0);

  await commit(db, writes("third", 50));
  await db.rollback();
  await commit(db, writes("fourth", 50));
  const { root } = db;
  await disk.settle();
  assert(db.metrics().checkpoints > 0);
  await db.check();
  await db.abandon();

  const again = await openOn(disk);
  assertEquals(again.root, root);
  await again.check();
  await again.abandon();
});

Deno.test("commit() waits when the next checkpoint is due before the last is over", async () => {
  const disk = new SlowDisk();
  const db = await openOn(disk);
  for (let i = 0; i < 6; i++) await commit(db, writes(`${i}`, 20));
  let isDone = false;
  const late = commit(db, writes("late", 20)).then(() => isDone = true);
  await turn();
  assert(!isDone);
  await disk.settle();
  await late;
  await db.close();
});

Deno.test("abandon() during a checkpoint leaves the older header", async () => {
  const disk = new SlowDisk();
  const db = await openOn(disk);
  await commit(db, writes("first", 50));
  await commit(db, writes("second", 50));
  await turn();
  const { root } = db;
  const gone = db.abandon();
  await disk.settle();
  await gone;
  const again = await openOn(disk);
  assertEquals(again.root, root);
  assertEquals(again.metrics().replayed, 2);
  await again.abandon();
});

Deno.test("a failed flush in the background ends writing, and nothing is lost", async () => {
  const disk = new SlowDisk();
  const db = await openOn(disk);
  await commit(db, writes("first", 50));
  await commit(db, writes("second", 50));
  await turn();
  disk.waiting[0].reject(new Error("the disk is gone"));
  await turn();
  const { root } = db;
  await assertRejects(() => commit(db, writes("third", 50)), PoisonedError);
  assert(db.metrics().checkpointError !== undefined);
  await db.abandon();
  const again = await openOn(disk);
  assertEquals(again.root, root);
  await again.abandon();
});

Deno.test("a long checkpoint sets the disk to work early, and a failure there counts", async () => {
  const disk = new SlowDisk();
  const db = await openOn(disk, { checkpoint: {}, cacheBytes: 128 << 20 });
  await commit(db, writes("many", 200_000));
  const { root } = db, before = disk.flushes;
  const refused = assertRejects(() => db.checkpoint());
  await turn();
  assert(disk.flushes - before >= 1);
  disk.waiting.splice(0, 1)[0].reject(new Error("the disk is gone"));
  await disk.settle();
  await refused;
  await assertRejects(() => commit(db, writes("more", 50)), PoisonedError);
  await db.abandon();
  const again = await openOn(disk);
  assertEquals(again.root, root);
  await again.abandon();
});
