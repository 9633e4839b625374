// Large commits, and warmUp(), tell storage of the pages that they will read: where it
// can read beside its caller. Nothing else depends on it.

import { assert, assertEquals } from "@std/assert";
import {
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { random } from "../_amount.ts";
import { commit, type Write } from "./_store.ts";
import { wrapped } from "./_wrapped.ts";

/** A backend that can be told of reads; counts which of them came. */
class ToldDisk {
  readonly backend: StorageBackend;
  readonly #told: Set<string> = new Set();
  told = 0;
  came = 0;
  reads = 0;

  constructor(memory: StorageBackend) {
    this.backend = wrapped(memory, (file) => ({
      read: (buffer, position) => {
        this.reads++;
        if (this.#told.delete(`${position} ${buffer.length}`)) this.came++;
        return file.read(buffer, position);
      },
      readLater: (position, length) => {
        this.told++;
        this.#told.add(`${position} ${length}`);
      },
    }));
  }

  /** Counts from here on. */
  reset(): void {
    this.told = this.came = this.reads = 0;
    this.#told.clear();
  }
}

const OPTIONS: OpenOptions = {
  scheme: cheapScheme,
  cacheBytes: 1 << 20,
  checkpoint: { logBytes: 1 << 30, commits: 1 << 20 },
};
const KEYS = 20_000;
const WRITES = 2000;

function writesOf(name: string, keys: readonly Uint8Array[]): Write[] {
  const draw = random(name);
  return Array.from(
    { length: WRITES },
    () => [keys[draw.int(keys.length)], draw.bytes(32)],
  );
}

/** A store with four times as many pages as its cache holds. */
async function filled(
  backend: StorageBackend,
  scheme: OpenOptions["scheme"] = cheapScheme,
): Promise<{ db: Stemma; keys: Uint8Array[] }> {
  const draw = random("ahead", 1);
  const keys = Array.from({ length: KEYS }, () => draw.bytes(32));
  const db = await open(backend, { ...OPTIONS, scheme });
  await commit(db, keys.map((key) => [key, draw.bytes(32)]));
  await db.checkpoint();
  return { db, keys };
}

for (const scheme of ["nomt-blake3", "eip7864-sha256", cheapScheme] as const) {
  const name = typeof scheme === "string" ? scheme : scheme.name;
  Deno.test(`a large commit tells storage of most pages that it reads, and of few others: ${name}`, async () => {
    const disk = new ToldDisk(memoryBackend());
    const { db, keys } = await filled(disk.backend, scheme);
    await commit(db, writesOf("first", keys));
    disk.reset();
    await commit(db, writesOf("second", keys));
    const { told, came, reads } = disk;
    assert(reads > 500, `${reads} reads`);
    // Of a path that lacks two pages, the first: 75 to 90 % of the reads.
    assert(came > reads * 0.6, `${came} of ${reads} reads were told of`);
    assert(told < reads * 1.1, `${told} told, ${reads} read`);
    await db.check();
    await db.close();
  });
}

Deno.test("telling storage changes neither roots nor what is read", async () => {
  const roots: string[][] = [], reads: number[] = [];
  for (const isTold of [true, false]) {
    const memory = memoryBackend();
    const { db, keys } = await filled(
      isTold ? new ToldDisk(memory).backend : memory,
    );
    const seen: string[] = [];
    for (const name of ["a", "b", "c"]) {
      await commit(db, writesOf(name, keys));
      seen.push(db.root.toHex());
    }
    roots.push(seen);
    reads.push(db.metrics().pageReads);
    await db.close();
  }
  assertEquals(roots[0], roots[1]);
  assertEquals(reads[0], reads[1]);
});

Deno.test("commits on a cache that holds all tell storage of nothing", async () => {
  const disk = new ToldDisk(memoryBackend());
  const { db, keys } = await filled(disk.backend);
  await db.close();
  const options = { ...OPTIONS, cacheBytes: 1 << 24 };
  await using warm = await open(disk.backend, options);
  for (const key of keys) warm.get(key);
  await commit(warm, writesOf("first", keys));
  disk.reset();
  await commit(warm, writesOf("second", keys));
  assertEquals(disk.told, 0);
});

Deno.test("warmUp() tells storage of pages that are not read with others", async () => {
  const disk = new ToldDisk(memoryBackend());
  const { db, keys } = await filled(disk.backend);
  await db.close();
  const options = { ...OPTIONS, cacheBytes: 1 << 24 };
  await using cold = await open(disk.backend, options);
  disk.reset();
  const some = keys.filter((_, i) => i % 400 === 0);
  {
    using session = cold.begin();
    assert(session.warmUp(some) > 40);
  }
  const { told, came, reads } = disk;
  assertEquals(told, came);
  assert(came > reads / 2, `${came} of ${reads} reads were told of`);
});
