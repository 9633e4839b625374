// Bars 1, 2 and 4: durable commits of 20,000 writes against a plain store, at 2^24
// keys, and against authenticated trees in memory. Each store works in blocks of
// commits, in turn with the other; checkpoints and a last one are counted.

import { level } from "../peers/level.ts";
import { mpt } from "../peers/mpt.ts";
import { urkel } from "../peers/urkel.ts";
import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { clock, median, rest } from "../measure.ts";
import { type BarContext, type BarPart, large, type Result } from "./_bar.ts";
import {
  age,
  fillCache,
  load,
  openLoaded,
  take,
  touchFiles,
  warm,
  WRITES,
  writes,
} from "./_stores.ts";

const SCHEME = "nomt-blake3";
const BLOCK = 5;

async function commitAll(
  subject: Subject,
  batches: readonly Batch[],
): Promise<number> {
  return await clock(async () => {
    for (const batch of batches) await subject.commit(batch);
  });
}

/**
 * Milliseconds of the blocks of two stores that take turns. Between two turns the
 * machine comes to rest: what one store still does behind its commits, like LevelDB's
 * compactions, costs the other nothing, and is counted for neither.
 */
async function takeTurns(
  ours: Subject,
  theirs: Subject,
  blocks: readonly (readonly Batch[])[],
): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (const block of blocks) {
    await rest();
    times[0].push(await commitAll(ours, block));
    await rest();
    times[1].push(await commitAll(theirs, block));
  }
  times[0].push(await clock(() => ours.settle?.()));
  times[1].push(await clock(() => theirs.settle?.()));
  return times;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Bar 1 at one size. */
async function againstLevel(
  context: BarContext,
  peer: Peer,
  capacity: number,
  bound: number,
): Promise<Result> {
  const work = writes(context, capacity);
  const ours = await openLoaded(context, capacity, work, {
    scheme: SCHEME,
    threads: 2,
  });
  const folder = await Deno.makeTempDir({ dir: context.directory });
  context.log(`loading 2^${capacity} keys, ${peer.name}`);
  const theirs = await peer.open(folder);
  await load(theirs, work);
  await age(context, theirs, capacity);
  warm(ours, work);
  const iterations = work.iterations();
  const blocks = Array.from(
    { length: context.isQuick ? 4 : 8 },
    () => take(iterations, BLOCK),
  );
  const first = take(iterations, BLOCK);
  await commitAll(ours, first);
  await commitAll(theirs, first);
  await ours.settle();
  context.log(`bar 1: ${blocks.length * BLOCK} commits at 2^${capacity}`);
  const flushed = ours.flushed;
  const [mine, other] = await takeTurns(ours, theirs, blocks);
  const flush = ours.flushed - flushed;
  await ours.close();
  await theirs.close();
  await Deno.remove(folder, { recursive: true });
  const commits = blocks.length * BLOCK;
  const each = (times: number[]): string => (sum(times) / commits).toFixed(1);
  const middle = median(mine.slice(0, -1)) / BLOCK;
  return {
    bar: 1,
    what: `durable commits a second, against ${peer.name}, 2^${capacity}`,
    value: sum(other) / sum(mine),
    bound,
    atLeast: true,
    unit: "x",
    note: `${each(mine)} ms a commit (of them flush ${
      (flush / commits).toFixed(1)
    }, last checkpoint ${
      (mine.at(-1)! / commits).toFixed(1)
    }; median without it ${middle.toFixed(1)}), ${peer.name} ${peer.version} ${
      each(other)
    }`,
  };
}

/** Bar 1 at one size, if the peer is there. */
async function againstPlain(
  context: BarContext,
  capacity: number,
  bound: number,
): Promise<Result[]> {
  const peer = await level();
  if (typeof peer !== "string") {
    return [await againstLevel(context, peer, capacity, bound)];
  }
  return [{
    bar: 1,
    what: `durable commits a second, against classic-level, 2^${capacity}`,
    value: undefined,
    bound,
    atLeast: true,
    unit: "x",
    note: `classic-level ${peer}`,
  }];
}

/** Bar 1. */
export const bar1: readonly BarPart[] = [
  (context) => againstPlain(context, large(context), 1),
  (context) => againstPlain(context, 14, 0.7),
];

/** From one checkpoint to the next there are so many: the last one is shared out to them. */
const CHECKPOINT_COMMITS = 75;

