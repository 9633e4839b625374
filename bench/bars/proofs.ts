// Bar 6: making proofs, checking them, their size, and what a witness costs.

import { nomtBlake3, type Scheme, verify, verifyKey } from "@stemma/verify";
import { HASH, TERMINAL } from "@stemma/verify/encoding";
import { nomtScheme } from "../../verify/_nomt.ts";
import type { StemmaSubject } from "../peers/stemma.ts";
import { random, spreadKey } from "../random.ts";
import { clock, collectGarbage, median } from "../measure.ts";
import { type BarContext, type BarPart, large, type Result } from "./_bar.ts";
import { openLoaded, take, warm, writes } from "./_stores.ts";

const SCHEME = "nomt-blake3";
/** Families whose witnesses are made in different ways. */
type WitnessScheme = typeof SCHEME | "eip7864-sha256" | "eip8297-blake3";
const PROOFS = 10_000;
const VERIFIED = 1_000;
const PASSES = 15;

/** Distinct keys of the state. */
function pick(context: BarContext, capacity: number): Uint8Array[] {
  const { int } = random(context.seed);
  const chosen = new Set<number>();
  while (chosen.size < PROOFS) chosen.add(int(2 ** capacity));
  const keys = [...chosen].map((index) => spreadKey(index, 32));
  collectGarbage();
  return keys;
}

/** Bytes that no encoding can do without: hashes, keys and values. */
function leastBytes(proof: Uint8Array, valueBytes: number): number {
  const view = new DataView(proof.buffer, proof.byteOffset);
  const tagBytes = view.getUint32(2);
  let bytes = 0;
  for (let tag = 0; tag < 4 * tagBytes; tag++) {
    const kind = proof[6 + (tag >> 2)] >> (6 - 2 * (tag & 3)) & 3;
    if (kind === HASH) bytes += 32;
    if (kind !== TERMINAL) continue;
    bytes += 32 + valueBytes; // Present keys, or neighbours with a value hash.
    tag++; // Says which of the two.
  }
  return bytes;
}

/** The scheme, and every message that it hashes. */
function listening(): { scheme: Scheme; messages: Uint8Array[] } {
  const { id, name, hashName } = nomtBlake3;
  const messages: Uint8Array[] = [];
  const scheme = nomtScheme(id, name, hashName, (message) => {
    messages.push(message.slice());
    return nomtBlake3.hash(message);
  });
  return { scheme, messages };
}

/** Time of verifying proofs over the time of their hashes alone. */
async function verifying(
  root: Uint8Array,
  keys: readonly Uint8Array[],
  proofs: readonly Uint8Array[],
): Promise<{ ratio: number; each: number; hashes: number }> {
  const { scheme, messages } = listening();
  for (let i = 0; i < VERIFIED; i++) {
    verifyKey(scheme, root, keys[i], proofs[i]);
  }
  const ratios: number[] = [], times: number[] = [];
  for (let pass = 0; pass <= PASSES; pass++) {
    const hashing = await clock(() => {
      for (const message of messages) nomtBlake3.hash(message);
    });
    const checking = await clock(() => {
      for (let i = 0; i < VERIFIED; i++) {
        verifyKey(nomtBlake3, root, keys[i], proofs[i]);
      }
    });
    if (pass === 0) continue; // Warms up.
    ratios.push(checking / hashing);
    times.push(checking * 1e3 / VERIFIED);
  }
  return {
    ratio: median(ratios),
    each: median(times),
    hashes: messages.length / VERIFIED,
  };
}

