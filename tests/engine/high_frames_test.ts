// Stores whose pages lie above 2 GiB, where an offset is no signed 32-bit number, do
// what others do. The memory below is reserved and never touched.

import { assertEquals } from "@std/assert";
import { memoryBackend, open, type Stemma } from "../../mod.ts";
import { random } from "../_amount.ts";
import { drawBatch } from "./_batches.ts";
import {
  contents,
  HIGH_FRAMES,
  pageBytesMin,
  put,
  SCHEMES,
  type Write,
} from "./_store.ts";
import { helped } from "./_wrapped.ts";

const ROUNDS = 3;

/** Writes a batch; returns its witness. */
async function commitWitnessed(
  db: Stemma,
  batch: readonly Write[],
): Promise<Uint8Array> {
  using session = db.begin({ witness: true });
  put(session, batch);
  using next = session.prepare();
  const { witness } = next;
  await next.commit();
  return witness!;
}

for (
  const name of [
    "nomt-blake3",
    "jam-blake2b",
    "eip7864-sha256",
    "eip8297-blake3",
  ]
) {
  Deno.test(`pages above 2 GiB are pages as others are: ${name}`, async () => {
    const draw = random(`high ${name}`), scheme = SCHEMES[name];
    const pageBytes = draw.pick([pageBytesMin(scheme), 4096]);
    const common = { scheme, pageBytes, ...HIGH_FRAMES };
    const low = await open(memoryBackend(), { scheme, pageBytes });
    const high = await Promise.all([
      open(memoryBackend(), { ...common, hasher: "wasm" }),
      open(memoryBackend(), { ...common, hasher: "js" }),
      open(memoryBackend(), { ...common, threads: 2 }),
      open(helped(memoryBackend()), common),
    ]);
    const keys = new Map<string, Uint8Array>();
    for (let round = 0; round < ROUNDS; round++) {
      // Under `eip8297` one of two keys of different lengths may begin the other.
      const batch = drawBatch(name, keys, draw).filter(([key]) =>
        scheme.family !== "eip8297" || key.length === 32
      );
      const some = draw.shuffle([...keys.values()]).slice(0, 100);
      const witness = await commitWitnessed(low, batch);
      using snapshot = low.snapshot();
      const proof = snapshot.prove(some);
      for (const db of high) {
        assertEquals(await commitWitnessed(db, batch), witness);
        assertEquals(db.root, low.root);
        using other = db.snapshot();
        assertEquals(other.prove(some), proof);
        if (round === 1) await db.checkpoint();
      }
    }
    for (const db of [low, ...high]) await db.rollback(1);
    for (const db of high) {
      assertEquals(db.root, low.root);
      assertEquals(contents(db), contents(low));
      await db.check();
      await db.close();
    }
    await low.close();
  });
}
