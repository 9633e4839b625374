// The log's file is as long as the log between two checkpoints wants it: it neither grows
// nor shrinks as long as commits stay alike, and comes down after a burst of them.

import { assert, assertEquals } from "@std/assert";
import { memoryBackend, open, type Stemma } from "../../mod.ts";

const SEGMENT_BYTES = 4096;
const COMMITS = 20;

async function commitSome(db: Stemma, count: number): Promise<void> {
  const key = new Uint8Array(32), value = new Uint8Array(1000);
  for (let i = 0; i < count; i++) {
    value[0]++;
    using session = db.begin();
    session.set(key, value);
    await session.prepare().commit();
  }
  await db.checkpoint();
}

/** Bytes of the log's file after each of so many checkpoints. */
async function sizes(db: Stemma, rounds: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await commitSome(db, COMMITS);
    found.push(db.metrics().logSize);
  }
  return found;
}

Deno.test("the log's file keeps its size from checkpoint to checkpoint, and gives back what a burst took", async () => {
  await using db = await open(memoryBackend(), {
    segmentBytes: SEGMENT_BYTES,
    history: { commits: 0 },
  });
  await sizes(db, 6);
  const steady = await sizes(db, 6);
  const written = Math.ceil(2100 * COMMITS / SEGMENT_BYTES) * SEGMENT_BYTES;
  assertEquals(new Set(steady).size, 1, `${steady}`);
  assert(steady[0] <= 4 * written, `${steady[0]} for ${written}`);
  await commitSome(db, 30 * COMMITS);
  assert(db.metrics().logSize > 10 * written);
  const after = await sizes(db, 4);
  assert(after.at(-1)! <= steady[0] + 2 * SEGMENT_BYTES, `${after}`);
});
