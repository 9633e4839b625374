// The commands of the model runs: each does something to the store and the
// same to the model, and compares. A command that has nothing to work on does
// nothing.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  applyWrites,
  ProofError,
  type Scheme,
  StemmaError,
  verify,
  verifyWitness,
} from "@stemma/verify";
import { memoryBackend, open, type Range } from "../../mod.ts";
import type { Random } from "../_amount.ts";
import { compareBytes, type Entry } from "../oracle/mod.ts";
import {
  type Entries,
  type ModelPrepared,
  type ModelSession,
  type ModelSnapshot,
  ModelVersion,
} from "./_model.ts";
import { assertCode, type ModelStore, sorted } from "./_model_store.ts";
import {
  assertMultiProof,
  assertProofs,
  assertVerdict,
  contents,
  contentsOf,
  isUnprovable,
} from "./_store.ts";

/** One command. */
export type Op = (run: ModelStore, draw: Random) => void | Promise<void>;

/** Anything that can be read, and what it must hold. */
interface Readable {
  readonly view: ModelStore["db"] | ModelSnapshot["snapshot"];
  readonly entries: Entries;
}

function readables(run: ModelStore): Readable[] {
  return [
    { view: run.db, entries: run.model.head.state.entries },
    ...run.snapshots.map(({ snapshot, version }) => ({
      view: snapshot,
      entries: version.state.entries,
    })),
    ...run.readable().map(({ prepared, version }) => ({
      view: prepared as unknown as ModelSnapshot["snapshot"],
      entries: version.state.entries,
    })),
  ];
}

/** A version that proofs can be made from. */
function provable(run: ModelStore, draw: Random): {
  view: ModelSnapshot["snapshot"];
  entries: Entries;
  close(): void;
} {
  const all = readables(run).slice(1);
  if (all.length > 0 && draw.chance(0.7)) {
    const { view, entries } = draw.pick(all);
    return {
      view: view as ModelSnapshot["snapshot"],
      entries,
      close: () => {},
    };
  }
  const view = run.db.snapshot();
  const { entries } = run.model.head.state;
  return { view, entries, close: () => view.close() };
}

function pickMeta(draw: Random): Uint8Array | undefined {
  return draw.chance(0.5) ? undefined : draw.bytes(draw.pick([0, 1, 40, 4096]));
}

/** Keys, most of them of the run, some of them beside one. */
function someKeys(run: ModelStore, draw: Random, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const key = run.key(draw).slice();
    if (draw.chance(0.3)) {
      const bit = draw.int(8 * key.length);
      key[bit >> 3] ^= 0x80 >> (bit & 7);
    }
    return key;
  }).filter((key) => !isUnprovable(run.setup.scheme, key));
}

async function commit(run: ModelStore, target: ModelPrepared, draw: Random) {
  const { model } = run;
  const verdict = model.verdict(target);
  const meta = pickMeta(draw);
  if (verdict !== "ok") {
    // Of a version that was discarded nobody keeps track any more.
    const codes = target.isDiscarded ? ["used-up", "stale-session"] : [verdict];
    await assertCode(() => target.prepared.commit({ meta }), ...codes);
    return;
  }
  const past = model.pushed(target.version.state, meta ?? new Uint8Array(0));
  await target.prepared.commit({ meta });
  run.prepared.splice(run.prepared.indexOf(target), 1);
  run.published(target.version, past);
}

function fill(run: ModelStore, target: ModelSession, draw: Random): void {
  const count = 1 + draw.int(8);
  for (let i = 0; i < count; i++) {
    const value = draw.chance(0.35) ? undefined : run.value(draw);
    run.write(target, run.key(draw), value);
  }
}

/** A session: one that lives, or a new one on any version, with some writes. */
function aSession(run: ModelStore, draw: Random): ModelSession {
  if (run.sessions.length > 0 && draw.chance(0.6)) {
    return draw.pick(run.sessions);
  }
  const bases = [undefined, ...run.readable(), ...run.snapshots];
  const begun = run.begin(draw, draw.pick(bases));
  fill(run, begun, draw);
  return begun;
}

/** A prepared version: one that lives, or a new one. */
function aPrepared(run: ModelStore, draw: Random): ModelPrepared {
  if (run.prepared.length > 0 && draw.chance(0.6)) {
    return draw.pick(run.prepared);
  }
  const target = run.begin(draw);
  fill(run, target, draw);
  return run.prepare(target);
}

const write: Op = async (run, draw) => {
  const target = run.begin(draw);
  fill(run, target, draw);
  await commit(run, run.prepare(target), draw);
};

