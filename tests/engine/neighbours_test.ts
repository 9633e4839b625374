// Bugs that neighbouring databases have had, each as a test of its own, named
// after what went wrong there.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { verify, verifyKey, verifyWitness } from "@stemma/verify";
import { StorageFullError } from "../../backends/errors.ts";
import { MemoryDisk } from "../../backends/memory.ts";
import { simulated } from "../../backends/simulated.ts";
import {
  KeyPrefixError,
  memoryBackend,
  NotRetainedError,
  open,
  StaleSessionError,
  UncommittedParentError,
} from "../../mod.ts";
import { random } from "../_amount.ts";
import { drawEntries, type Entry, oracleRoot } from "../oracle/mod.ts";
import { openInside, unreachedPages } from "./_pages.ts";
import {
  bytes,
  commit,
  contents,
  contentsOf,
  key32,
  openSmall,
  put,
  type Write,
} from "./_store.ts";

const EMPTY_ROOT = new Uint8Array(32);

function mapOf(entries: Iterable<Entry>): Map<string, Entry> {
  return new Map([...entries].map((entry) => [entry[0].toHex(), entry]));
}

Deno.test("a commit after reopening overwrites no live page", async () => {
  const disk = new MemoryDisk(), draw = random("reopen");
  const state = new Map<string, Entry>();
  for (let round = 0; round < 12; round++) {
    const db = await open(memoryBackend(disk), {
      pageBytes: 512,
      cacheBytes: 0,
    });
    assertEquals(contents(db), contentsOf(state));
    const entries = drawEntries("nomt-blake3", "random", 60, draw);
    for (const entry of entries) state.set(entry[0].toHex(), entry);
    await commit(db, entries);
    assertEquals(db.root, oracleRoot("nomt-blake3", state.values()));
    await db.check();
    await db.close();
  }
});

Deno.test("emptying a leaf page ends no iteration and gives the right root", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const entries = drawEntries("nomt-blake3", "random", 300, random("leaf"))
    .sort(([a], [b]) => a.toHex() < b.toHex() ? -1 : 1);
  await commit(db, entries);
  for (let from = 40; from < 260; from += 20) {
    await commit(db, entries.slice(40, from).map(([key]) => [key, undefined]));
    const left = [...entries.slice(0, 40), ...entries.slice(from)];
    assertEquals(db.root, oracleRoot("nomt-blake3", left));
    assertEquals(contents(db), contentsOf(mapOf(left)));
    assertEquals(
      Array.from(db.entries({ reverse: true }), ([key]) => key.toHex()),
      left.map(([key]) => key.toHex()).reverse(),
    );
  }
});

Deno.test("a limit of room is a full store and not a corrupt one, and room helps", async () => {
  const backend = simulated({ capacityBytes: 60_000 });
  const db = await open(backend, {
    pageBytes: 512,
    segmentBytes: 4096,
    cacheBytes: 0,
    history: { commits: 0 },
  });
  const draw = random("full");
  const state = new Map<string, Entry>();
  let error: unknown;
  for (let i = 0; error === undefined && i < 1000; i++) {
    const [entry] = drawEntries("nomt-blake3", "random", 1, draw);
    try {
      await commit(db, [entry, [entry[0], draw.bytes(300)]]);
      state.set(entry[0].toHex(), [entry[0], db.get(entry[0])!]);
    } catch (thrown) {
      error = thrown;
    }
  }
  assert(error instanceof StorageFullError, `${error}`);
  assertEquals(contents(db), contentsOf(state));
  assertEquals(db.root, oracleRoot("nomt-blake3", state.values()));
  await db.close().catch((thrown) =>
    assert(thrown instanceof StorageFullError)
  );
  const roomy = backend.image({
    keep: "all",
    mask: 0,
    seed: 0,
    tear: "none",
    reorder: false,
    noise: "zeros",
  }).open({ capacityBytes: Infinity });
  await using again = await open(roomy, { cacheBytes: 0 });
  assertEquals(contents(again), contentsOf(state));
  await commit(again, [[key32(1), bytes("room")]]);
  await again.check();
});

Deno.test("uncommitted deletes are seen at once, in every layer", async () => {
  await using db = await openSmall();
  const key = key32(7);
  await commit(db, [[key, bytes("here")]]);
  using session = db.begin();
  session.delete(key);
  assertEquals(session.get(key), undefined);
  assertEquals(session.has(key), false);
  using next = session.prepare();
  assertEquals(next.get(key), undefined);
  using above = db.begin({ on: next });
  assertEquals(above.get(key), undefined);
  using over = above.prepare();
  assertEquals([...over.entries()].length, 0);
  assertEquals(over.root, EMPTY_ROOT);
  assertEquals(db.get(key), bytes("here"));
});

