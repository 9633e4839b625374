// Bars 3 and 8: what a commit costs besides its hashes, and what a second thread
// gains. Kernel time is measured on as many hashes of the same kinds.

import { schemeByName } from "@stemma/verify";
import { HashRecord, KernelClock, recordHashes } from "../kernel_time.ts";
import type { StemmaSubject } from "../peers/stemma.ts";
import { clock, median } from "../measure.ts";
import { type BarContext, type BarPart, large, type Result } from "./_bar.ts";
import { openLoaded, take, warm, writes } from "./_stores.ts";

const BLOCK = 5;
const BLOCKS = 8;

/** Bar 3 for one scheme. */
async function overKernels(
  context: BarContext,
  scheme: "nomt-blake3" | "eip7864-sha256",
  bound: number,
): Promise<Result[]> {
  const capacity = large(context);
  const work = writes(context, capacity);
  const store = await openLoaded(context, capacity, work, { scheme });
  warm(store, work);
  const iterations = work.iterations();
  for (const batch of take(iterations, BLOCK)) await store.commit(batch);
  await store.settle();
  const kernels = new KernelClock(schemeByName(scheme)!);
  context.log(`bar 3: ${BLOCK * BLOCKS} commits at 2^${capacity}, ${scheme}`);
  const record = new HashRecord();
  let total = 0, kernel = 0, hashes = 0;
  const before = { ...store.times }, flushed = store.flushed;
  for (let block = 0; block < BLOCKS; block++) {
    const batches = take(iterations, BLOCK);
    record.reset();
    await recordHashes(record, async () => {
      total += await clock(async () => {
        for (const batch of batches) await store.commit(batch);
      });
    });
    const replays = [0, 0, 0, 0, 0].map(() => kernels.replay(record.counts));
    kernel += median(replays);
    hashes += record.counts.reduce((sum, count) => sum + count, 0);
  }
  const last = await clock(() => store.settle());
  const flush = store.flushed - flushed;
  await store.close();
  const commits = BLOCK * BLOCKS,
    each = (ms: number): string => (ms / commits).toFixed(1);
  const part = (name: "set" | "prepare" | "commit"): string =>
    `${name} ${each(store.times[name] - before[name])}`;
  return [{
    bar: 3,
    what: `commit without flush / kernels, ${scheme}, 2^${capacity}`,
    value: (total + last - flush) / kernel,
    bound,
    atLeast: false,
    unit: "x",
    note:
      `${each(total + last - flush)} ms a commit (${part("set")}, ${
        part("prepare")
      }, ${part("commit")} with flush, last checkpoint ${each(last)}), ` +
      `kernels ${each(kernel)} for ${Math.round(hashes / commits)} hashes, ` +
      `flush ${each(flush)}`,
  }];
}

/** Bar 3. */
export const bar3: readonly BarPart[] = [
  (context) => overKernels(context, "eip7864-sha256", 2.2),
  (context) => overKernels(context, "nomt-blake3", 10),
];

/** Milliseconds of a block of commits, and of the hashing in it. */
async function block(
  store: StemmaSubject,
  batches: ReturnType<typeof take>,
): Promise<[total: number, hashing: number]> {
  const record = new HashRecord();
  const total = await recordHashes(record, () =>
    clock(async () => {
      for (const batch of batches) await store.commit(batch);
    }));
  return [total, record.milliseconds];
}

async function twoThreads(context: BarContext): Promise<Result[]> {
  const capacity = large(context), scheme = "eip7864-sha256" as const;
  const work = writes(context, capacity);
  const two = { scheme, threads: 2 } as const;
  const stores = [
    await openLoaded(context, capacity, work, { scheme }),
    await openLoaded(context, capacity, work, two),
  ];
  for (const store of stores) warm(store, work);
  const iterations = work.iterations();
  const first = take(iterations, BLOCK);
  for (const store of stores) await block(store, first);
  const hasThreads = stores[1].db.metrics().hasher.includes("threads");
  const times = [[0, 0], [0, 0]];
  context.log(`bar 8: one thread and two at 2^${capacity}`);
  for (let turn = 0; hasThreads && turn < BLOCKS; turn++) {
    const batches = take(iterations, BLOCK);
    for (const [i, store] of stores.entries()) {
      const [total, hashing] = await block(store, batches);
      times[i][0] += total;
      times[i][1] += hashing;
    }
  }
  for (const [i, store] of stores.entries()) {
    times[i][0] += await clock(() => store.settle());
    await store.close();
  }
  const note = (i: number): string =>
    times.map((time) => `${(time[i] / BLOCK / BLOCKS).toFixed(1)} ms`)
      .join(" with one thread, with two ");
  return [["hashing phase", 1.7, 1], ["whole commit", 1.25, 0]].map(
    ([what, bound, i]) => ({
      bar: 8,
      what: `two threads: ${what}, ${scheme}, 2^${capacity}`,
      value: hasThreads
        ? times[0][i as number] / times[1][i as number]
        : undefined,
      bound: bound as number,
      atLeast: true,
      unit: "x",
      note: hasThreads ? note(i as number) : "not available",
    }),
  );
}

/** Bar 8. */
export const bar8: readonly BarPart[] = [twoThreads];
