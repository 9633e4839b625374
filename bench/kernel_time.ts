// Which hashes a store computes, and how long the bare kernels take for as many of
// the same kinds: the ground that commit times are compared with.

import type { Scheme } from "@stemma/verify";
import {
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_VALUE,
  OP_WORDS,
} from "../src/hash/ops.ts";
import { SecondThread } from "../src/hash/threads.ts";
import {
  RESERVED_BYTES,
  WasmHasher,
  wasmHasher,
} from "../src/hash/wasm_hasher.ts";

/** Hashes by op, and the first thread's time for them, since the last reset. */
export class HashRecord {
  /** Entries of each op. */
  readonly counts: number[] = new Array(OP_WORDS.length).fill(0);
  /** Milliseconds of hashing, and of waiting for the second thread to end its own. */
  milliseconds = 0;

  reset(): void {
    this.counts.fill(0);
    this.milliseconds = 0;
  }
}

/** The leaf and the node op of a family; stems count as nodes. */
const FAMILY_OPS: Record<Scheme["family"], [leaf: number, node: number]> = {
  nomt: [OP_PAIR_TOP_SET, OP_PAIR_TOP_CLEARED],
  jam: [OP_JAM_LEAF, OP_PAIR_LEFT_MASKED],
  eip7864: [OP_VALUE, OP_PAIR],
  eip8297: [OP_EIP8297_LEAF, OP_EIP8297_BRANCH],
};

/** Runs a function while all hashing of this process is recorded. */
export async function recordHashes<T>(
  record: HashRecord,
  run: () => Promise<T>,
): Promise<T> {
  const hasher = WasmHasher.prototype, second = SecondThread.prototype;
  const { hashBatch, hashPages, editPages, countPages } = hasher;
  const { hashLater, editLater, finish, finishGroups } = second;
  const timed = <U>(work: () => U): U => {
    const start = performance.now(), result = work();
    record.milliseconds += performance.now() - start;
    return result;
  };
  hasher.hashBatch = function (op, list, count) {
    timed(() => hashBatch.call(this, op, list, count));
    record.counts[op] += count;
  };
  hasher.hashPages = function (family, list, count) {
    timed(() => hashPages.call(this, family, list, count));
  };
  hasher.editPages = function (family, group) {
    timed(() => editPages.call(this, family, group));
  };
  hasher.countPages = function (family, values, leaves, nodes) {
    countPages.call(this, family, values, leaves, nodes);
    const [leaf, node] = FAMILY_OPS[family];
    record.counts[OP_VALUE] += values;
    record.counts[leaf] += leaves;
    record.counts[node] += nodes;
  };
  second.hashLater = function (family, pages, frames) {
    return timed(() => hashLater.call(this, family, pages, frames));
  };
  second.editLater = function (family, group) {
    return timed(() => editLater.call(this, family, group));
  };
  second.finish = function (group) {
    timed(() => finish.call(this, group));
  };
  second.finishGroups = function () {
    timed(() => finishGroups.call(this));
  };
  try {
    return await run();
  } finally {
    Object.assign(hasher, { hashBatch, hashPages, editPages, countPages });
    Object.assign(second, { hashLater, editLater, finish, finishGroups });
  }
}

const ENTRIES = 4096;
const AREA_BYTES = 192;
const RESERVED_AT = 1024;
const LIST_AT = (RESERVED_AT + RESERVED_BYTES + 63) & ~63;
const DATA_AT = LIST_AT + ENTRIES * 32;

/** The kernels of one scheme over warm memory. */
export class KernelClock {
  readonly #hasher: WasmHasher;
  readonly #words: Uint32Array;

  constructor(scheme: Scheme) {
    const pages = Math.ceil((DATA_AT + ENTRIES * AREA_BYTES) / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const hasher = wasmHasher(memory, RESERVED_AT, scheme);
    if (hasher === undefined) throw new Error("WebAssembly SIMD is missing");
    this.#hasher = hasher;
    this.#words = new Uint32Array(memory.buffer);
  }

  /** Milliseconds for as many entries of each op, one thread, in long lists. */
  replay(counts: readonly number[]): number {
    let sum = 0;
    for (const [op, count] of counts.entries()) {
      if (count === 0) continue;
      this.#writeList(op);
      this.#hasher.hashBatch(op, LIST_AT, ENTRIES);
      const start = performance.now();
      for (let done = 0; done < count; done += ENTRIES) {
        const part = Math.min(ENTRIES, count - done);
        this.#hasher.hashBatch(op, LIST_AT, part);
      }
      sum += performance.now() - start;
    }
    return sum;
  }

  /** Entries whose inputs lie scattered; all values are of 32 bytes. */
  #writeList(op: number): void {
    const words = this.#words;
    for (let i = 0; i < ENTRIES; i++) {
      const area = DATA_AT + AREA_BYTES * ((i * 1031) % ENTRIES);
      const out = area + 128, at = LIST_AT / 4 + OP_WORDS[op] * i;
      words.set([area, area + 32, out], at);
      if (op === OP_VALUE) words[at + 1] = 32;
      if (op === OP_JAM_LEAF) words.set([20, out], at + 2);
      if (op === OP_EIP8297_LEAF) words.set([area, 32, area + 32, out], at);
      if (op === OP_EIP8297_BRANCH) {
        words.set([area, 13, 4, area + 32, area + 64, out], at);
      }
    }
  }
}
