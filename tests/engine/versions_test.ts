// Sessions, prepared versions and snapshots: what each sees, when it goes
// stale, what may be committed, and what is left when it is dropped.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  KeyPrefixError,
  type Prepared,
  StaleSessionError,
  UncommittedParentError,
  UsedUpError,
} from "../../mod.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { random } from "../_amount.ts";
import { bytes, commit, contents, key32, openSmall } from "./_store.ts";

type Store = Awaited<ReturnType<typeof openSmall>>;

function prepare(db: Store, n: number, on?: Prepared): Prepared {
  using session = db.begin({ on });
  session.set(key32(n), Uint8Array.of(n));
  return session.prepare();
}

Deno.test("snapshot() lives on while 200 commits, checkpoints and rollbacks go by", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const held: { snapshot: ReturnType<Store["snapshot"]>; has: string }[] = [];
  for (let i = 0; i < 200; i++) {
    await commit(db, [
      [key32(i % 50, 1), Uint8Array.of(i)],
      [key32((i * 7) % 50, 1), undefined],
    ]);
    if (i % 20 === 0) {
      const snapshot = db.snapshot();
      held.push({ snapshot, has: JSON.stringify(contents(snapshot)) });
    }
    if (i % 30 === 0) await db.checkpoint();
    if (i % 45 === 44) await db.rollback(3);
  }
  for (const { snapshot, has } of held) {
    assertEquals(JSON.stringify(contents(snapshot)), has);
    snapshot.close();
    snapshot.close();
    assertThrows(() => snapshot.get(key32(1)), UsedUpError);
  }
  // Both headers hold the head now.
  await db.checkpoint();
  await db.checkpoint();
  assertEquals(db.metrics().liveVersions, 0);
  await db.check();
});

Deno.test("begin() on prepared versions makes forks and chains", async () => {
  await using db = await openSmall();
  using a = prepare(db, 1), b = prepare(db, 2);
  using aa = prepare(db, 3, a), ab = prepare(db, 4, a);
  assertEquals(contents(aa).length, 2);
  assertEquals(aa.previousRoot, a.root);
  assertEquals(ab.has(key32(3)), false);
  await a.commit();
  assert(b.isStale && !aa.isStale && !ab.isStale);
  await ab.commit();
  assert(aa.isStale);
  assertEquals(contents(db).length, 2);
  assertEquals(db.get(key32(4)), Uint8Array.of(4));
});

Deno.test("commit() of one fork makes the others stale, with all that stands on them", async () => {
  await using db = await openSmall();
  using winner = prepare(db, 1), loser = prepare(db, 2);
  using child = prepare(db, 3, loser);
  using open = db.begin({ on: child });
  await winner.commit();
  for (const stale of [loser, child]) {
    assert(stale.isStale);
    assertThrows(() => stale.get(key32(2)), StaleSessionError);
    assertThrows(() => stale.prove(key32(2)), StaleSessionError);
    assertThrows(() => db.begin({ on: stale }), StaleSessionError);
    assertThrows(() => db.snapshot(stale), StaleSessionError);
    await assertRejects(() => stale.commit(), StaleSessionError);
  }
  assertEquals(open.get(key32(3)), Uint8Array.of(3));
  assertThrows(() => open.prepare(), StaleSessionError);
});

Deno.test("commit() of a child before its parent is refused, and works after it", async () => {
  await using db = await openSmall();
  using parent = prepare(db, 1);
  using child = prepare(db, 2, parent);
  using grandchild = prepare(db, 3, child);
  await assertRejects(() => grandchild.commit(), UncommittedParentError);
  await assertRejects(() => child.commit(), UncommittedParentError);
  await parent.commit();
  await assertRejects(() => grandchild.commit(), UncommittedParentError);
  await child.commit();
  await grandchild.commit();
  assertEquals(db.head.sequence, 3);
});

Deno.test("commit() of a child whose parent was discarded is refused for ever", async () => {
  await using db = await openSmall();
  const parent = prepare(db, 1);
  using child = prepare(db, 2, parent);
  parent.discard();
  assertEquals(child.get(key32(1)), Uint8Array.of(1));
  await assertRejects(() => child.commit(), UncommittedParentError);
  await commit(db, [[key32(9), bytes("other")]]);
  await assertRejects(() => child.commit(), StaleSessionError);
});

