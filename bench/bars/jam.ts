// Bar 7: small commits with values of very different sizes. Of a commit's bytes
// the first 10 KB are covered by the bar; the rest may cost what hashing and
// writing them costs, which is measured beside it.

import { jamBlake2b } from "@stemma/verify";
import { RESERVED_BYTES, wasmHasher } from "../../src/hash/wasm_hasher.ts";
import type { Durability } from "../../mod.ts";
import { type Batch, type Workload, workload } from "../workloads.ts";
import { clock, median } from "../measure.ts";
import type { BarContext, BarPart, Result } from "./_bar.ts";
import { openLoaded, take, warm } from "./_stores.ts";

const COVERED_BYTES = 10_000;
const SCHEME = "jam-blake2b";

/** Milliseconds that a byte of a value costs to hash and to append. */
async function perByte(context: BarContext): Promise<number> {
  const bytes = new Uint8Array(64 << 10).fill(7);
  const memory = new WebAssembly.Memory({ initial: 64 });
  const hasher = wasmHasher(memory, 0, jamBlake2b);
  const path = `${context.directory}/append`;
  using file = await Deno.open(path, { write: true, create: true });
  const times: number[] = [];
  for (let i = 0; i < 40; i++) {
    const start = performance.now();
    if (hasher === undefined) jamBlake2b.hash(bytes);
    else hasher.digest(bytes, RESERVED_BYTES);
    file.writeSync(bytes);
    times.push((performance.now() - start) / bytes.length);
  }
  return median(times);
}

function bytesAbove(batches: readonly Batch[]): number {
  let sum = 0;
  for (const { keys, values } of batches) {
    let bytes = 0;
    for (let i = 0; i < keys.length; i++) {
      bytes += keys[i].length + (values[i]?.length ?? 0);
    }
    sum += Math.max(0, bytes - COVERED_BYTES);
  }
  return sum;
}

async function commits(
  context: BarContext,
  work: Workload,
  durability: Durability,
  count: number,
): Promise<Result> {
  const store = await openLoaded(context, 13, work, {
    scheme: SCHEME,
    durability,
  });
  warm(store, work);
  const iterations = work.iterations();
  for (const batch of take(iterations, count / 4)) await store.commit(batch);
  await store.settle();
  const batches = take(iterations, count);
  const allowed = bytesAbove(batches) * await perByte(context) / count;
  context.log(`bar 7: ${count} small commits, ${durability}`);
  const before = { ...store.times }, flushed = store.flushed;
  const each: number[] = [];
  const total = await clock(async () => {
    for (const batch of batches) {
      each.push(await clock(() => store.commit(batch)));
    }
    await store.settle();
  });
  const flush = (store.flushed - flushed) / count;
  const { set, prepare, commit } = store.times;
  await store.close();
  const time = total / count - (durability === "commit" ? flush : 0);
  const us = (ms: number): string => `${(1e3 * ms).toFixed(0)} us`;
  return {
    bar: 7,
    what: `jam: a commit, ${
      durability === "commit" ? "durable, without its flush" : durability
    }, beyond the bytes above 10 KB`,
    value: time - allowed,
    bound: 0.3,
    atLeast: false,
    unit: "ms",
    note:
      `${us(total / count)} in all (median ${us(median(each))}; set ${
        us((set - before.set) / count)
      }, prepare ${us((prepare - before.prepare) / count)}, commit ${
        us((commit - before.commit) / count)
      }), flushes ${us(flush)}, bytes above 10 KB allow ${us(allowed)}; ` +
      work.note,
  };
}

/** Bar 7 in one mode. */
async function smallCommits(
  context: BarContext,
  durability: Durability,
  count: number,
): Promise<Result[]> {
  const work = workload("jam", {
    capacity: 0,
    size: 0,
    fresh: 0,
    reads: 0,
    deletes: 0,
    seed: context.seed,
  });
  const most = context.isQuick ? count / 5 : count;
  return [await commits(context, work, durability, most)];
}

/** Bar 7. */
export const bar7: readonly BarPart[] = [
  (context) => smallCommits(context, "relaxed", 4000),
  (context) => smallCommits(context, "commit", 1000),
];
