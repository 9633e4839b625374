// Bar 5: reading a key from memory, and from the page file when only the upper
// levels are in memory.

import { random, spreadKey } from "../random.ts";
import { clock, collectGarbage, median } from "../measure.ts";
import { type BarContext, type BarPart, large, type Result } from "./_bar.ts";
import { openLoaded, warm, writes } from "./_stores.ts";

const READS = 100_000;
const PASSES = 9;
/** Holds the upper levels and few leaves. */
const COLD_CACHE_BYTES = 16 << 20;

/** Keys of the state, in random order. */
function pick(context: BarContext, count: number): Uint8Array[] {
  const { int } = random(context.seed);
  const most = 2 ** large(context);
  const keys = Array.from({ length: count }, () => spreadKey(int(most), 32));
  collectGarbage();
  return keys;
}

async function warmReads(context: BarContext): Promise<Result> {
  const capacity = large(context), work = writes(context, capacity);
  const scheme = "nomt-blake3";
  const store = await openLoaded(context, capacity, work, { scheme });
  warm(store, work);
  const keys = pick(context, READS);
  context.log(`bar 5: ${PASSES} times ${READS} warm reads`);
  const passes: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    const milliseconds = await clock(() => {
      for (const key of keys) store.db.get(key);
    });
    passes.push(milliseconds * 1e3 / READS);
  }
  await store.close();
  return {
    bar: 5,
    what: `get, warm, 2^${capacity}`,
    value: median(passes),
    bound: 1,
    atLeast: false,
    unit: "us",
    note: `random keys, a copy of 32 bytes each; best pass ${
      Math.min(...passes).toFixed(2)
    } us`,
  };
}

async function coldReads(context: BarContext): Promise<Result> {
  const capacity = large(context), work = writes(context, capacity);
  const store = await openLoaded(context, capacity, work, {
    scheme: "nomt-blake3",
    cacheBytes: context.isQuick ? COLD_CACHE_BYTES / 8 : COLD_CACHE_BYTES,
  });
  // After this the cache holds what it will hold on.
  warm(store, work);
  const keys = pick(context, READS);
  let cold = 0, most = 0, time = 0;
  const start = store.db.metrics().pageReads;
  let seen = start;
  for (const key of keys) {
    const from = performance.now();
    store.db.get(key);
    const spent = performance.now() - from;
    const { pageReads } = store.db.metrics();
    if (pageReads > seen) {
      cold++;
      time += spent;
      most = Math.max(most, pageReads - seen);
    }
    seen = pageReads;
  }
  await store.close();
  return {
    bar: 5,
    what: `pages read per get that reads any, 2^${capacity}`,
    value: (seen - start) / cold,
    bound: 1,
    atLeast: false,
    unit: "pages",
    note: `cache ${COLD_CACHE_BYTES >> 20} MiB, ${
      (100 * cold / READS).toFixed(0)
    } % of gets are cold; at most ${most} pages, ${
      (1e3 * time / cold).toFixed(1)
    } us each`,
  };
}

/** Bar 5. */
export const bar5: readonly BarPart[] = [
  async (context) => [await warmReads(context)],
  async (context) => [await coldReads(context)],
];