/** Sizes at one capacity. */
async function sizes(
  context: BarContext,
  capacity: number,
  store: StemmaSubject,
  bound: number,
): Promise<Result[]> {
  const keys = pick(context, capacity);
  using snapshot = store.db.snapshot();
  const single = keys.reduce((sum, key) => sum + snapshot.prove(key).length, 0);
  snapshot.prove(keys);
  let multi = new Uint8Array(0);
  const made = await clock(() => multi = new Uint8Array(snapshot.prove(keys)));
  const checked = await clock(() =>
    verify(nomtBlake3, store.db.root, { keys }, multi)
  );
  const common = { bar: 6 } as const;
  return [{
    ...common,
    what: `single proof / multi-proof of ${PROOFS} keys, bytes, 2^${capacity}`,
    value: single / multi.length,
    bound,
    atLeast: true,
    unit: "x",
    note: `${(single / PROOFS).toFixed(0)} against ${
      (multi.length / PROOFS).toFixed(0)
    } bytes a key; multi-proof made in ${made.toFixed(0)} ms, checked in ${
      checked.toFixed(0)
    }`,
  }, {
    ...common,
    what: `multi-proof / least bytes, 2^${capacity}`,
    value: multi.length / leastBytes(multi, 32),
    bound: 1.03,
    atLeast: false,
    unit: "x",
    note: "least: each hash, key and value once, nothing else",
  }];
}

/** What a witness adds to a commit. */
async function witnesses(
  context: BarContext,
  scheme: WitnessScheme,
): Promise<Result[]> {
  const capacity = large(context), work = writes(context, capacity);
  const store = await openLoaded(context, capacity, work, { scheme });
  warm(store, work);
  const iterations = work.iterations();
  const plain: number[] = [], extra: number[] = [];
  context.log(`bar 6: witnesses, ${scheme}`);
  for (let turn = 0; turn < 13; turn++) {
    // The first commit behind a collection of garbage is slower: they take turns.
    const batches = take(iterations, 2), times = [0, 0];
    for (const which of turn % 2 === 0 ? [0, 1] : [1, 0]) {
      times[which] = await clock(() =>
        store.commit(batches[which], which === 1)
      );
    }
    if (turn < 3) continue; // Warms up.
    plain.push(times[0]);
    extra.push((times[1] - times[0]) / times[0]);
  }
  await store.close();
  return [{
    bar: 6,
    what: `extra time of a witness / commit time, ${scheme}, 2^${capacity}`,
    value: median(extra),
    bound: 1,
    atLeast: false,
    unit: "x",
    note: `commit ${median(plain).toFixed(1)} ms without, witness ${
      ((store.witness?.length ?? 0) / 1e6).toFixed(2)
    } MB`,
  }];
}

/** Proofs: how long they take, and how large they are. */
async function makeAndCheck(context: BarContext): Promise<Result[]> {
  const capacity = large(context), work = writes(context, capacity);
  const options = { scheme: SCHEME } as const;
  const store = await openLoaded(context, capacity, work, options);
  warm(store, work);
  const keys = pick(context, capacity);
  const times: number[] = [];
  let proofs: Uint8Array[] = [];
  context.log(`bar 6: proofs at 2^${capacity}`);
  for (let pass = 0; pass <= PASSES; pass++) {
    using snapshot = store.db.snapshot();
    const time = await clock(() => {
      proofs = keys.map((key) => snapshot.prove(key));
    });
    if (pass > 0) times.push(time);
  }
  const checked = await verifying(store.db.root, keys, proofs);
  const results: Result[] = [{
    bar: 6,
    what: `${PROOFS} single proofs made, 2^${capacity}`,
    value: median(times),
    bound: 150,
    atLeast: false,
    unit: "ms",
    note: `best pass ${Math.min(...times).toFixed(0)} ms`,
  }, {
    bar: 6,
    what: `verifying / its hashes alone, 2^${capacity}`,
    value: checked.ratio,
    bound: 1.3,
    atLeast: false,
    unit: "x",
    note: `${checked.each.toFixed(0)} us a proof, ${
      checked.hashes.toFixed(1)
    } hashes each, pure JavaScript`,
  }];
  results.push(...await sizes(context, capacity, store, 2.6));
  const small = writes(context, 14);
  const other = await openLoaded(context, 14, small, options);
  results.push(...await sizes(context, 14, other, 6));
  await other.close();
  await store.close();
  return results;
}

/** Bar 6. */
export const bar6: readonly BarPart[] = [
  makeAndCheck,
  (context) => witnesses(context, SCHEME),
  (context) => witnesses(context, "eip7864-sha256"),
  (context) => witnesses(context, "eip8297-blake3"),
];
