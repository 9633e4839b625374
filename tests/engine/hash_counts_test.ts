// A commit hashes little more than the nodes on changed paths: the engine's own
// counter against an independent count over the two states, for every family,
// small and large batches, small and large stores. Hashes are counted, not
// computed, so that 2^20 keys fit into a test.

import { assert } from "@std/assert";
import type { Scheme } from "@stemma/verify";
import {
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
} from "../../mod.ts";
import { FAULTS } from "../../src/store/faults.ts";
import { type Random, random } from "../_amount.ts";
import { type Entry, oracleChangedNodes } from "../oracle/mod.ts";
import { SCHEMES, type Write } from "./_store.ts";

/** Hashes over counted nodes that a commit may need. */
const RATIO_MAX = 1.2;

function openCounting(scheme: Scheme): Promise<Stemma> {
  const options: OpenOptions & { [FAULTS]: ReadonlySet<string> } = {
    scheme,
    hasher: "js",
    history: { commits: 0 },
    [FAULTS]: new Set(["count-hashes-only"]),
  };
  return open(memoryBackend(), options);
}

/** Keys as numbers: enough bytes to tell drawn keys apart, and fast. */
function nameOf(key: Uint8Array): number {
  let name = key[key.length - 1];
  for (let i = 0; i < 5; i++) name = name * 256 + key[i];
  return name;
}

function key(scheme: Scheme, draw: Random): Uint8Array {
  const bytes = draw.bytes(scheme.family === "jam" ? 31 : 32);
  // Stems with several slots: a quarter of the keys share their stem.
  if (scheme.family === "eip7864" && draw.chance(0.75)) {
    bytes.fill(bytes[0], 2, 31);
  }
  return bytes;
}

function value(scheme: Scheme, draw: Random): Uint8Array {
  return draw.bytes(scheme.valueBytes ?? 8 + draw.int(60));
}

async function commitAll(db: Stemma, writes: Iterable<Write>): Promise<void> {
  using session = db.begin();
  for (const [key, value] of writes) {
    if (value === undefined) session.delete(key);
    else session.set(key, value);
  }
  await session.prepare().commit();
}

/** Loads a store, commits batches, and compares each commit's counts. */
async function compare(scheme: Scheme, size: number, batches: number[]) {
  const draw = random(`hashes ${scheme.name} ${size}`);
  const state = new Map<number, Entry>();
  const add = (k: Uint8Array, v: Uint8Array) => state.set(nameOf(k), [k, v]);
  await using db = await openCounting(scheme);
  while (state.size < size) add(key(scheme, draw), value(scheme, draw));
  await commitAll(db, state.values());
  for (const batch of batches) {
    const before = [...state.values()];
    const writes = drawWrites(scheme, before, batch, draw);
    for (const [k, v] of writes) {
      if (v === undefined) state.delete(nameOf(k));
      else add(k, v);
    }
    const start = db.metrics().hashes;
    await commitAll(db, writes);
    const hashes = db.metrics().hashes - start;
    const nodes = oracleChangedNodes(scheme.name, before, state.values());
    const ratio = hashes / Math.max(nodes, 1);
    console.log(
      `${scheme.name}, ${size} keys, ${batch} writes: ` +
        `${hashes} hashes, ${nodes} nodes, ratio ${ratio.toFixed(3)}`,
    );
    // One write of a delete may lift a sibling a level or two further.
    assert(hashes <= RATIO_MAX * nodes + 4, `ratio is ${ratio}`);
    assert(hashes >= nodes * 0.95, "fewer hashes than changed nodes");
  }
}

/** Updates, inserts and deletes of distinct keys. */
function drawWrites(
  scheme: Scheme,
  entries: readonly Entry[],
  count: number,
  draw: Random,
): Write[] {
  const writes = new Map<number, Write>();
  while (writes.size < count) {
    const what = draw.int(4);
    const k = what < 2
      ? key(scheme, draw)
      : entries[draw.int(entries.length)][0];
    writes.set(nameOf(k), [k, what === 3 ? undefined : value(scheme, draw)]);
  }
  return [...writes.values()];
}

const FAMILIES = [
  "nomt-blake3",
  "jam-blake2b",
  "eip7864-sha256",
  "eip8297-blake3",
];

for (const name of FAMILIES) {
  for (const power of [10, 16]) {
    Deno.test(`commit() hashes the nodes on changed paths of ${name} at 2^${power} keys`, () =>
      compare(SCHEMES[name], 2 ** power, [
        1,
        100,
        power === 10 ? 500 : 20_000,
      ]));
  }
}

for (const name of FAMILIES) {
  Deno.test(`commit() hashes the nodes on changed paths of ${name} at 2^20 keys`, () =>
    compare(SCHEMES[name], 2 ** 20, [1, 100, 20_000]));
}