Deno.test("a read session sees no later commit", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const draw = random("later");
  const first = drawEntries("nomt-blake3", "random", 100, draw);
  await commit(db, first);
  using snapshot = db.snapshot();
  for (let i = 0; i < 30; i++) {
    const some = first.filter(() => draw.chance(0.2));
    await commit(db, some.map(([key]) => [key, draw.bytes(5)]));
    await commit(db, drawEntries("nomt-blake3", "random", 10, draw));
    if (i % 7 === 0) await db.checkpoint();
  }
  assertEquals(contents(snapshot), contentsOf(mapOf(first)));
  assertEquals(snapshot.root, oracleRoot("nomt-blake3", first));
});

Deno.test("an unknown root is refused and opens no read session", async () => {
  await using db = await openSmall();
  await commit(db, [[key32(1), bytes("a")]]);
  const root = key32(255);
  assertThrows(() => db.snapshot(root), NotRetainedError);
  await assertRejects(() => db.rollbackTo(root), NotRetainedError);
  assertThrows(() => db.snapshot(new Uint8Array(31)), TypeError);
});

Deno.test("the root of a prepared session covers committed data and large values", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const draw = random("covers");
  const entries: Entry[] = [
    [key32(1), draw.bytes(100_000)],
    [key32(2), draw.bytes(3)],
  ];
  await commit(db, entries);
  using session = db.begin();
  const added: Entry = [key32(3), draw.bytes(70_000)];
  session.set(...added);
  using next = session.prepare();
  assertEquals(next.root, oracleRoot("nomt-blake3", [...entries, added]));
  await next.commit();
  assertEquals(db.get(key32(1)), entries[0][1]);
});

Deno.test("a parent's changes are not lost when its child commits", async () => {
  await using db = await openSmall();
  using one = db.begin();
  put(one, [[key32(1), bytes("one")], [key32(2), bytes("old")]]);
  using parent = one.prepare();
  using two = db.begin({ on: parent });
  put(two, [[key32(2), bytes("new")], [key32(3), bytes("three")]]);
  using child = two.prepare();
  await assertRejects(() => child.commit(), UncommittedParentError);
  await parent.commit();
  await child.commit();
  assertEquals(db.get(key32(1)), bytes("one"));
  assertEquals(db.get(key32(2)), bytes("new"));
  assertEquals(db.get(key32(3)), bytes("three"));
});

Deno.test("A, B, rollback, C, rollback, rollback is empty", async () => {
  const disk = new MemoryDisk();
  for (const isReopened of [false, true]) {
    let db = await open(memoryBackend(disk), { cacheBytes: 0 });
    const again = async () => {
      if (!isReopened) return;
      await db.close();
      db = await open(memoryBackend(disk), { cacheBytes: 0 });
    };
    await commit(db, [[key32(1), bytes("A")]]);
    await commit(db, [[key32(2), bytes("B")]]);
    await again();
    await db.rollback(1);
    await again();
    await commit(db, [[key32(3), bytes("C")]]);
    await again();
    await db.rollback(1);
    assertEquals(db.get(key32(1)), bytes("A"));
    await again();
    await db.rollback(1);
    assertEquals(db.root, EMPTY_ROOT);
    assertEquals([...db.entries()].length, 0);
    assertEquals(db.history().length, 1);
    await db.close();
  }
});

Deno.test("rolling back a fully pruned log is refused and the store opens on", async () => {
  const disk = new MemoryDisk();
  const options = {
    cacheBytes: 0,
    segmentBytes: 1024,
    history: { commits: 0 },
  };
  const db = await open(memoryBackend(disk), options);
  for (let i = 0; i < 20; i++) {
    await commit(db, [[key32(i), new Uint8Array(200)]]);
    await db.checkpoint();
  }
  await assertRejects(() => db.rollback(1), NotRetainedError);
  const { root } = db;
  await db.close();
  await using again = await open(memoryBackend(disk), options);
  await assertRejects(() => again.rollback(1), NotRetainedError);
  assertEquals(again.root, root);
  await commit(again, [[key32(99), bytes("on")]]);
});

