// The light client against a store: what it learns from proofs and witnesses,
// what it refuses, how it forgets, and how it starts again.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ProofError, type Scheme, schemes } from "@stemma/verify";
import { memoryBackend } from "../../backends/memory.ts";
import { open, type Stemma } from "../../mod.ts";
import {
  LightClient,
  LightError,
  type LightOptions,
  type LightStorage,
} from "../../src/light/mod.ts";
import { nomtBlake3 } from "../../verify/nomt_blake3.ts";

const NOW = 1_700_000_000_000;

function key(i: number, scheme: Scheme = nomtBlake3): Uint8Array {
  const bytes = new Uint8Array(Math.min(scheme.keyBytesMax, 32));
  new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
  new DataView(bytes.buffer).setUint32(4, i + 1);
  return bytes;
}

function value(i: number): Uint8Array {
  return new Uint8Array(32).fill(i);
}

/** Commits writes; returns the witness. */
async function step(
  db: Stemma,
  writes: readonly [Uint8Array, Uint8Array | undefined][],
): Promise<Uint8Array> {
  using session = db.begin({ witness: true });
  for (const [k, v] of writes) {
    if (v === undefined) session.delete(k);
    else session.set(k, v);
  }
  using next = session.prepare();
  await next.commit();
  return next.witness!;
}

function prove(db: Stemma, ...keys: Uint8Array[]): Uint8Array {
  using snapshot = db.snapshot();
  return snapshot.prove(keys);
}

function openLight(
  db: Stemma,
  options: Partial<LightOptions> = {},
): Promise<LightClient> {
  const { root, sequence } = db.head;
  return LightClient.open({
    scheme: db.scheme,
    checkpoint: { height: sequence, root, time: NOW },
    now: () => NOW,
    ...options,
  });
}

/** Keeps the record in memory, and can fail. */
class Record implements LightStorage {
  bytes: Uint8Array | undefined;
  saves = 0;
  failure: Error | undefined;

  load(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.bytes);
  }

  save(record: Uint8Array): Promise<void> {
    this.saves++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.bytes = record;
    return Promise.resolve();
  }
}

for (const scheme of schemes) {
  Deno.test(`LightClient follows a ${scheme.name} store by proofs and witnesses`, async () => {
    await using db = await open(memoryBackend(), {
      scheme,
      cacheBytes: 1 << 22,
    });
    const k = (i: number) => key(i, scheme);
    await step(db, Array.from({ length: 50 }, (_, i) => [k(i), value(i)]));
    const light = await openLight(db);
    assertEquals(light.get(k(3)).status, "unknown");
    light.accept({ keys: [k(3), k(900)] }, prove(db, k(3), k(900)));
    light.accept({ keys: [k(4)] }, prove(db, k(4)));
    assertEquals(light.get(k(900)).status, "absent");
    const shown = light.get(k(3));
    assert(shown.status === "present" && shown.matches(value(3)));

    light.advance(
      await step(db, [[k(3), value(33)], [k(4), undefined], [
        k(900),
        value(9),
      ]]),
      { height: 2 },
    );
    assertEquals(light.root, db.root);
    const now = light.get(k(3));
    assert(now.status === "present" && now.matches(value(33)));
    assertEquals(light.get(k(4)).status, "absent");
    assertEquals(light.get(k(900)).status, "present");
    assertEquals(light.get(k(5)).status, "unknown");
    light.advance(await step(db, [[k(5), value(55)]]), { height: 3 });
    const kept = light.get(k(3));
    assert(kept.status === "present" && kept.matches(value(33)));
    assertEquals(light.get(k(5)).status, "unknown");
  });
}

Deno.test("LightClient keeps nothing of what it refuses", async () => {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  const first = await step(db, [[key(1), value(1)], [key(2), value(2)]]);
  const light = await openLight(db);
  const proof = prove(db, key(1)), forged = proof.slice();
  forged[forged.length >> 1] ^= 1;
  assertThrows(() => light.accept({ keys: [key(1)] }, forged), ProofError);
  assertThrows(() => light.accept({ keys: [key(2)] }, proof), ProofError);
  assertEquals(light.get(key(1)).status, "unknown");
  const witness = await step(db, [[key(1), value(7)]]);
  const bad = witness.slice();
  bad[bad.length - 1] ^= 1;
  assertThrows(() => light.advance(bad, { height: 2 }), ProofError);
  assertThrows(() => light.advance(first, { height: 2 }), ProofError);
  assertEquals(light.height, 1);
  light.advance(witness, { height: 2 });
  assertThrows(() => light.advance(witness, { height: 3 }), ProofError);
  assertThrows(() => light.accept({ keys: [key(1)] }, proof), ProofError);
  assertEquals(light.root, db.root);
});