const writeMany: Op = async (run, draw) => {
  const target = run.begin(draw);
  const share = draw.pick([0.3, 1]), deletes = draw.pick([0, 0.5, 0.9, 1]);
  for (const key of run.keys) {
    if (!draw.chance(share)) continue;
    run.write(target, key, draw.chance(deletes) ? undefined : run.value(draw));
  }
  await commit(run, run.prepare(target), draw);
};

const begin: Op = (run, draw) => {
  run.begin(draw);
};

const beginOn: Op = (run, draw) => {
  const bases = [...run.readable(), ...run.snapshots];
  if (bases.length > 0) run.begin(draw, draw.pick(bases));
};

const set: Op = (run, draw) => {
  fill(run, aSession(run, draw), draw);
};

const remove: Op = (run, draw) => {
  const target = aSession(run, draw);
  const present = [...target.entries.values()];
  const key = present.length > 0 ? draw.pick(present)[0] : run.key(draw);
  run.write(target, key, undefined);
  assertEquals(target.session.has(key), false);
};

const getInSession: Op = (run, draw) => {
  const target = aSession(run, draw);
  for (const key of someKeys(run, draw, 3)) {
    const text = key.toHex();
    const value = target.entries.get(text)?.[1];
    if (draw.chance(0.5)) {
      assertEquals(target.session.get(key)?.toHex(), value?.toHex());
    } else assertEquals(target.session.has(key), value !== undefined);
    if (!target.written.has(text)) target.reads.set(text, key);
  }
};

const prepare: Op = async (run, draw) => {
  const target = aSession(run, draw);
  if (target.base.isStale) {
    await assertCode(() => target.session.prepare(), "stale-session");
    return;
  }
  const { prepared, version } = run.prepare(target);
  assertEquals(prepared.witness !== undefined, target.withWitness);
  if (prepared.witness === undefined) return;
  checkWitness(run.setup.scheme, target, prepared.witness, version);
};

/** The step checked without the store. */
function checkWitness(
  scheme: Scheme,
  target: ModelSession,
  witness: Uint8Array,
  version: ModelVersion,
): void {
  const before = target.base.state;
  const step = verifyWitness(scheme, before.root, witness);
  assertEquals(step.root.toHex(), version.state.root.toHex());
  assertEquals(
    applyWrites(step.tree, step.writes).toHex(),
    version.state.root.toHex(),
  );
  assertEquals(
    step.writes.map(({ key }) => key.toHex()),
    [...target.written].sort(),
  );
  for (const { key, value } of step.writes) {
    const after = version.state.entries.get(key.toHex())?.[1];
    assertEquals(value?.toHex(), after?.toHex());
  }
  for (const [text, key] of target.reads) {
    const value = before.entries.get(text)?.[1];
    assertVerdict(step.tree.get(key), value, key);
  }
}

const commitOne: Op = async (run, draw) => {
  await commit(run, aPrepared(run, draw), draw);
};

/** Two generations committed without waiting in between. */
const commitQueue: Op = async (run, draw) => {
  const { model } = run;
  const parent = run.prepared.find((one) => model.verdict(one) === "ok") ??
    run.prepare(run.begin(draw));
  const above = run.begin(draw, parent);
  fill(run, above, draw);
  const child = run.prepare(above);
  const metas = [draw.bytes(3), draw.bytes(3)];
  const both = [
    parent.prepared.commit({ meta: metas[0] }),
    child.prepared.commit({ meta: metas[1] }),
  ];
  await Promise.all(both);
  for (const [i, { version }] of [parent, child].entries()) {
    model.publish(version, model.pushed(version.state, metas[i]));
  }
  run.noteFlush();
  run.prepared.splice(run.prepared.indexOf(parent), 1);
  run.prepared.splice(run.prepared.indexOf(child), 1);
  run.compareHead();
};

const discard: Op = (run, draw) => {
  if (run.sessions.length > 0 && draw.chance(0.5)) {
    const at = draw.int(run.sessions.length);
    const [{ session }] = run.sessions.splice(at, 1);
    session.discard();
    session.discard();
    assertThrows(() => session.prepare(), StemmaError);
  } else if (run.prepared.length > 0) {
    const target = draw.pick(run.prepared);
    target.prepared.discard();
    target.isDiscarded = true;
  }
};

