// Commits in flight: their order, the flushes they share, and that none is
// acknowledged before a flush that covers it.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type CrashChoice, simulated } from "../../backends/simulated.ts";
import { open, PoisonedError, type Prepared } from "../../mod.ts";
import { key32, openSmall } from "./_store.ts";

/** A power loss that takes everything that was not flushed. */
const NOTHING_KEPT: CrashChoice = {
  keep: "none",
  mask: 0,
  seed: 0,
  tear: "none",
  reorder: false,
  noise: "zeros",
};

/** Versions on top of each other, none committed. */
function chain(
  db: Awaited<ReturnType<typeof openSmall>>,
  count: number,
): Prepared[] {
  const made: Prepared[] = [];
  for (let i = 0; i < count; i++) {
    using session = db.begin({ on: made.at(-1) });
    session.set(key32(i + 1), Uint8Array.of(i));
    made.push(session.prepare());
  }
  return made;
}

Deno.test("commit() publishes in call order and shares flushes", async () => {
  await using db = await openSmall();
  const versions = chain(db, 20), order: number[] = [];
  const before = db.metrics().flushes;
  const all = versions.map((version, i) =>
    version.commit({ meta: Uint8Array.of(i) }).then(() => order.push(i))
  );
  assertEquals(db.head.sequence, 0);
  await Promise.all(all);
  assertEquals(order, [...versions.keys()]);
  assertEquals(db.head.sequence, 20);
  assertEquals(db.head.meta, Uint8Array.of(19));
  assertEquals(db.metrics().flushes - before, 1);
});

for (const asyncFlush of [false, true]) {
  const how = asyncFlush ? "asynchronous" : "synchronous";
  Deno.test(`commit() called while another is flushed waits for a flush of its own, ${how}`, async () => {
    for (let turns = 0; turns < 6; turns++) {
      const backend = simulated({ asyncFlush });
      const db = await open(backend, { cacheBytes: 0 });
      const [first, second] = chain(db, 2);
      const one = first.commit();
      for (let i = 0; i < turns; i++) await Promise.resolve();
      await second.commit();
      const image = backend.image(NOTHING_KEPT).open();
      await using again = await open(image, { cacheBytes: 0 });
      assertEquals(again.head.sequence, 2, `after ${turns} turns`);
      await one;
      await db.close();
    }
  });

  Deno.test(`checkpoint() during commits leaves each acknowledged one durable, ${how}`, async () => {
    for (let turns = 0; turns < 10; turns++) {
      const backend = simulated({ asyncFlush });
      const db = await open(backend, { cacheBytes: 0 });
      const [first, second, third] = chain(db, 3);
      await first.commit();
      const checkpoint = db.checkpoint();
      for (let i = 0; i < turns; i++) await Promise.resolve();
      await Promise.all([second.commit(), third.commit()]);
      const image = backend.image(NOTHING_KEPT).open();
      await using again = await open(image, { cacheBytes: 0 });
      assertEquals(again.head.sequence, 3, `after ${turns} turns`);
      await checkpoint;
      await db.close();
    }
  });
}

Deno.test("commit() rejects all that are queued when a flush fails, and poisons", async () => {
  const backend = simulated();
  const db = await open(backend, { cacheBytes: 0 });
  const versions = chain(db, 3);
  backend.fail({ at: backend.calls + 1, kind: "flush", sticky: true });
  const all = await Promise.allSettled(versions.map((one) => one.commit()));
  assertEquals(all.map(({ status }) => status), Array(3).fill("rejected"));
  backend.heal();
  assertEquals(db.head.sequence, 0);
  assertEquals(db.get(key32(1)), undefined);
  assert(db.metrics().isPoisoned);
  using session = db.begin();
  session.set(key32(9), Uint8Array.of(9));
  await assertRejects(async () => {
    await session.prepare().commit();
  }, PoisonedError);
  await db.close();
});

Deno.test("checkpoint() on a poisoned store rejects, and close() ends", async () => {
  const backend = simulated();
  const db = await open(backend, { cacheBytes: 0 });
  const [version] = chain(db, 1);
  backend.fail({ at: backend.calls + 1, kind: "flush", sticky: true });
  await assertRejects(() => version.commit());
  backend.heal();
  await assertRejects(() => db.checkpoint(), PoisonedError);
  await assertRejects(() => db.checkpoint(), PoisonedError);
  await assertRejects(() => db.rollback(1));
  await db.close();
});
