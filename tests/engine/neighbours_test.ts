// Bugs that shipping neighbours have or had, each as a property of this engine
// (reliability.md, "Known bugs of the neighbours"). The names say what went wrong
// there.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { verify, verifyKey, verifyWitness } from "@stemma/verify";
import {
  memoryBackend,
  NotRetainedError,
  open,
  StaleSessionError,
  UncommittedParentError,
  UsedUpError,
} from "../../mod.ts";
import { simulated } from "../../backends/simulated.ts";
import { random } from "../_amount.ts";
import { type Entry, oracleRoot } from "../oracle/mod.ts";
import { commit, openSmall, SCHEMES, type Write } from "./_store.ts";

const key = (i: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  bytes[0] = i * 37;
  bytes[31] = i;
  return bytes;
};
const value = (i: number): Uint8Array => new Uint8Array([i, i >> 8]);

Deno.test("a commit after reopening overwrites no live page", async () => {
  const disk = memoryBackend();
  const entries: Entry[] = [];
  for (let round = 0; round < 6; round++) {
    await using db = await open(disk, { pageBytes: 512 });
    const fresh = Array.from({ length: 40 }, (_, i): Entry => [
      key(round * 40 + i),
      value(round),
    ]);
    await commit(db, fresh);
    entries.push(...fresh);
    await db.check();
    assertEquals([...db.entries()].length, entries.length);
    assertEquals(db.root, oracleRoot("nomt-blake3", entries));
  }
});

Deno.test("emptying a leaf neither ends iteration nor changes the root", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const entries = Array.from({ length: 120 }, (_, i): Entry => [
    key(i),
    value(i),
  ]).sort((a, b) => a[0][0] - b[0][0]);
  await commit(db, entries);
  const gone = entries.slice(30, 60);
  await commit(db, gone.map(([key]): Write => [key, undefined]));
  const left = [...entries.slice(0, 30), ...entries.slice(60)];
  assertEquals([...db.entries()].map(([key]) => key[31]).length, left.length);
  assertEquals(db.root, oracleRoot("nomt-blake3", left));
});

Deno.test("no table fills up: the store grows as far as its medium", async () => {
  const disk = simulated({ seed: 1, capacityBytes: 200_000 });
  const db = await open(disk, { pageBytes: 512, segmentBytes: 4096 });
  const draw = random("full");
  let sequence = 0, refused = false;
  for (let i = 0; i < 400 && !refused; i++) {
    const writes = Array.from(
      { length: 20 },
      (): Write => [draw.bytes(32), draw.bytes(30)],
    );
    try {
      await commit(db, writes);
      sequence++;
    } catch (error) {
      refused = true;
      assertEquals((error as { code: string }).code, "storage-full");
    }
  }
  assert(refused, "the medium was never full");
  assertEquals(db.head.sequence, sequence);
  assertEquals(db.metrics().isPoisoned, false);
  db.get(key(1));
  await db.close().catch(() => {});
});

Deno.test("uncommitted deletes are visible in session, prepared version and child", async () => {
  await using db = await openSmall();
  await commit(db, [[key(1), value(1)], [key(2), value(2)]]);
  using session = db.begin();
  session.delete(key(1));
  assertEquals(session.get(key(1)), undefined);
  assertEquals(session.has(key(1)), false);
  using prepared = session.prepare();
  assertEquals(prepared.get(key(1)), undefined);
  using child = db.begin({ on: prepared });
  assertEquals(child.get(key(1)), undefined);
  child.set(key(3), value(3));
  using next = child.prepare();
  assertEquals([...next.entries()].map(([k]) => k[31]), [2, 3]);
  assertEquals(db.get(key(1)), value(1));
});