Deno.test("discard() and dispose drop sessions and versions, once or more often", async () => {
  await using db = await openSmall({ pageBytes: 512 });
  const { liveVersions } = db.metrics();
  for (let i = 0; i < 30; i++) {
    const session = db.begin();
    session.set(key32(i), new Uint8Array(2000));
    if (i % 2 === 0) {
      session.discard();
      session.discard();
      assertThrows(() => session.set(key32(1), bytes("x")), UsedUpError);
      assertThrows(() => session.prepare(), UsedUpError);
      continue;
    }
    const next = session.prepare();
    assertThrows(() => session.get(key32(i)), UsedUpError);
    next.discard();
    next[Symbol.dispose]();
    assertThrows(() => next.get(key32(i)), UsedUpError);
    await assertRejects(() => next.commit(), UsedUpError);
  }
  assertEquals(db.metrics().liveVersions, liveVersions);
  await db.checkpoint();
  assert(db.metrics().pageFileSize <= 16384 + 20 * 512);
  assertEquals(db.head.sequence, 0);
});

Deno.test("commit() twice is refused, and discard() after it does nothing", async () => {
  await using db = await openSmall();
  const next = prepare(db, 1);
  const first = next.commit();
  await assertRejects(() => next.commit(), UsedUpError);
  next.discard();
  await first;
  assert(next.isCommitted);
  next.discard();
  assertEquals(db.get(key32(1)), Uint8Array.of(1));
  await assertRejects(() => next.commit(), UsedUpError);
});

Deno.test("begin() on a snapshot reads it, and commits only when it is the head", async () => {
  await using db = await openSmall();
  await commit(db, [[key32(1), bytes("1")]]);
  using head = db.snapshot();
  using onHead = db.begin({ on: head });
  onHead.set(key32(2), bytes("2"));
  await onHead.prepare().commit();
  using late = db.begin({ on: head });
  assertEquals(late.get(key32(2)), undefined);
  late.set(key32(3), bytes("3"));
  using fork = late.prepare();
  assertEquals(fork.previousRoot, head.root);
  await assertRejects(() => fork.commit(), StaleSessionError);
  using old = db.snapshot(head.root);
  using onOld = db.begin({ on: old }).prepare();
  await assertRejects(() => onOld.commit(), StaleSessionError);
  assertEquals(onOld.root, head.root);
});

Deno.test("begin() and snapshot() refuse versions of another store", async () => {
  await using db = await openSmall();
  await using other = await openSmall();
  await commit(other, [[key32(1), bytes("other")]]);
  using snapshot = other.snapshot();
  using prepared = prepare(other, 2);
  assertThrows(() => db.begin({ on: snapshot }), TypeError);
  assertThrows(() => db.begin({ on: prepared }), TypeError);
  assertThrows(() => db.snapshot(prepared), TypeError);
  using empty = db.begin().prepare();
  assertEquals(empty.root, new Uint8Array(32));
});

Deno.test("rollback() makes prepared versions stale and keeps meta with the root", async () => {
  await using db = await openSmall();
  for (let i = 1; i <= 4; i++) {
    await commit(db, [[key32(i), bytes("v")]], Uint8Array.of(i, i));
  }
  using pending = prepare(db, 9);
  await db.rollback(2);
  assert(pending.isStale);
  assertEquals(db.head.meta, Uint8Array.of(2, 2));
  assertEquals(db.head.sequence, 5);
  await assertRejects(() => pending.commit(), StaleSessionError);
  assertEquals(db.history().map(({ sequence }) => sequence), [5, 1, 0]);
  for (const bad of [0, -1, 1.5, NaN]) {
    await assertRejects(() => db.rollback(bad), RangeError);
  }
});

Deno.test("commit() takes 4,096 bytes of meta and no more", async () => {
  await using db = await openSmall();
  const most = new Uint8Array(4096).fill(3);
  await commit(db, [[key32(1), bytes("a")]], most);
  assertEquals(db.head.meta, most);
  most.fill(4);
  assertEquals(db.head.meta[0], 3);
  using next = prepare(db, 2);
  const long = new Uint8Array(4097);
  await assertRejects(() => next.commit({ meta: long }), RangeError);
  const text = "meta" as unknown as Uint8Array;
  await assertRejects(() => next.commit({ meta: text }), TypeError);
  await next.commit();
  assertEquals(db.head.meta.length, 0);
  assertEquals(db.head.sequence, 2);
});

