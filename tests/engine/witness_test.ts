// Proofs of keys and the witness of a session in a store, which are written straight
// from pages, have the bytes that the plain encoder makes from a model of the tree.

import { assertEquals } from "@std/assert";
import { type Scheme, verifyWitness, type Write } from "@stemma/verify";
import { memoryBackend, open, type Session, type Stemma } from "../../mod.ts";
import { encodeProof, encodeWitness } from "../verify/_prove.ts";
import { amount, type Random, random } from "../_amount.ts";
import {
  arePrefixFree,
  compare,
  type Entry,
  ModelTree,
} from "../verify/_model_tree.ts";
import { randomKey, randomValue } from "../verify/_support.ts";
import { CHEAP, SCHEMES } from "./_store.ts";

type State = Map<string, readonly [Uint8Array, Uint8Array]>;

interface Step {
  readonly reads: Uint8Array[];
  readonly writes: Write[];
}

function drawStep(draw: Random, scheme: Scheme, state: State): Step {
  const present = [...state.values()].map(([key]) => key).sort(compare);
  const key = (): Uint8Array =>
    present.length > 0 && draw.chance(0.5)
      ? draw.pick(present)
      : randomKey(draw, scheme, present);
  const some = draw.pick([0, 1, 4, 40, 400]);
  const reads = Array.from({ length: draw.int(some + 1) }, key);
  const writes = new Map<string, Write>();
  // Beyond 64 KiB a session applies what it has before it is prepared.
  for (let i = draw.int(2 * some + 1); i > 0; i--) {
    const written = draw.chance(0.2) && reads.length > 0
      ? draw.pick(reads)
      : key();
    const value = draw.chance(0.8) ? randomValue(draw, scheme) : undefined;
    writes.set(written.toHex(), { key: written, value });
  }
  return { reads, writes: [...writes.values()] };
}

function put(session: Session, { reads, writes }: Step): void {
  for (const key of reads) session.get(key);
  for (const { key, value } of writes) {
    if (value === undefined) session.delete(key);
    else session.set(key, value);
  }
}

async function takeStep(
  db: Stemma,
  draw: Random,
  scheme: Scheme,
  state: State,
): Promise<void> {
  const step = drawStep(draw, scheme, state);
  const before = new ModelTree(scheme, [...state.values()]);
  assertEquals(db.root, before.rootHash);
  const keys = [...step.reads, ...step.writes.map(({ key }) => key)];
  using snapshot = db.snapshot();
  assertEquals(snapshot.prove(keys), encodeProof(before, { keys }));
  using session = db.begin({ witness: true });
  put(session, step);
  using next = session.prepare();
  const { witness } = next;
  assertEquals(witness, encodeWitness(before, next.root, step));
  const { root } = verifyWitness(scheme, db.root, witness!);
  assertEquals(root, next.root);
  for (const { key, value } of step.writes) {
    if (value === undefined) state.delete(key.toHex());
    else state.set(key.toHex(), [key, value]);
  }
  await next.commit();
}

// Not every draw of keys can be written where none may be a prefix of another.
const schemes = [SCHEMES["nomt-blake3"], CHEAP.nomt, CHEAP.jam, CHEAP.eip7864];

for (const scheme of schemes) {
  Deno.test(`proof and witness of ${scheme.name} are those of a model`, async () => {
    const draw = random(`witness ${scheme.name}`);
    for (let run = 0; run < amount(2); run++) {
      await using db = await open(memoryBackend(), {
        scheme,
        cacheBytes: 0,
        pageBytes: 512,
      });
      const state: State = new Map();
      const steps = 12;
      for (let i = 0; i < steps; i++) await takeStep(db, draw, scheme, state);
    }
  });
}

/** A key of 32 bytes or of another length, often with the first bits of another one. */
function drawKey(draw: Random, present: readonly Uint8Array[]): Uint8Array {
  const key = draw.bytes(draw.chance(0.6) ? 32 : 20 + draw.int(50));
  if (present.length > 0 && draw.chance(0.7)) {
    const near = draw.pick(present);
    const most = Math.min(key.length, near.length);
    const shared = draw.chance(0.3) ? Math.min(32, most) : draw.int(most + 1);
    key.set(near.subarray(0, shared));
    if (shared === 32 && draw.chance(0.5)) key[31] ^= 1;
  }
  return key;
}