Deno.test("LightClient refuses roots that are old, lower or rival", async () => {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  let now = NOW;
  const light = await openLight(db, { maxAgeMs: 1000, now: () => now });
  const root = value(1);
  const code = (call: () => void) => assertThrows(call, LightError).code;
  light.trust({ height: 5, root, time: NOW });
  assertEquals(
    code(() => light.trust({ height: 4, root, time: NOW })),
    "stale-root",
  );
  assertEquals(
    code(() => light.trust({ height: 5, root: value(2), time: NOW })),
    "fork",
  );
  assertEquals(
    code(() => light.trust({ height: 6, root, time: NOW - 1001 })),
    "stale-root",
  );
  assertEquals(
    code(() => light.advance(new Uint8Array(9), { height: 5 })),
    "stale-root",
  );
  now += 1001;
  assertEquals(code(() => light.get(key(1))), "stale-root");
  light.trust({ height: 5, root, time: now });
  assertEquals(light.get(key(1)).status, "unknown");
  await assertRejects(
    () => openLight(db, { maxAgeMs: 1000, now: () => NOW + 2000 }),
    LightError,
  );
});

Deno.test("LightClient forgets cells, never its root, within its budget", async () => {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  const writes = Array.from(
    { length: 300 },
    (_, i): [Uint8Array, Uint8Array] => [key(i), value(i)],
  );
  await step(db, writes);
  const light = await openLight(db, { bytesMax: 8000 });
  for (const [k] of writes) light.accept({ keys: [k] }, prove(db, k));
  assert(light.size.bytes <= 8000 && light.size.cells > 20, "size");
  light.advance(await step(db, [[key(1), value(0)]]), { height: 2 });
  assertEquals(light.get(key(299)).status, "present");
  assertEquals(light.get(key(0)).status, "unknown");
  assertEquals(light.root, db.root);
});

Deno.test("LightClient.open() goes on with what it stored", async () => {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  await step(db, [[key(1), value(1)], [key(2), new Uint8Array(5000)]]);
  const storage = new Record();
  const light = await openLight(db, { storage });
  const { trusted: checkpoint } = light;
  light.accept({ keys: [key(1), key(2)] }, prove(db, key(1), key(2)));
  light.advance(await step(db, [[key(1), value(4)]]), { height: 2 });
  light.accept({ keys: [key(3)] }, prove(db, key(3)));
  await light.saved();
  const again = await openLight(db, { storage, checkpoint });
  assertEquals(again.height, 2);
  const one = again.get(key(1)), two = again.get(key(2));
  assert(one.status === "present" && one.matches(value(4)));
  assert(two.status === "present" && two.matches(new Uint8Array(5000)));
  assertEquals(again.get(key(3)).status, "absent");

  // Evicted, restored from an old copy, damaged, of another chain: the app's
  // checkpoint, and nothing is "absent".
  const good = storage.bytes!;
  const bad = good.slice();
  bad[60] ^= 1;
  const later = { height: 7, root: value(3), time: NOW };
  const rival = { height: 2, root: value(3), time: NOW };
  for (
    const [bytes, from] of [
      [undefined, checkpoint],
      [good, later],
      [good, rival],
      [bad, checkpoint],
      [good.subarray(0, 40), checkpoint],
      [new Uint8Array(0), checkpoint],
    ] as const
  ) {
    storage.bytes = bytes;
    const anew = await openLight(db, { storage, checkpoint: from });
    assertEquals(anew.height, from.height);
    assertEquals(anew.root, from.root);
    for (const i of [1, 2, 3]) assertEquals(anew.get(key(i)).status, "unknown");
  }
});

Deno.test("LightClient tells when it could not store itself", async () => {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  const storage = new Record();
  const light = await openLight(db, { storage });
  storage.failure = new Error("quota");
  light.accept({ keys: [key(1)] }, prove(db, key(1)));
  await assertRejects(() => light.saved(), Error, "quota");
  storage.failure = undefined;
  light.accept({ keys: [key(2)] }, prove(db, key(2)));
  light.accept({ keys: [key(3)] }, prove(db, key(3)));
  await light.saved();
  assertEquals(storage.saves, 2);
});