Deno.test("a failed commit leaves the handle usable", async () => {
  const backend = simulated();
  await using db = await open(backend, { cacheBytes: 0 });
  await commit(db, [[key32(1), bytes("first")]]);
  const { root } = db;
  using session = db.begin();
  session.set(key32(2), new Uint8Array(500));
  const next = session.prepare();
  backend.fail({ at: backend.calls + 1, kind: "full", sticky: true });
  await assertRejects(() => next.commit(), StorageFullError);
  backend.heal();
  assertEquals(db.root, root);
  assertEquals(db.get(key32(1)), bytes("first"));
  await commit(db, [[key32(3), bytes("third")]]);
  assertEquals(db.head.sequence, 2);
  assertEquals(db.get(key32(2)), undefined);
});

Deno.test("a stale commit is refused before anything goes to the log", async () => {
  await using db = await openSmall();
  const forks = [1, 2].map((n) => {
    using session = db.begin();
    session.set(key32(n), bytes(`fork ${n}`));
    return session.prepare();
  });
  await forks[0].commit();
  const { logBytes, fileWrites } = db.metrics();
  await assertRejects(() => forks[1].commit(), StaleSessionError);
  assertEquals(db.metrics().logBytes, logBytes);
  assertEquals(db.metrics().fileWrites, fileWrites);
  assertEquals(db.history().length, 2);
  await db.rollback(1);
  assertEquals(db.root, EMPTY_ROOT);
});

Deno.test("staleness is a matter of versions, not of equal roots (ABA)", async () => {
  await using db = await openSmall();
  await commit(db, [[key32(1), bytes("A")]]);
  const { root } = db;
  using session = db.begin();
  session.set(key32(2), bytes("on the first A"));
  using stale = session.prepare();
  await commit(db, [[key32(1), bytes("B")]]);
  await commit(db, [[key32(1), bytes("A")]]);
  assertEquals(db.root, root);
  await assertRejects(() => stale.commit(), StaleSessionError);
  assertEquals(db.get(key32(2)), undefined);
  using nothing = db.begin().prepare();
  assertEquals(nothing.root, root);
  await nothing.commit();
  assertEquals(db.head.sequence, 4);
});

Deno.test("a proof reads the pages on its path and not the whole tree", async () => {
  const disk = new MemoryDisk(), draw = random("path");
  const first = await open(memoryBackend(disk), { pageBytes: 512 });
  const entries = drawEntries("nomt-blake3", "random", 5000, draw);
  await commit(first, entries);
  await first.close();
  await using db = await open(memoryBackend(disk), { cacheBytes: 0 });
  using snapshot = db.snapshot();
  const [key, value] = entries[17];
  const before = db.metrics().pageReads;
  const proof = snapshot.prove(key);
  const reads = db.metrics().pageReads - before;
  assert(reads <= 32, `${reads} pages read`);
  const verdict = verifyKey(db.scheme, db.root, key, proof);
  assert(verdict.status === "present" && verdict.matches(value));
});

Deno.test("a live session or snapshot blocks no commit", async () => {
  await using db = await openSmall();
  using held = db.begin();
  held.set(key32(1), bytes("never"));
  using snapshot = db.snapshot();
  using prepared = db.begin().prepare();
  for (let i = 0; i < 20; i++) await commit(db, [[key32(2), Uint8Array.of(i)]]);
  await db.checkpoint();
  await db.rollback(1);
  assertEquals(snapshot.root, EMPTY_ROOT);
  assertEquals(prepared.isStale, true);
  assertEquals(held.get(key32(1)), bytes("never"));
});

Deno.test("a torn tail of the log does not stop the store from opening", async () => {
  const disk = new MemoryDisk();
  const db = await open(memoryBackend(disk), { cacheBytes: 0 });
  for (let i = 0; i < 3; i++) await commit(db, [[key32(i), bytes("kept")]]);
  // As another process finds it: nothing was closed, the last record is torn.
  const whole = disk.readFile("log.stemma")!;
  const { root } = db;
  let last = whole.length;
  while (last > 0 && whole[last - 1] === 0) last--;
  for (const cut of [1, 9, 40]) {
    const torn = disk.clone();
    torn.writeFile("log.stemma", whole.slice(0, last - cut));
    await using again = await open(memoryBackend(torn), { cacheBytes: 0 });
    assertEquals(again.head.sequence, 2);
    assertNotEquals(again.root, root);
    await commit(again, [[key32(2), bytes("kept")]]);
    assertEquals(again.root, root);
  }
  await db.close();
});

