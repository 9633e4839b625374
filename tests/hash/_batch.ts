// Random batches for every op: the same bytes and list in a plain buffer and in
// WebAssembly memory, so that whole memories can be compared afterwards. Every
// entry has an area of its own; in it, everything lies at random, mostly
// misaligned offsets, and `out` is sometimes one of the inputs.

import {
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_VALUE,
  OP_WORDS,
} from "../../src/hash/ops.ts";
import { RESERVED_BYTES } from "../../src/hash/wasm_hasher.ts";
import type { Random } from "../_amount.ts";

export const RESERVED_AT = 1024;
/** Where lists start; reserved bytes, where kernels work, end before. */
export const LIST_AT = (RESERVED_AT + RESERVED_BYTES + 63) & ~63;
const AREA_BYTES = 1024;

/** Where the areas of a batch start. */
export function areasAt(count: number): number {
  return (LIST_AT + count * 24 + 63) & ~63;
}

/** Bytes of memory that a batch needs. */
export function batchBytes(count: number): number {
  return areasAt(count) + count * AREA_BYTES;
}

type Entry = number[];

/** Two 32-byte inputs and an output that may be one of them. */
function pair(area: number, r: Random): Entry {
  const left = area + r.int(64), right = area + 128 + r.int(64);
  return [left, right, r.pick([left, right, area + 256 + r.int(64)])];
}

function value(area: number, r: Random): Entry {
  const length = r.chance(0.5) ? 32 : r.int(r.chance(0.2) ? 800 : 140);
  const from = area + r.int(64);
  return [from, length, r.chance(0.3) ? from : area + 900 + r.int(64)];
}

function jamLeaf(area: number, r: Random): Entry {
  const [key, at, out] = pair(area, r);
  return [key, at, r.chance(0.3) ? 33 + r.int(1000) : r.int(33), out];
}

function prefixedLeaf(area: number, r: Random): Entry {
  const key = area + r.int(64);
  const bytes = r.chance(0.5) ? 32 : 1 + r.int(255);
  const at = area + 400 + r.int(64);
  return [key, bytes, at, r.pick([key, at, area + 600])];
}

function prefixedBranch(area: number, r: Random): Entry {
  const first = r.int(2040);
  const most = r.chance(0.7) ? Math.min(20, 2041 - first) : 2041 - first;
  const left = area + 400 + r.int(64), right = area + 500 + r.int(64);
  const out = r.pick([left, right, area + 600 + r.int(64)]);
  return [area + r.int(64), first, r.int(most), left, right, out];
}

function entry(op: number, area: number, r: Random): Entry {
  if (op === OP_VALUE) return value(area, r);
  if (op === OP_JAM_LEAF) return jamLeaf(area, r);
  if (op === OP_EIP8297_LEAF) return prefixedLeaf(area, r);
  if (op === OP_EIP8297_BRANCH) return prefixedBranch(area, r);
  return pair(area, r);
}

/** Fills memory from the list on: list and areas of a batch. */
export function fillBatch(
  buffer: ArrayBufferLike,
  op: number,
  count: number,
  r: Random,
): void {
  const words = new Uint32Array(buffer);
  for (let i = LIST_AT / 4; i < words.length; i++) words[i] = r.u32();
  for (let i = 0; i < count; i++) {
    const made = entry(op, areasAt(count) + i * AREA_BYTES, r);
    words.set(made, LIST_AT / 4 + i * OP_WORDS[op]);
  }
}

/** A memory of at least `bytes`. */
export function memoryOf(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
}
