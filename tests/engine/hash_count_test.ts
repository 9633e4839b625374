// How many hashes a commit takes, against an independent count of the nodes on
// changed paths: at most 1.2 times as many, for every scheme, batch and size.
// Hashes are counted and not computed, so that big stores are quick.

import { assert, assertEquals } from "@std/assert";
import type { OpenOptions, Stemma } from "../../mod.ts";
import { FAULTS } from "../../src/store/faults.ts";
import { type Random, random } from "../_amount.ts";
import {
  compareBytes,
  drawEntries,
  type Entry,
  KEY_KINDS,
  oracleChangedNodes,
} from "../oracle/mod.ts";
import { commit, openSmall, put, SCHEMES, type Write } from "./_store.ts";

const RATIO_MAX = 1.2;
/** Levels of a one-child run between random keys, but for one in 2^20. */
const RUN_MAX = 20;
const SIZES = [2 ** 10, 2 ** 16, 2 ** 20];
const BATCHES = [1, 100, 20_000];
/** One scheme of each family; the other ones ask for the same hashes. */
const BIG = ["nomt-blake3", "jam-blake2b", "eip7864-sha256", "eip8297-blake3"];

/** What a batch does. */
interface Mix {
  readonly name: string;
  readonly kinds: readonly ("insert" | "update" | "delete")[];
}

const PURE: readonly Mix[] = [
  { name: "inserts", kinds: ["insert"] },
  { name: "updates", kinds: ["update"] },
  { name: "deletes", kinds: ["delete"] },
];
const MIXED: readonly Mix[] = [
  { name: "all kinds", kinds: ["insert", "update", "delete"] },
];

function openCounting(scheme: string, bytes: number): Promise<Stemma> {
  const options: OpenOptions = { scheme: SCHEMES[scheme], cacheBytes: bytes };
  const only = { [FAULTS]: new Set(["count-hashes-only"]) };
  return openSmall({ ...options, ...only });
}

/** The n-th key of a store: random; stems hold eight slots. */
function makeKey(scheme: string, n: number, draw: Random): Uint8Array {
  const { family } = SCHEMES[scheme];
  if (family === "jam") return draw.bytes(31);
  if (family === "eip8297") return draw.bytes(20 + draw.int(40));
  if (family === "nomt") return draw.bytes(32);
  const key = random(`stem ${n >> 3}`, 7).bytes(32);
  key[31] = 31 * n & 255;
  return key;
}

function makeValue(scheme: string, draw: Random): Uint8Array {
  const { valueBytes } = SCHEMES[scheme];
  return draw.bytes(valueBytes ?? draw.pick([0, 8, 8, 32, 40]));
}

/** Entries in key order; sorted by the first bytes as a number, for speed. */
function makeEntries(
  scheme: string,
  from: number,
  count: number,
  draw: Random,
): Entry[] {
  const values = Array.from({ length: 64 }, () => makeValue(scheme, draw));
  const entries = Array.from({ length: count }, (_, i): Entry => [
    makeKey(scheme, from + i, draw),
    values[i & 63],
  ]);
  const order = Float64Array.from(
    entries,
    ([[a, b, c, d]], i) =>
      (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) *
        2 ** 21 + i,
  ).sort();
  const sorted = Array.from(order, (n) => entries[n % 2 ** 21]);
  for (let i = 1; i < count; i++) {
    for (let j = i; j > 0; j--) {
      if (compareBytes(sorted[j - 1][0], sorted[j][0]) <= 0) break;
      [sorted[j - 1], sorted[j]] = [sorted[j], sorted[j - 1]];
    }
  }
  return sorted;
}

/** Draws a batch, and the state that it leads to. */
function makeBatch(
  scheme: string,
  before: readonly Entry[],
  size: number,
  { kinds }: Mix,
  draw: Random,
): { writes: Write[]; after: Entry[] } {
  const writes: Write[] = [], fresh: Entry[] = [];
  const changed = new Map<number, Uint8Array | undefined>();
  const most = Math.min(size, before.length);
  for (let i = 0; i < most; i++) {
    const kind = kinds[i % kinds.length];
    if (kind === "insert") {
      const n = before.length + i;
      fresh.push([makeKey(scheme, n, draw), makeValue(scheme, draw)]);
    } else {
      const at = draw.int(before.length);
      const gone = kind === "delete" ? undefined : makeValue(scheme, draw);
      changed.set(at, gone);
    }
  }
  for (const [at, value] of changed) writes.push([before[at][0], value]);
  writes.push(...fresh);
  fresh.sort((a, b) => compareBytes(a[0], b[0]));
  const after: Entry[] = [];
  let next = 0;
  before.forEach((entry, i) => {
    while (next < fresh.length && compareBytes(fresh[next][0], entry[0]) < 0) {
      after.push(fresh[next++]);
    }
    if (!changed.has(i)) after.push(entry);
    else if (changed.get(i) !== undefined) {
      after.push([entry[0], changed.get(i)!]);
    }
  });
  after.push(...fresh.slice(next));
  return { writes, after };
}