Deno.test("no size is fixed at creation: a store grows a thousandfold", async () => {
  await using db = await openSmall({ pageBytes: 512, segmentBytes: 1024 });
  await commit(db, [[key32(1), bytes("x")]]);
  await db.checkpoint();
  const before = db.metrics().pageFileSize;
  const entries = drawEntries("nomt-blake3", "random", 5000, random("grow"));
  for (let i = 0; i < 5000; i += 500) {
    await commit(db, entries.slice(i, i + 500));
  }
  await db.checkpoint();
  assert(db.metrics().pageFileSize > 50 * before);
  await db.check();
});

Deno.test("overflow pages do not leak", async () => {
  const inside = await openInside({ pageBytes: 512 });
  const draw = random("overflow leak");
  for (let i = 0; i < 50; i++) {
    await commit(inside.db, [[key32(i % 3), draw.bytes(1000 + 100 * i)]]);
    using session = inside.db.begin();
    session.set(key32(1), draw.bytes(9000));
    session.prepare().discard();
  }
  assertEquals(await unreachedPages(inside), 2);
  await inside.db.close();
});

Deno.test("the slot tree of a stem covers slots of earlier batches", async () => {
  for (const scheme of ["eip7864-sha256", "eip7864-blake3"] as const) {
    await using db = await openSmall({ scheme, pageBytes: 512 });
    const entries: Entry[] = [];
    for (let slot = 0; slot < 256; slot += 3) {
      const key = new Uint8Array(32).fill(5);
      key[31] = slot;
      entries.push([key, new Uint8Array(32).fill(slot)]);
      await commit(db, entries.slice(-1));
      if (slot % 10 !== 0) continue;
      assertEquals(db.root, oracleRoot(scheme, entries));
    }
  }
});

Deno.test("operations of a witness are matched by key, in whatever order they came", async () => {
  const draw = random("order");
  const entries = drawEntries("nomt-blake3", "random", 50, draw);
  await using db = await openSmall();
  await commit(db, entries);
  const witnesses = [0, 1, 2].map(() => {
    using session = db.begin({ witness: true });
    const jobs = entries.map(([key], i) => () => {
      if (i % 3 === 0) session.set(key, Uint8Array.of(i));
      else if (i % 3 === 1) session.delete(key);
      else session.get(key);
    });
    for (const job of draw.shuffle(jobs)) job();
    using next = session.prepare();
    const step = verifyWitness(db.scheme, db.root, next.witness!);
    assertEquals(step.root, next.root);
    return next.witness!.toHex();
  });
  assertEquals(new Set(witnesses).size, 1);
});

Deno.test("a proof of many keys verifies, for every count and order of keys", async () => {
  const draw = random("many");
  const entries = drawEntries("nomt-blake3", "mixed", 200, draw);
  await using db = await openSmall();
  await commit(db, entries);
  using snapshot = db.snapshot();
  const expected = mapOf(entries);
  for (let count = 0; count <= 40; count++) {
    const keys = Array.from(
      { length: count },
      () => draw.chance(0.7) ? draw.pick(entries)[0] : draw.bytes(32),
    );
    const proof = snapshot.prove(draw.shuffle(keys));
    const tree = verify(db.scheme, db.root, { keys }, proof);
    for (const key of keys) {
      const status = expected.has(key.toHex()) ? "present" : "absent";
      assertEquals(tree.get(key).status, status);
    }
  }
});

Deno.test("a key that is a prefix of another is refused and nothing changes", async () => {
  await using db = await openSmall({ scheme: "eip8297-blake3" });
  const value = new Uint8Array(32).fill(1);
  const long = Uint8Array.of(1, 2, 3), short = Uint8Array.of(1, 2);
  await commit(db, [[long, value]]);
  const { root, head } = db;
  for (const bad of [short, Uint8Array.of(1), Uint8Array.of(1, 2, 3, 4)]) {
    using session = db.begin();
    session.set(bad, value);
    session.set(Uint8Array.of(9), value);
    assertThrows(() => session.prepare(), KeyPrefixError);
    assertEquals(session.get(Uint8Array.of(9)), value);
    session.delete(bad);
    using next = session.prepare();
    assertEquals(next.has(bad), false);
    assertEquals(next.has(Uint8Array.of(9)), true);
  }
  assertEquals(db.root, root);
  assertEquals(db.head, head);
  // In one batch a key may take the place of one that it extends.
  const swap: Write[] = [[short, value], [long, undefined]];
  await commit(db, swap);
  assertEquals(db.root, oracleRoot("eip8297-blake3", [[short, value]]));
});