Deno.test("a read session never sees later commits, and an unknown root is refused", async () => {
  await using db = await openSmall();
  await commit(db, [[key(1), value(1)]]);
  using snapshot = db.snapshot();
  const root = snapshot.root;
  for (let i = 2; i < 30; i++) {
    await commit(db, [[key(1), value(i)], [key(i), value(i)]]);
  }
  await db.checkpoint();
  assertEquals(snapshot.root, root);
  assertEquals([...snapshot.entries()], [[key(1), value(1)]]);
  const proof = snapshot.prove(key(1));
  assertEquals(verifyKey(db.scheme, root, key(1), proof).status, "present");
  assertThrows(
    () => db.snapshot(new Uint8Array(32).fill(9)),
    NotRetainedError,
  );
});

Deno.test("the root of a prepared session covers committed data and large values", async () => {
  await using db = await openSmall();
  const large = new Uint8Array(70_000).fill(7);
  await commit(db, [[key(1), large], [key(2), value(2)]]);
  using session = db.begin();
  session.set(key(3), large.subarray(1));
  using prepared = session.prepare();
  const all: Entry[] = [
    [key(1), large],
    [key(2), value(2)],
    [key(3), large.slice(1)],
  ];
  assertEquals(prepared.root, oracleRoot("nomt-blake3", all));
});

Deno.test("a parent's changes are not lost when its child commits", async () => {
  await using db = await openSmall();
  using one = db.begin();
  one.set(key(1), value(1));
  const parent = one.prepare();
  using two = db.begin({ on: parent });
  two.set(key(2), value(2));
  const child = two.prepare();
  await assertRejects(() => child.commit(), UncommittedParentError);
  await parent.commit();
  using three = db.begin({ on: child });
  three.delete(key(2));
  using grandchild = three.prepare();
  assertEquals([...grandchild.entries()].length, 1);
  assertEquals(db.get(key(1)), value(1));
});

Deno.test("A, B, rollback, C, rollback, rollback is empty", async () => {
  const disk = memoryBackend();
  for (const reopens of [false, true]) {
    let db = await open(disk, { create: "if-missing" });
    const again = async () => {
      if (!reopens) return;
      await db.close();
      db = await open(disk);
    };
    for (const step of ["A", "B", "-", "C", "-", "-"]) {
      if (step === "-") await db.rollback(1);
      else await commit(db, [[key(step.charCodeAt(0)), value(1)]]);
      await again();
    }
    assertEquals(db.root, new Uint8Array(32));
    assertEquals([...db.entries()], []);
    await assertRejects(
      () => db.rollback(db.history().length),
      NotRetainedError,
    );
    await db.close();
  }
});

Deno.test("rolling back with a pruned history refuses and leaves the store openable", async () => {
  const disk = memoryBackend();
  const options = { history: { commits: 2 }, segmentBytes: 1024 } as const;
  let db = await open(disk, options);
  for (let i = 0; i < 30; i++) await commit(db, [[key(i), value(i)]]);
  await db.checkpoint();
  await db.checkpoint();
  await assertRejects(() => db.rollback(3), NotRetainedError);
  await db.rollback(2);
  await assertRejects(() => db.rollback(1), NotRetainedError);
  await db.close();
  db = await open(disk, options);
  assertEquals([...db.entries()].length, 28);
  await db.close();
});

Deno.test("a failed commit leaves the handle usable, and writes no delta", async () => {
  await using db = await openSmall();
  using one = db.begin();
  one.set(key(1), value(1));
  const a = one.prepare();
  using two = db.begin();
  two.set(key(2), value(2));
  const b = two.prepare();
  await a.commit();
  const { logBytes } = db.metrics();
  await assertRejects(() => b.commit(), StaleSessionError);
  assertEquals(db.metrics().logBytes, logBytes);
  await commit(db, [[key(3), value(3)]]);
  await db.rollback(1);
  assertEquals([...db.entries()].map(([k]) => k[31]), [1]);
});

Deno.test("staleness is no matter of equal roots", async () => {
  await using db = await openSmall();
  using session = db.begin();
  session.set(key(1), value(1));
  const late = session.prepare();
  // There and back: the root is that of the late version's parent again.
  await commit(db, [[key(2), value(2)]]);
  await commit(db, [[key(2), undefined]]);
  assertEquals(db.root, new Uint8Array(32));
  await assertRejects(() => late.commit(), StaleSessionError);
});

