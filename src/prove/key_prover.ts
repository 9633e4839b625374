// This module is browser compatible.

// Proofs of keys, and the witness of a session's step, in a store of the families
// `nomt` and `eip8297`: the lists of what was read and written, straight from where the
// session keeps them, and the pruned tree of the version before. The same bytes as
// those of `TreeProver`, which serves ranges, deletes and keys of other lengths in
// `eip8297`, and all other families. Byte tables: docs/proofs.md.

import {
  compareBytes,
  copyKey,
  PROOF_VERSION,
  WITNESS_VERSION,
} from "@stemma/verify/encoding";
import type { Scheme } from "@stemma/verify";
import type { Changes } from "../changes.ts";
import type { BatchHasher } from "../hash/ops.ts";
import type { TreeRoot } from "../tree/edit.ts";
import { LateHashes } from "./late_hashes.ts";
import {
  POINT_BYTES,
  PointEncoder,
  type PointParts,
  type Points,
} from "./points.ts";
import { ProofWriter } from "./writer.ts";

/** Bytes in front of the lists: version, scheme, two roots, three counts. */
const FIXED_BYTES = 2 + 64 + 12;
/** What a key adds to the pruned tree of a large store, about, in bytes. */
const LIKELY_BYTES = 256;

/** Whether {@linkcode KeyProver.prove} serves for keys. */
export function provesKeys(
  { family }: Scheme,
  keys: readonly Uint8Array[],
): boolean {
  return family === "nomt" || family === "eip8297" &&
      keys.every((key) =>
        key instanceof Uint8Array && key.length === POINT_BYTES
      );
}

/**
 * Whether {@linkcode KeyProver.witness} serves for a step: what survives a delete has to
 * be looked for where a hash does not tell its kind.
 */
export function provesStep(
  { family }: Scheme,
  reads: Changes,
  writes: Changes,
): boolean {
  return family === "nomt" || family === "eip8297" &&
      hasOnlyPoints(reads) && hasOnlyPoints(writes) && !hasDeletes(writes);
}

function hasOnlyPoints(changes: Changes): boolean {
  for (let i = 0; i < changes.count; i++) {
    if (changes.keyBytes(i) !== POINT_BYTES) return false;
  }
  return true;
}

function hasDeletes(changes: Changes): boolean {
  for (let i = 0; i < changes.count; i++) {
    if (changes.isDelete(i)) return true;
  }
  return false;
}

/** Makes proofs of keys and witnesses of one store. */
export class KeyProver {
  readonly #scheme: Scheme;
  /** Bytes before each key of a list, which say its length. */
  readonly #lead: number;
  readonly #points: PointEncoder;
  readonly #out: ProofWriter = new ProofWriter();

  constructor(parts: PointParts & { hasher: BatchHasher }) {
    const { scheme } = parts;
    this.#scheme = scheme;
    this.#lead = scheme.keyBytesMin < scheme.keyBytesMax ? 2 : 0;
    const late = new LateHashes(parts.pool, parts.hasher);
    this.#points = new PointEncoder(parts, late);
  }