const readStale: Op = async (run, draw) => {
  if (draw.chance(0.5)) {
    aPrepared(run, draw);
    await write(run, draw);
  }
  const stale = run.prepared.filter(({ version }) =>
    version.isStale && !version.isLate
  );
  if (stale.length === 0) return;
  const { prepared, isDiscarded } = draw.pick(stale);
  if (isDiscarded) return;
  assert(prepared.isStale);
  await assertCode(() => prepared.get(run.key(draw)), "stale-session");
  await assertCode(() => run.db.begin({ on: prepared }), "stale-session");
};

const rollback: Op = async (run, draw) => {
  const { model } = run;
  const most = model.past.length - 1;
  const steps = 1 + draw.int(most + 1);
  if (steps > most) {
    await assertCode(() => run.db.rollback(steps), "not-retained");
  } else {
    await run.db.rollback(steps);
    const past = model.popped(steps);
    const { state } = past[past.length - 1];
    run.published(new ModelVersion(state), past);
  }
  run.compareHistory();
};

const rollbackTo: Op = async (run, draw) => {
  const { model } = run;
  const { root } = draw.pick(model.past).state;
  const { past } = model;
  let steps = 0;
  while (
    compareBytes(past[past.length - 1 - steps].state.root, root) !== 0
  ) steps++;
  await run.db.rollbackTo(root);
  if (steps > 0) {
    const left = model.popped(steps);
    run.published(new ModelVersion(left[left.length - 1].state), left);
  }
  run.compareHead();
  run.compareHistory();
};

const unknownRoot: Op = async (run, draw) => {
  const root = draw.bytes(32);
  await assertCode(() => run.db.snapshot(root), "not-retained");
  await assertCode(() => run.db.rollbackTo(root), "not-retained");
  run.compareHead();
};

const snapshot: Op = (run, draw) => {
  const { model } = run;
  if (draw.chance(0.3)) aPrepared(run, draw);
  const live = run.readable();
  let made: ModelSnapshot;
  if (live.length > 0 && draw.chance(0.4)) {
    const { prepared, version } = draw.pick(live);
    made = { snapshot: run.db.snapshot(prepared), version };
  } else {
    const { state: { root } } = draw.pick(model.past);
    const past = model.past.findLast(({ state }) =>
      compareBytes(state.root, root) === 0
    )!;
    const isHead = compareBytes(root, model.head.state.root) === 0;
    const snapshot = run.db.snapshot(root);
    assertEquals(snapshot.sequence, past.sequence);
    const version = isHead
      ? model.head
      : new ModelVersion(past.state, model.head);
    made = { snapshot, version };
  }
  assertEquals(made.snapshot.root.toHex(), made.version.state.root.toHex());
  run.snapshots.push(made);
  if (run.snapshots.length > 4) run.snapshots.shift()!.snapshot.close();
};

const closeSnapshot: Op = async (run, draw) => {
  if (run.snapshots.length === 0) return;
  const at = draw.int(run.snapshots.length);
  const [{ snapshot }] = run.snapshots.splice(at, 1);
  snapshot.close();
  await assertCode(() => snapshot.get(run.key(draw)), "used-up");
};

const get: Op = (run, draw) => {
  for (const { view, entries } of readables(run)) {
    for (const key of someKeys(run, draw, 4)) {
      const value = entries.get(key.toHex())?.[1];
      assertEquals(view.get(key)?.toHex(), value?.toHex());
      assertEquals(view.has(key), value !== undefined);
    }
  }
};

/** A range with any bounds, and what of the entries lies in it. */
export function drawRange(run: ModelStore, draw: Random): Range {
  const low = draw.chance(0.7) ? someKeys(run, draw, 1)[0] : undefined;
  const high = draw.chance(0.7) ? someKeys(run, draw, 1)[0] : undefined;
  return {
    ...(low && (draw.chance(0.5) ? { gt: low } : { gte: low })),
    ...(high && (draw.chance(0.5) ? { lt: high } : { lte: high })),
    ...(draw.chance(0.5) && { reverse: true }),
    ...(draw.chance(0.3) && { limit: draw.pick([0, 1, 2, 63, 64, 65, 1000]) }),
  };
}

/** What a range must give. */
export function inRange(entries: Entries, range: Range): Entry[] {
  const { gt, gte, lt, lte, reverse, limit } = range;
  const found = sorted(entries).filter(([key]) =>
    !(gt && compareBytes(key, gt) <= 0) &&
    !(gte && compareBytes(key, gte) < 0) &&
    !(lt && compareBytes(key, lt) >= 0) &&
    !(lte && compareBytes(key, lte) > 0)
  );
  if (reverse) found.reverse();
  return found.slice(0, limit);
}