Deno.test("a proof reads its path and not the store", async () => {
  const disk = memoryBackend();
  const draw = random("path");
  const keys = Array.from({ length: 20_000 }, () => draw.bytes(32));
  {
    await using db = await open(disk);
    await commit(db, keys.map((k): Write => [k, k]));
  }
  await using db = await open(disk);
  using snapshot = db.snapshot();
  const before = db.metrics().pageReads;
  const proof = snapshot.prove(keys[5]);
  assert(db.metrics().pageReads - before <= 6);
  const claim = verifyKey(db.scheme, snapshot.root, keys[5], proof);
  assertEquals(claim.status, "present");
});

Deno.test("a live session blocks no commit", async () => {
  await using db = await openSmall();
  using session = db.begin();
  session.set(key(9), value(9));
  using snapshot = db.snapshot();
  for (let i = 0; i < 5; i++) await commit(db, [[key(i), value(i)]]);
  assertEquals(db.head.sequence, 5);
  assertEquals(snapshot.sequence, 0);
});

Deno.test("overflow pages come back when their values go", async () => {
  await using db = await openSmall({ history: { commits: 0 } });
  for (let round = 0; round < 12; round++) {
    await commit(db, [[key(1), new Uint8Array(200_000).fill(round)]]);
    await commit(db, [[key(1), undefined]]);
    await db.checkpoint();
  }
  assert(db.metrics().pageFileSize < 1_500_000, "extents leak");
});

Deno.test("a slot tree holds the slots of earlier batches too", async () => {
  const scheme = SCHEMES["eip7864-sha256"];
  await using db = await openSmall({ scheme });
  const entries: Entry[] = [];
  for (let slot = 0; slot < 256; slot += 5) {
    const at = new Uint8Array(32).fill(3);
    at[31] = slot;
    const entry: Entry = [at, new Uint8Array(32).fill(slot)];
    entries.push(entry);
    await commit(db, [entry]);
    assertEquals(db.root, oracleRoot(scheme.name, entries));
  }
});

Deno.test("a witness matches keys, whatever the order of reads and writes", async () => {
  await using db = await openSmall();
  await commit(db, Array.from({ length: 50 }, (_, i) => [key(i), value(i)]));
  const draw = random("witness order");
  using session = db.begin({ witness: true });
  for (const i of draw.shuffle(Array.from({ length: 80 }, (_, i) => i))) {
    if (i % 3 === 0) session.get(key(i));
    else if (i % 3 === 1) session.set(key(i), value(i + 1));
    else session.delete(key(i));
  }
  using prepared = session.prepare();
  const step = verifyWitness(db.scheme, db.root, prepared.witness!);
  assertEquals(step.root, prepared.root);
});

Deno.test("a multi-proof with nothing in it, or of everything, verifies", async () => {
  await using db = await openSmall();
  await commit(db, Array.from({ length: 9 }, (_, i) => [key(i), value(i)]));
  using snapshot = db.snapshot();
  for (const keys of [[], Array.from({ length: 20 }, (_, i) => key(i))]) {
    const query = { keys };
    verify(db.scheme, snapshot.root, query, snapshot.prove(query));
  }
});

Deno.test("what is closed, used or dropped says so", async () => {
  const db = await openSmall();
  const session = db.begin();
  const prepared = session.prepare();
  assertThrows(() => session.set(key(1), value(1)), UsedUpError);
  prepared.discard();
  assertThrows(() => prepared.get(key(1)), UsedUpError);
  const snapshot = db.snapshot();
  snapshot.close();
  snapshot.close();
  assertThrows(() => snapshot.get(key(1)), UsedUpError);
  await db.close();
  await db.close();
  assertThrows(() => db.get(key(1)), UsedUpError);
});
