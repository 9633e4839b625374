// Large commits, and warmUp(), tell storage of the pages that they will read: where it
// can read beside its caller. Nothing else depends on it.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CorruptError,
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { END, HEIGHT_MASK, metaAt } from "../../src/tree/layout.ts";
import { Pages } from "../../src/tree/pages.ts";
import { amount, random } from "../_amount.ts";
import { commit, type Write } from "./_store.ts";
import { wrapped } from "./_wrapped.ts";

/** A backend that can be told of reads; counts which of them came. */
class ToldDisk {
  readonly backend: StorageBackend;
  /** What it has been told of, with how often it had been told before. */
  readonly #told: Map<string, number> = new Map();
  told = 0;
  came = 0;
  reads = 0;
  /** How often it was told of others before what it was told of came, in all. */
  ahead = 0;
  /** Reads until one finds damage. */
  goodReads = Infinity;

  constructor(memory: StorageBackend) {
    this.backend = wrapped(memory, (file) => ({
      read: (buffer, position) => {
        this.reads++;
        const block = `${position} ${buffer.length}`;
        const before = this.#told.get(block);
        if (before !== undefined) {
          this.#told.delete(block);
          this.came++;
          this.ahead += this.told - before;
        }
        const got = file.read(buffer, position);
        if (this.goodReads-- === 0) buffer[buffer.length >> 1] ^= 1;
        return got;
      },
      readLater: (position, length) => {
        this.#told.set(`${position} ${length}`, this.told++);
      },
    }));
  }

  /** Counts from here on. */
  reset(): void {
    this.told =
      this.came =
      this.reads =
      this.ahead =
        0;
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
    // Key by key, of a path that lacks two pages, the first.
    const isByKey = scheme === cheapScheme;
    assert(
      came > reads * (isByKey ? 0.6 : 0.9),
      `${came} of ${reads} reads were told of`,
    );
    assert(told < reads * 1.1, `${told} told, ${reads} read`);
    const ahead = disk.ahead / came;
    assert(ahead > (isByKey ? 25 : 45), `told of ${ahead} others between`);
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

Deno.test("a damaged page among those that a commit reads later costs the commit alone", async () => {
  const disk = new ToldDisk(memoryBackend()), draw = random("damaged");
  const { db, keys } = await filled(disk.backend, "nomt-blake3");
  const twin = await filled(memoryBackend(), "nomt-blake3");
  for (let round = 0; round < amount(12); round++) {
    const writes = writesOf(`damaged ${round}`, keys);
    disk.goodReads = draw.int(300);
    await assertRejects(() => commit(db, writes), CorruptError);
    disk.goodReads = Infinity;
    await commit(db, writes);
    await commit(twin.db, writes);
    assertEquals(db.root, twin.db.root);
  }
  await db.check();
  await db.close();
  await twin.db.close();
});

Deno.test("entries that wrongly say that paths end change no root", async () => {
  const { setHeight } = Pages.prototype;
  const disk = new ToldDisk(memoryBackend());
  const twin = await filled(memoryBackend());
  Pages.prototype.setHeight = function (f, n): void {
    this.u16[metaAt(f, n)] = this.u16[metaAt(f, n)] & ~HEIGHT_MASK | END;
  };
  try {
    const { db, keys } = await filled(disk.backend);
    await db.close();
    // So small that pages that lead to others are not there either.
    const options = { ...OPTIONS, cacheBytes: 1 << 17 };
    const small = await open(disk.backend, options);
    for (const name of ["a", "b", "c"]) {
      const writes = writesOf(name, keys);
      await commit(small, writes);
      await commit(twin.db, writes);
      assertEquals(small.root, twin.db.root);
    }
    // What says so is no end that could be merged with another one, either.
    for (const part of [2, 3]) {
      const gone = keys.filter((_, i) => i % part === 0);
      const writes = gone.map((key): Write => [key, undefined]);
      await commit(small, writes);
      await commit(twin.db, writes);
      assertEquals(small.root, twin.db.root);
    }
    await small.check();
    await small.close();
  } finally {
    Pages.prototype.setHeight = setHeight;
  }
  await twin.db.close();
});