const list: Op = (run, draw) => {
  const { view, entries } = draw.pick(readables(run));
  const range = drawRange(run, draw);
  const text = ([key, value]: Entry) => [key.toHex(), value.toHex()];
  assertEquals(
    Array.from(view.entries(range), text),
    inRange(entries, range).map(text),
  );
};

const prove: Op = (run, draw) => {
  const { view, entries, close } = provable(run, draw);
  assertProofs(
    run.setup.scheme,
    view,
    someKeys(run, draw, 2),
    (key) => entries.get(key.toHex())?.[1],
  );
  close();
};

const proveMany: Op = (run, draw) => {
  const { view, entries, close } = provable(run, draw);
  const keys = someKeys(run, draw, 1 + draw.int(12));
  assertMultiProof(
    run.setup.scheme,
    view,
    keys,
    (key) => entries.get(key.toHex())?.[1],
  );
  close();
};

const proveRange: Op = (run, draw) => {
  const { view, entries, close } = provable(run, draw);
  const { scheme } = run.setup;
  const bounds = someKeys(run, draw, 2).sort(compareBytes);
  if (bounds.length === 2 && compareBytes(bounds[0], bounds[1]) < 0) {
    const range = { gte: bounds[0], lt: bounds[1] };
    const query = { ranges: [range], keys: someKeys(run, draw, 1) };
    const tree = verify(scheme, view.root, query, view.prove(query));
    const inside = inRange(entries, range);
    for (const [key, value] of inside) assertVerdict(tree.get(key), value, key);
    for (const key of someKeys(run, draw, 5)) {
      const isCovered = compareBytes(key, bounds[0]) >= 0 &&
        compareBytes(key, bounds[1]) < 0;
      const value = entries.get(key.toHex())?.[1];
      if (isCovered) assertVerdict(tree.get(key), value, key);
    }
  }
  close();
};

/** A proof as a store of its own: writes to proven keys give the new root. */
const stateless: Op = (run, draw) => {
  const { view, entries, close } = provable(run, draw);
  const { scheme } = run.setup;
  // An insert may move a stem, which only a witness opens (rule R5).
  const keys = run.keys.filter((key) =>
    draw.chance(3 / run.keys.length) && !isUnprovable(scheme, key) &&
    (scheme.family !== "eip7864" || entries.has(key.toHex()))
  );
  const after = new Map(entries);
  const writes = keys.map((key) => ({ key, value: run.value(draw) }));
  for (const { key, value } of writes) after.set(key.toHex(), [key, value]);
  const proof = view.prove(keys);
  const tree = verify(scheme, view.root, { keys }, proof);
  const root = applyWrites(tree, writes);
  assertEquals(root.toHex(), run.state(after).root.toHex());
  close();
};

const checkpoint: Op = async (run) => {
  await run.db.checkpoint();
  run.durable = run.model.sequence;
  run.compareHead();
};

const check: Op = (run) => run.db.check();

const reopen: Op = async (run, draw) => {
  const { db } = run, [held] = run.snapshots;
  await run.reopen(draw.pick([0, 0, 1 << 17, 1 << 20]));
  run.compareHead();
  await assertCode(() => db.get(run.key(draw)), "used-up");
  if (held) await assertCode(() => held.snapshot.get(run.keys[0]), "used-up");
};

const crash: Op = async (run, draw) => {
  if (run.simulated === undefined) return;
  const image = draw.chance(0.3)
    ? run.simulated.restart()
    : run.simulated.image(draw.u32()).open();
  await run.recover(image, undefined);
};

const KINDS = ["io", "full", "short-write", "short-read", "flush"] as const;

/** A call fails while something is written. */
const fail: Op = async (run, draw) => {
  const { simulated: disk, model } = run;
  if (disk === undefined) return;
  const meta = draw.bytes(2);
  const target = run.begin(draw);
  fill(run, target, draw);
  const state = run.state(target.entries);
  const past = model.pushed(state, meta);
  disk.fail({
    at: disk.calls + 1 + draw.int(12),
    kind: draw.pick(KINDS),
    sticky: draw.chance(0.3),
  });
  let failure: unknown;
  try {
    if (draw.chance(0.2)) await run.db.checkpoint();
    const prepared = target.session.prepare();
    await prepared.commit({ meta });
  } catch (error) {
    assert(error instanceof StemmaError, `foreign error: ${error}`);
    failure = error;
  }
  // A checkpoint may follow the commit.
  await new Promise((resolve) => setTimeout(resolve, 0));
  disk.heal();
  run.sessions.splice(run.sessions.indexOf(target), 1);
  if (failure === undefined) {
    const [version] = [new ModelVersion(state)];
    // The commit may have been followed by a checkpoint that failed.
    run.published(version, past);
  } else run.compareHead();
  get(run, draw);
  if (!run.db.metrics().isPoisoned) return;
  await assertRejects(() => run.db.rollback(1), StemmaError);
  const again = run.db.begin();
  again.set(run.keys[0], run.value(draw));
  await assertCode(() => again.prepare(), "poisoned");
  await run.recover(disk.restart(), failure === undefined ? undefined : past);
};