/** The largest cache: still less than there is at 2^24 keys. */
const CACHE_GIB = 3.75;

/** Pages and time of commits at one size. */
async function atSize(context: BarContext, capacity: number) {
  const work = writes(context, capacity);
  // What does not fit into the cache is read, and written, beside the commits.
  const options = {
    scheme: SCHEME,
    readers: 4,
    writer: true,
    cacheBytes: CACHE_GIB * 2 ** 30,
  } as const;
  const isLast = capacity !== large(context);
  const store = await openLoaded(context, capacity, work, options, isLast);
  fillCache(store, work);
  if (isLast) await touchFiles(context, work, capacity, SCHEME);
  const iterations = work.iterations();
  await commitAll(store, take(iterations, BLOCK));
  await store.settle();
  const before = store.db.metrics();
  const commits = CHECKPOINT_COMMITS;
  context.log(`bar 2: ${commits} commits at 2^${capacity}`);
  const batches = take(iterations, commits);
  let time = await commitAll(store, batches);
  time += await clock(() => store.settle());
  const after = store.db.metrics();
  await store.close();
  const writesDone = commits * WRITES;
  return {
    time: time / commits,
    reads: (after.pageReads - before.pageReads) / writesDone,
    writes: (after.pageWrites - before.pageWrites) / writesDone,
  };
}

/** At 2^24 keys, by night only. */
async function atMany(context: BarContext): Promise<Result[]> {
  const most = context.isQuick ? 18 : 24;
  if (!context.isNightly) {
    return [{
      bar: 2,
      what: `commits at 2^${most} keys`,
      value: undefined,
      bound: 3,
      atLeast: false,
      unit: "x",
      note: "run with --nightly",
    }];
  }
  const small = await atSize(context, large(context));
  const big = await atSize(context, most);
  const common = { bar: 2, atLeast: false } as const;
  const note = `${CACHE_GIB} GiB cache; ${big.time.toFixed(0)} ms a commit, ${
    small.time.toFixed(0)
  } at 2^${large(context)}`;
  return [
    {
      ...common,
      what: `commit time, 2^${most} against 2^${large(context)}`,
      value: big.time / small.time,
      bound: 3,
      unit: "x",
      note,
    },
    {
      ...common,
      what: `pages read per write at 2^${most}`,
      value: big.reads,
      bound: 1.1,
      unit: "pages",
      note,
    },
    {
      ...common,
      what: `pages written per write at 2^${most}`,
      value: big.writes,
      bound: 1.2,
      unit: "pages",
      note,
    },
  ];
}

/** Bar 2. */
export const bar2: readonly BarPart[] = [atMany];

/** Bar 4 for one peer; it does fewer commits, as each takes it seconds. */
async function againstTree(
  context: BarContext,
  find: () => Promise<Peer | string>,
  name: string,
  bound: number,
): Promise<Result> {
  const capacity = 14, turns = context.isQuick ? 1 : 4;
  const common = {
    bar: 4,
    what: `commits a second, durable, against ${name} in memory, 2^${capacity}`,
    bound,
    atLeast: true,
    unit: "x",
  };
  const peer = await find();
  if (typeof peer === "string") {
    return { ...common, value: undefined, note: `${name} ${peer}` };
  }
  const work = writes(context, capacity);
  const ours = await openLoaded(context, capacity, work, { scheme: SCHEME });
  context.log(`bar 4: ${name}, ${turns} commits at 2^${capacity}`);
  const theirs = await peer.open("");
  await load(theirs, work);
  warm(ours, work);
  const mine = work.iterations(), other = work.iterations();
  const times: [number[], number[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    times[0].push(await commitAll(ours, take(mine, BLOCK)));
    times[1].push(await commitAll(theirs, take(other, 1)));
  }
  times[0].push(await clock(() => ours.settle()));
  await ours.close();
  await theirs.close();
  const each = [sum(times[0]) / turns / BLOCK, sum(times[1]) / turns];
  return {
    ...common,
    value: each[1] / each[0],
    note: `${each[0].toFixed(1)} ms a commit (${turns * BLOCK} commits), ` +
      `${name} ${peer.version} ${each[1].toFixed(0)} (the first ${turns})`,
  };
}

/** Bar 4. */
export const bar4: readonly BarPart[] = [
  async (context) => [await againstTree(context, mpt, "@ethereumjs/mpt", 50)],
  async (context) => [await againstTree(context, urkel, "urkel", 5)],
];