  /**
   * Proves keys.
   *
   * @param tree The version to prove from.
   * @param keys The keys, in any order.
   * @returns The proof, fresh bytes.
   * @throws {ProofError} `key` when a key does not fit the scheme.
   */
  prove(tree: TreeRoot, keys: readonly Uint8Array[]): Uint8Array {
    const points = wantedPoints(keys.map((key) => copyKey(this.#scheme, key)));
    const out = this.#out;
    out.reset();
    this.#points.run(tree, points, out);
    return out.finish([PROOF_VERSION, this.#scheme.id]);
  }

  /**
   * Makes a witness.
   *
   * @param tree The version before the writes.
   * @param newRoot Root after them, 32 bytes.
   * @param reads Keys read, with no values.
   * @param writes What was written.
   * @returns The witness, fresh bytes.
   */
  witness(
    tree: TreeRoot,
    newRoot: Uint8Array,
    reads: Changes,
    writes: Changes,
  ): Uint8Array {
    const readOrder = reads.sorted(), writeOrder = writes.sorted();
    const lead = this.#lead;
    const head = new Uint8Array(headBytes(reads.count, writes, lead));
    head[0] = WITNESS_VERSION;
    head[1] = this.#scheme.id;
    head.set(tree.hash, 2);
    head.set(newRoot, 34);
    putU32(head, 66, reads.count);
    putU32(head, 74, writes.count);
    const readsAt = FIXED_BYTES, step = lead + POINT_BYTES;
    const writesAt = readsAt + step * reads.count;
    for (let i = 0; i < readOrder.length; i++) {
      putKey(head, readsAt + step * i, reads, readOrder[i], lead);
    }
    putWrites(head, writesAt, writes, writeOrder, lead);
    const points = merged(
      head,
      lead,
      { at: readsAt, count: reads.count },
      { at: writesAt, count: writes.count },
    );
    const out = this.#out;
    out.reset();
    out.expect(LIKELY_BYTES * points.count);
    this.#points.run(tree, points, out);
    return out.finish(head);
  }
}

/** Keys in order, each once, their values asked for. */
function wantedPoints(list: Uint8Array[]): Points {
  list.sort(compareBytes);
  const keys = new Uint8Array(POINT_BYTES * list.length);
  let count = 0;
  for (let i = 0; i < list.length; i++) {
    if (i > 0 && compareBytes(list[i - 1], list[i]) === 0) continue;
    keys.set(list[i], POINT_BYTES * count++);
  }
  return { keys, wanted: new Uint8Array(count).fill(1), count };
}

function headBytes(reads: number, writes: Changes, lead: number): number {
  let bytes = FIXED_BYTES + (lead + POINT_BYTES) * (reads + writes.count);
  for (let i = 0; i < writes.count; i++) {
    bytes += 4 + Math.max(0, writes.valueBytes(i));
  }
  return bytes;
}

/** Writes a key of a list behind its length, if that is told. */
function putKey(
  head: Uint8Array,
  at: number,
  changes: Changes,
  entry: number,
  lead: number,
): void {
  if (lead > 0) head[at + lead - 1] = POINT_BYTES;
  changes.copyKey(entry, head, at + lead);
}

/** Writes in order: key, bytes of the value and one more or 0, value. */
function putWrites(
  head: Uint8Array,
  at: number,
  writes: Changes,
  order: Uint32Array,
  lead: number,
): void {
  for (let i = 0; i < order.length; i++) {
    const entry = order[i], bytes = writes.valueBytes(entry);
    putKey(head, at, writes, entry, lead);
    putU32(head, at + lead + POINT_BYTES, bytes + 1);
    at += lead + POINT_BYTES + 4;
    if (bytes > 0) at += writes.copyValue(entry, head, at);
  }
}

/** A list in the head of a witness. */
interface List {
  readonly at: number;
  readonly count: number;
}

/** The keys of both lists of a witness in one order, those read marked. */
function merged(
  head: Uint8Array,
  lead: number,
  { at: readsAt, count: reads }: List,
  { at: writesAt, count: writes }: List,
): Points {
  const keys = new Uint8Array(POINT_BYTES * (reads + writes));
  const wanted = new Uint8Array(reads + writes);
  let readAt = readsAt + lead, writeAt = writesAt + lead, count = 0;
  for (; reads + writes > 0; count++) {
    const order = reads === 0
      ? 1
      : writes === 0
      ? -1
      : compareAt(head, readAt, writeAt);
    const from = order > 0 ? writeAt : readAt, to = POINT_BYTES * count;
    for (let i = 0; i < POINT_BYTES; i++) keys[to + i] = head[from + i];
    if (order <= 0) {
      wanted[count] = 1;
      readAt += POINT_BYTES + lead;
      reads--;
    }
    if (order >= 0) {
      writeAt += POINT_BYTES;
      writeAt += Math.max(4, 3 + u32At(head, writeAt)) + lead;
      writes--;
    }
  }
  return { keys, wanted, count };
}

function compareAt(bytes: Uint8Array, a: number, b: number): number {
  for (let i = 0; i < POINT_BYTES; i++) {
    const order = bytes[a + i] - bytes[b + i];
    if (order !== 0) return order;
  }
  return 0;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> (24 - 8 * i);
}

function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 |
    bytes[at + 3]) >>> 0;
}