Deno.test("proof and witness of keys with 32 bytes among others are those of a model", async () => {
  for (const scheme of [SCHEMES["eip8297-blake3"], CHEAP.eip8297]) {
    const draw = random(`prefixes ${scheme.name}`);
    for (let run = 0; run < amount(4); run++) {
      const cacheBytes = 0, pageBytes = 2048;
      const options = { scheme, cacheBytes, pageBytes };
      await using db = await open(memoryBackend(), options);
      let entries: Entry[] = [];
      for (let step = 0; step < 8; step++) {
        entries = await takePrefixFreeStep(db, draw, entries);
      }
    }
  }
});

/** Writes keys, proves those with 32 bytes, and others, and checks both with a model. */
async function takePrefixFreeStep(
  db: Stemma,
  draw: Random,
  entries: readonly Entry[],
): Promise<Entry[]> {
  const { scheme } = db, before = new ModelTree(scheme, entries);
  const present = entries.map(([key]) => key), all = [...present];
  const isMixed = draw.chance(0.3), mayDelete = draw.chance(0.5);
  const writes: Write[] = [];
  for (let i = draw.pick([0, 1, 5, 60]); i > 0; i--) {
    const key = draw.chance(mayDelete ? 0.6 : 0.3) && present.length > 0
      ? draw.pick(present)
      : drawKey(draw, all);
    if (!isMixed && key.length !== 32 && entries.length > 0) continue;
    const others = all.filter((other) => compare(other, key) !== 0);
    if (!arePrefixFree([...others, key].sort(compare))) continue;
    if (writes.some((write) => compare(write.key, key) === 0)) continue;
    all.push(key);
    const isGone = mayDelete && draw.chance(0.5);
    writes.push({ key, value: isGone ? undefined : draw.bytes(32) });
  }
  const absent = Array.from({ length: 5 }, () => draw.bytes(32));
  const near = present.map((key) => {
    const other = new Uint8Array(32);
    other.set(key.subarray(0, 32));
    if (draw.chance(0.8)) other[draw.int(32)] ^= 1 << draw.int(8);
    return other;
  });
  const points = [...present.filter(({ length }) => length === 32), ...near]
    .filter(() => draw.chance(0.5));
  const others = draw.chance(0.3) ? present : [];
  const reads = [...absent, ...points, ...others];
  assertEquals(db.root, before.rootHash);
  using snapshot = db.snapshot();
  for (const keys of [points, [...points, ...present], points.slice(0, 1)]) {
    assertEquals(snapshot.prove(keys), encodeProof(before, { keys }));
  }
  using session = db.begin({ witness: true });
  put(session, { reads, writes });
  using next = session.prepare();
  const { witness } = next;
  assertEquals(witness, encodeWitness(before, next.root, { reads, writes }));
  assertEquals(verifyWitness(scheme, db.root, witness!).root, next.root);
  await next.commit();
  return [...db.entries()];
}

Deno.test("a key that ends where two others part is proven to be absent", async () => {
  const scheme = SCHEMES["eip8297-blake3"], draw = random("ends");
  const point = draw.bytes(32), beside = point.slice();
  beside[31] ^= 1;
  const entries = [[...point, 1], [...point, 0x81], [...beside]].map((key) =>
    [Uint8Array.from(key), draw.bytes(32)] as const
  );
  await using db = await open(memoryBackend(), { scheme, cacheBytes: 0 });
  using session = db.begin();
  for (const [key, value] of entries) session.set(key, value);
  using next = session.prepare();
  const model = new ModelTree(scheme, entries), keys = [point, draw.bytes(32)];
  assertEquals(next.prove(keys), encodeProof(model, { keys }));
});

Deno.test("witness tells of writes that were applied early", async () => {
  const scheme = SCHEMES["nomt-blake3"];
  const draw = random("early");
  await using db = await open(memoryBackend(), { cacheBytes: 0 });
  const writes = Array.from({ length: 3000 }, () => ({
    key: draw.bytes(32),
    value: draw.bytes(draw.int(80)),
  }));
  using session = db.begin({ witness: true });
  put(session, { reads: [], writes });
  assertEquals(session.get(writes[0].key), writes[0].value);
  const last = { key: writes[1].key, value: draw.bytes(3) };
  put(session, { reads: [], writes: [last] });
  writes[1] = last;
  using next = session.prepare();
  const empty = new ModelTree(scheme, []);
  assertEquals(next.witness, encodeWitness(empty, next.root, { writes }));
});