const secondOpener: Op = async (run) => {
  await assertCode(() => open(run.backend(), run.options(0)), "locked");
  run.compareHead();
};

const transfer: Op = async (run, draw) => {
  const { scheme } = run.setup;
  const { entries, root } = run.model.head.state;
  await using other = await open(memoryBackend(), {
    scheme,
    cacheBytes: 0,
    pageBytes: draw.pick([2048, 4096]),
  });
  await other.import(run.db.export(), { root });
  assertEquals(other.root.toHex(), root.toHex());
  assertEquals(other.head.meta.toHex(), run.model.meta.toHex());
  assertEquals(contents(other), contentsOf(entries));
};

const badInput: Op = (run, draw) => {
  const { scheme } = run.setup;
  const session = run.db.begin();
  const key = run.key(draw);
  const long = new Uint8Array(scheme.family === "eip8297" ? 256 : 33);
  for (const bad of [new Uint8Array(0), long]) {
    assertThrows(() => session.set(bad, run.value(draw)), RangeError);
    assertThrows(() => session.delete(bad), RangeError);
    assertThrows(() => session.get(bad), RangeError);
    assertThrows(() => run.db.get(bad), RangeError);
  }
  if (scheme.valueBytes !== undefined) {
    for (const length of [0, 31, 33]) {
      const value = new Uint8Array(length);
      assertThrows(() => session.set(key, value), RangeError);
    }
  }
  assertThrows(() => session.set(key, "text" as unknown as Uint8Array));
  const prepared = session.prepare();
  assertEquals(prepared.root.toHex(), run.model.head.state.root.toHex());
  prepared.discard();
};

/** A prefix of a key, or a longer one, among the keys of EIP-8297. */
const prefixKey: Op = async (run, draw) => {
  const { scheme } = run.setup;
  if (scheme.family !== "eip8297") return;
  const target = aSession(run, draw);
  if (target.base.isStale || target.entries.size === 0) return;
  const [key] = draw.pick([...target.entries.values()]);
  const bad = draw.chance(0.5) || key.length === 255
    ? key.slice(0, -1)
    : Uint8Array.of(...key, draw.int(256));
  if (bad.length === 0) return;
  target.session.set(bad, run.value(draw));
  await assertCode(() => target.session.prepare(), "key-prefix");
  // The session lives on, and is good again without that key.
  target.session.delete(bad);
  target.written.add(bad.toHex());
  assertEquals(target.session.has(bad), false);
  run.compareHead();
};

const copies: Op = (run, draw) => {
  const { root } = run.db;
  root.fill(draw.int(256));
  run.db.head.meta.fill(7);
  run.compareHead();
  const [first] = sorted(run.model.head.state.entries);
  if (first === undefined) return;
  const value = run.db.get(first[0])!;
  value.fill(99);
  assertEquals(run.db.get(first[0])!.toHex(), first[1].toHex());
};

const proofOfOther: Op = (run, draw) => {
  const { view, close } = provable(run, draw);
  const [key] = someKeys(run, draw, 1);
  if (key !== undefined) {
    const proof = view.prove(key), root = draw.bytes(32);
    assertNotEquals(root, view.root);
    assertThrows(
      () => verify(run.setup.scheme, root, { keys: [key] }, proof),
      ProofError,
    );
  }
  close();
};

/** Commands by name. `write` is always on: without it nothing would happen. */
export const OPS: Readonly<Record<string, Op>> = {
  write,
  writeMany,
  begin,
  beginOn,
  set,
  remove,
  getInSession,
  prepare,
  commitOne,
  commitQueue,
  discard,
  readStale,
  rollback,
  rollbackTo,
  unknownRoot,
  snapshot,
  closeSnapshot,
  get,
  list,
  prove,
  proveMany,
  proveRange,
  stateless,
  checkpoint,
  check,
  reopen,
  crash,
  fail,
  secondOpener,
  transfer,
  badInput,
  prefixKey,
  copies,
  proofOfOther,
};