Deno.test("commits() delivers every commit and rollback with its changes", async () => {
  await using db = await openSmall();
  await commit(db, [[key32(1), bytes("a")]], bytes("m"));
  await commit(db, [[key32(1), undefined], [key32(2), bytes("b")]]);
  await db.rollback(1);
  const seen: string[] = [];
  for await (const one of db.commits({ from: 1 })) {
    const changes = Array.from(
      one.changes(),
      ([key, value]) =>
        `${key[0]}=${
          value === undefined ? "-" : new TextDecoder().decode(value)
        }`,
    );
    seen.push(`${one.sequence} ${one.kind} ${changes.sort().join()}`);
    if (one.sequence === 3) break;
  }
  assertEquals(seen, [
    "1 commit 1=a",
    "2 commit 1=-,2=b",
    "3 rollback 1=a,2=-",
  ]);
});

Deno.test("close() ends everything, and calling it again does nothing", async () => {
  const db = await openSmall();
  const session = db.begin(), snapshot = db.snapshot();
  const next = prepare(db, 1);
  const stream = db.commits();
  const waiting = stream.next();
  await db.close();
  await db.close();
  assertEquals((await waiting).done, true);
  for (
    const use of [
      () => db.get(key32(1)),
      () => db.begin(),
      () => db.snapshot(),
      () => db.metrics(),
      () => session.get(key32(1)),
      () => snapshot.get(key32(1)),
      () => next.get(key32(1)),
    ]
  ) assertThrows(use, UsedUpError);
  await assertRejects(() => next.commit(), UsedUpError);
  await assertRejects(() => db.rollback(1), UsedUpError);
  session.discard();
  snapshot.close();
  next.discard();
});

Deno.test("metrics() counts what was done", async () => {
  await using db = await openSmall({ pageBytes: 512, hasher: "js" });
  const before = db.metrics();
  for (let i = 0; i < 10; i++) await commit(db, [[key32(i), bytes("v")]]);
  db.get(key32(1));
  db.has(key32(2));
  using snapshot = db.snapshot();
  snapshot.prove(key32(1));
  await db.rollback(2);
  await db.checkpoint();
  const after = db.metrics();
  assertEquals(after.writes - before.writes, 10);
  assertEquals(after.reads - before.reads, 2);
  assertEquals(after.commits - before.commits, 11);
  assertEquals(after.rollbacks, 1);
  assertEquals(after.checkpoints - before.checkpoints, 1);
  assertEquals(after.proofs, 1);
  assertEquals(after.isPoisoned, false);
  assertEquals(after.checkpointError, undefined);
  assertEquals(after.hasher, "js");
  assert(after.hashes > before.hashes && after.logBytes > before.logBytes);
  assert(after.pagesMade > 0 && after.pageWrites > 0 && after.cacheHits > 0);
  assertEquals(after.flushes - before.flushes, 11 + 2);
});

Deno.test("an exception between begin() and prepare() drops the session only", async () => {
  await using db = await openSmall();
  await commit(db, [[key32(1), bytes("kept")]]);
  const work = () => {
    using session = db.begin();
    session.set(key32(1), bytes("gone"));
    throw new Error("of the application");
  };
  assertThrows(work, Error, "of the application");
  assertEquals(db.get(key32(1)), bytes("kept"));
  await commit(db, [[key32(2), bytes("next")]]);
  assertEquals(db.head.sequence, 2);
});

Deno.test("a session that is refused half-way does not hold up a checkpoint", async () => {
  await using db = await openSmall({ scheme: "eip8297-blake3" });
  const value = new Uint8Array(32).fill(1);
  const keys = Array.from({ length: 200 }, (_, i) => Uint8Array.of(i, 7));
  await commit(db, keys.map((key) => [key, value]));
  using session = db.begin();
  session.set(Uint8Array.of(201), value);
  session.set(Uint8Array.of(150), value);
  assertThrows(() => session.prepare(), KeyPrefixError);
  await db.checkpoint();
  await db.check();
  session.delete(Uint8Array.of(150));
  await session.prepare().commit();
  assertEquals(contents(db).length, 201);
});

Deno.test("check() holds while what it is about to read gets written", async () => {
  await using db = await openSmall({ scheme: cheapScheme, pageBytes: 512 });
  const draw = random("check", 1);
  await commit(
    db,
    Array.from({ length: 2000 }, () => [draw.bytes(32), draw.bytes(8)]),
  );
  // The queue of a check holds references to pages that have no checksum yet.
  const checked = db.check();
  await db.checkpoint();
  await checked;
});
