// The JavaScript hasher, op by op, against the schemes' own functions: written by
// other hands, from the specifications.

import {
  eip7864Sha256,
  eip8297Blake3,
  jamBlake2b,
  nomtBlake3,
  type Scheme,
} from "@stemma/verify";
import { assertEquals } from "@std/assert";
import { jsHasher } from "../../src/hash/js_hasher.ts";
import {
  countingHasher,
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
  OP_VALUE,
} from "../../src/hash/ops.ts";
import { amount, random } from "../_amount.ts";

const LIST = 0, A = 1001, B = 1402, OUT = 2003, BYTES = 4096;

/** Hashes one entry; `a` lies at A, `b` at B. */
function one(
  scheme: Scheme,
  op: number,
  entry: number[],
  a: Uint8Array,
  b: Uint8Array = new Uint8Array(),
): Uint8Array {
  const buffer = new ArrayBuffer(BYTES);
  const bytes = new Uint8Array(buffer);
  bytes.set(a, A);
  bytes.set(b, B);
  new Uint32Array(buffer).set(entry, LIST / 4);
  jsHasher(buffer, scheme).hashBatch(op, LIST, 1);
  return bytes.slice(OUT, OUT + 32);
}

Deno.test("jsHasher() hashes NOMT nodes as the scheme does", () => {
  const r = random("nomt");
  for (let i = 0; i < amount(50); i++) {
    const key = r.bytes(32), other = r.bytes(32), value = r.bytes(r.int(100));
    assertEquals(
      one(nomtBlake3, OP_VALUE, [A, value.length, OUT], value),
      nomtBlake3.hash(value),
    );
    assertEquals(
      one(nomtBlake3, OP_PAIR_TOP_SET, [A, B, OUT], key, other),
      nomtBlake3.terminal(key, other, true),
    );
    assertEquals(
      one(nomtBlake3, OP_PAIR_TOP_CLEARED, [A, B, OUT], key, other),
      nomtBlake3.branch(key, other, key, 7, 7),
    );
  }
});

Deno.test("jsHasher() hashes JAM nodes as the scheme does", () => {
  const r = random("jam");
  for (let length = 0; length < 70; length++) {
    const key = r.bytes(31), value = r.bytes(length), other = r.bytes(32);
    const stored = length <= 32 ? value : jamBlake2b.hash(value);
    assertEquals(
      one(jamBlake2b, OP_JAM_LEAF, [A, B, length, OUT], key, stored),
      jamBlake2b.terminal(key, value, false),
    );
    const left = r.bytes(32);
    assertEquals(
      one(jamBlake2b, OP_PAIR_LEFT_MASKED, [A, B, OUT], left, other),
      jamBlake2b.branch(left, other, key, 9, 9),
    );
  }
});

Deno.test("jsHasher() hashes stems as the scheme does", () => {
  const r = random("stem");
  for (let i = 0; i < amount(50); i++) {
    const key = r.bytes(32), other = r.bytes(32);
    assertEquals(
      one(eip7864Sha256, OP_STEM, [A, B, OUT], key, other),
      eip7864Sha256.terminal(key, other, false),
    );
    assertEquals(
      one(eip7864Sha256, OP_PAIR, [A, B, OUT], key, other),
      eip7864Sha256.branch(key, other, key, 30, 30),
    );
  }
});

Deno.test("jsHasher() hashes EIP-8297 nodes as the scheme does", () => {
  const r = random("8297");
  for (let i = 0; i < amount(300); i++) {
    const key = r.bytes(1 + r.int(255)), value = r.bytes(64);
    const leaf = [A, key.length, B, OUT];
    assertEquals(
      one(eip8297Blake3, OP_EIP8297_LEAF, leaf, key, value),
      eip8297Blake3.terminal(key, value.subarray(0, 32), false),
    );
    const top = r.int(8 * key.length), most = 8 * key.length - top;
    const depth = top + r.int(r.chance(0.5) ? Math.min(most, 20) : most);
    const branch = [A, top, depth - top, B, B + 32, OUT];
    const [left, right] = [value.slice(0, 32), value.slice(32)];
    assertEquals(
      one(eip8297Blake3, OP_EIP8297_BRANCH, branch, key, value),
      eip8297Blake3.branch(left, right, key, depth, top),
    );
  }
});

Deno.test("countingHasher() counts and writes nothing", () => {
  const hasher = countingHasher();
  hasher.hashBatch(OP_PAIR, 0, 12);
  hasher.digest(new Uint8Array(9), 0);
  assertEquals([hasher.hashes, hasher.engine], [13, "counting"]);
});