/** Hashes that preparing the writes takes; nothing is committed. */
function hashesOf(db: Stemma, writes: readonly Write[]): number {
  const before = db.metrics().hashes;
  using session = db.begin();
  put(session, writes);
  session.prepare().discard();
  return db.metrics().hashes - before;
}

async function fill(db: Stemma, entries: readonly Entry[]): Promise<void> {
  for (let i = 0; i < entries.length; i += 1 << 16) {
    await commit(db, entries.slice(i, i + (1 << 16)));
  }
}

/** Compares both counts for every batch; returns the largest ratio. */
async function measure(
  scheme: string,
  size: number,
  mixes: readonly Mix[],
): Promise<number> {
  const draw = random(`hashes ${scheme} ${size}`);
  const entries = makeEntries(scheme, 0, size, draw);
  await using db = await openCounting(
    scheme,
    size > 1e5 ? 320 << 20 : 32 << 20,
  );
  await fill(db, entries);
  let worst = 0;
  for (const mix of mixes) {
    for (const batch of BATCHES) {
      const { writes, after } = makeBatch(scheme, entries, batch, mix, draw);
      const nodes = oracleChangedNodes(scheme, entries, after);
      const hashes = hashesOf(db, writes);
      const what = `${mix.name}: ${batch} of ${size}, ${scheme}: ` +
        `${hashes} hashes, ${nodes} nodes`;
      // A single insert may part a one-child run, as below.
      const run = batch === 1 && mix.kinds.includes("insert") ? RUN_MAX : 0;
      assert(hashes <= RATIO_MAX * nodes + run, what);
      if (nodes > 0) worst = Math.max(worst, hashes / nodes);
    }
  }
  return worst;
}

for (const size of SIZES) {
  const schemes = size === SIZES[0] ? Object.keys(SCHEMES) : BIG;
  const mixes = size === SIZES[2] ? MIXED : PURE;
  for (const scheme of schemes) {
    Deno.test(`prepare() hashes little more than changed paths: ${size} keys, ${scheme}`, async () => {
      const worst = await measure(scheme, size, mixes);
      console.log(`${scheme}, ${size} keys: at most ${worst.toFixed(3)} x`);
    });
  }
}

/**
 * A batch on awkward keys. An insert that parts a one-child run makes the node
 * below it be lifted anew over what is left of the run, whose levels have not
 * changed: at most a key's bits for each insert.
 */
async function assertAwkward(
  scheme: string,
  before: readonly Entry[],
  { writes, after }: { writes: Write[]; after: Entry[] },
  inserts: number,
  what: string,
): Promise<void> {
  // Room for one part: each part of an edit lifts a run above all keys anew.
  await using db = await openCounting(scheme, 32 << 20);
  await commit(db, before);
  const nodes = oracleChangedNodes(scheme, before, after);
  const hashes = hashesOf(db, writes);
  const run = scheme.startsWith("eip8297") ? 2 : 256;
  assert(
    hashes <= RATIO_MAX * nodes + inserts * run,
    `${what}: ${hashes} hashes, ${nodes} nodes, ${inserts} inserts`,
  );
}

Deno.test("prepare() hashes little more than changed paths for awkward keys", async () => {
  for (const scheme of BIG) {
    for (const kind of KEY_KINDS) {
      const draw = random(`awkward ${scheme} ${kind}`);
      const all = drawEntries(scheme, kind, 400, draw)
        .sort((a, b) => compareBytes(a[0], b[0]));
      for (const share of [0.02, 0.5, 0.95]) {
        const some = all.filter(() => draw.chance(share));
        const picked = new Set(some);
        const rest = all.filter((entry) => !picked.has(entry));
        const what = `${scheme}, ${kind}, ${some.length} of ${all.length}`;
        const deletes = some.map(([key]): Write => [key, undefined]);
        const added = { writes: some, after: all };
        const gone = { writes: deletes, after: rest };
        await assertAwkward(scheme, rest, added, some.length, `+ ${what}`);
        await assertAwkward(scheme, all, gone, 0, `- ${what}`);
        const other = new Map(some.map(([key]) => [
          key,
          drawEntries(scheme, "random", 1, draw)[0][1],
        ]));
        const update = {
          writes: [...other],
          after: all.map(([key, value]): Entry => [
            key,
            other.get(key) ?? value,
          ]),
        };
        await assertAwkward(scheme, all, update, 0, `= ${what}`);
      }
    }
  }
});

Deno.test("prepare() hashes nothing for writes that change nothing", async () => {
  for (const scheme of BIG) {
    const draw = random(`nothing ${scheme}`);
    const entries = makeEntries(scheme, 0, 1000, draw);
    await using db = await openCounting(scheme, 1 << 20);
    await commit(db, entries);
    const absent = makeKey(scheme, 9999, draw);
    assertEquals(hashesOf(db, [...entries, [absent, undefined]]), 0);
  }
});
