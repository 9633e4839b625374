// Hosts that lie: the input is read once, with the engine's own getters, and
// nothing but `ProofError` comes out. Limits hold before any work is done.

import { assert, assertEquals } from "@std/assert";
import { decodePartial, type Scheme, verify, verifyKey } from "@stemma/verify";
import { encodeProof } from "./_prove.ts";
import { random } from "../_amount.ts";
import { ModelTree } from "./_model_tree.ts";
import { joined, refused } from "./_refuse.ts";
import {
  cheapHash,
  cheapSchemes,
  randomEntries,
  withHash,
} from "./_support.ts";

const scheme: Scheme = cheapSchemes[0];
const source = random("hosts");
const tree = new ModelTree(scheme, randomEntries(source, scheme, 8));
const key = tree.entries[0][0];
const proof = encodeProof(tree, { keys: [key] });

function check(bytes: unknown): void {
  const verdict = verifyKey(scheme, tree.rootHash, key, bytes as Uint8Array);
  assertEquals(verdict.status, "present");
}

Deno.test("verify() reads a view once, so a buffer that changes meanwhile changes nothing", () => {
  const shared = proof.slice();
  let calls = 0;
  const evil = withHash(scheme, (message) => {
    if (calls++ === 0) shared.fill(0xff);
    return cheapHash(message);
  });
  const verdict = verifyKey(evil, tree.rootHash, key, shared);
  assertEquals(verdict.status, "present");
  assertEquals(shared[0], 0xff);
  const copy = proof.slice();
  const partial = decodePartial(scheme, tree.rootHash, copy);
  copy.fill(0);
  assertEquals(partial.get(key).status, "present");
});

Deno.test("get() gives copies", () => {
  const partial = decodePartial(scheme, tree.rootHash, proof);
  const first = partial.get(key);
  assert(first.status === "present" && first.value);
  first.value.fill(1);
  const again = partial.get(key);
  assertEquals(again.status === "present" && again.value, tree.entries[0][1]);
});

Deno.test("verify() takes views over shared, resizable and offset buffers", () => {
  const size = proof.length;
  const buffers = [
    new SharedArrayBuffer(size + 8),
    new SharedArrayBuffer(size + 8, { maxByteLength: 4096 }),
    new ArrayBuffer(size + 8, { maxByteLength: 4096 }),
    new ArrayBuffer(size + 8),
  ];
  for (const buffer of buffers) {
    const view = new Uint8Array(buffer, 3, size);
    view.set(proof);
    check(view);
  }
});

Deno.test("verify() refuses views over detached or shrunk buffers", () => {
  const detached = proof.slice();
  detached.buffer.transfer();
  refused(() => check(detached), "version");
  const buffer = new ArrayBuffer(proof.length, { maxByteLength: 4096 });
  const view = new Uint8Array(buffer, 0, proof.length);
  view.set(proof);
  buffer.resize(10);
  refused(() => check(view), "version");
});

Deno.test("verify() asks no getter, method or iterator of its input", () => {
  class Hostile extends Uint8Array {
    override get length(): number {
      throw new Error("asked for length");
    }
    override get byteLength(): number {
      throw new Error("asked for byteLength");
    }
    override get buffer(): ArrayBuffer {
      throw new Error("asked for buffer");
    }
    override get [Symbol.toStringTag](): "Uint8Array" {
      throw new Error("asked for its tag");
    }
    override slice(): never {
      throw new Error("sliced");
    }
    override subarray(): never {
      throw new Error("taken apart");
    }
    override [Symbol.iterator](): never {
      throw new Error("iterated");
    }
  }
  const hostile = new Hostile(proof.length);
  Uint8Array.prototype.set.call(hostile, proof);
  check(hostile);
  const hostileKey = new Hostile(32);
  Uint8Array.prototype.set.call(hostileKey, key);
  assertEquals(
    verifyKey(scheme, tree.rootHash, hostileKey, proof).status,
    "present",
  );
});

Deno.test("verify() refuses what only looks like a Uint8Array", () => {
  const posing = [
    undefined,
    null,
    0,
    "proof",
    proof.toHex(),
    [...proof],
    proof.buffer,
    new DataView(proof.buffer),
    new Uint16Array(8),
    new BigUint64Array(8),
    new Uint8ClampedArray(proof),
    { ...proof, size: proof.length },
    { length: NaN },
    { length: 7n },
    { length: -1, byteLength: 2 ** 53 },
    Object.create(Uint8Array.prototype),
    new Proxy(proof, {}),
    { [Symbol.toStringTag]: "Uint8Array", length: 3 },
  ];
  for (const input of posing) refused(() => check(input), "input");
});

Deno.test("verify() refuses limits that are no numbers", () => {
  for (const bytesMax of [NaN, -1, 0, "x", {}, 10n]) {
    const limits = { bytesMax: bytesMax as number };
    const run = (): unknown =>
      verifyKey(scheme, tree.rootHash, key, proof, limits);
    refused(run, "limit");
  }
  const limits = { bytesMax: proof.length };
  verifyKey(scheme, tree.rootHash, key, proof, limits);
});

Deno.test("verify() refuses 100 MiB and counts of 2^32 in less than a millisecond", () => {
  const huge = new Uint8Array(100 << 20);
  huge.set(proof);
  const counts = joined(
    proof.slice(0, 2),
    [255, 255, 255, 255],
    proof.slice(6),
  );
  const half = joined(proof.slice(0, 2), [0, 8, 0, 1], proof.slice(6));
  for (const bytes of [huge, counts, half]) {
    const query = { keys: [key] };
    const run = (): unknown => verify(scheme, tree.rootHash, query, bytes);
    refused(run, "limit");
    const times = Array.from({ length: 9 }, () => {
      const start = performance.now();
      refused(run, "limit");
      return performance.now() - start;
    });
    assert(Math.min(...times) < 1, `took ${Math.min(...times)} ms`);
  }
});

Deno.test("verify() recurses nowhere: the deepest tree of 8192-byte keys is read", () => {
  const prefixed = cheapSchemes[3];
  const base = new Uint8Array(1200).fill(0xaa);
  const entries = Array.from({ length: 9600 }, (_, depth) => {
    const deep = base.slice();
    deep[depth >> 3] ^= 0x80 >> (depth & 7);
    return [deep, new Uint8Array(32)] as const;
  });
  // One level of the tree for every bit, without the recursion of the model.
  let hash = prefixed.terminal(base, new Uint8Array(32), false);
  const tags: number[] = [];
  const payload: Uint8Array[] = [];
  const tail: Uint8Array[] = [];
  for (let depth = 9599; depth >= 0; depth--) {
    const other = prefixed.terminal(...entries[depth], false);
    const pair = base[depth >> 3] & 0x80 >> (depth & 7)
      ? [other, hash]
      : [hash, other];
    hash = prefixed.branch(pair[0], pair[1], base, depth, depth);
  }
  for (let depth = 0; depth < 9600; depth++) {
    const other = prefixed.terminal(...entries[depth], false);
    payload.push(new Uint8Array(2));
    if (base[depth >> 3] & 0x80 >> (depth & 7)) {
      tags.push(2, 1);
      payload.push(other);
    } else {
      tags.push(2);
      tail.push(other);
    }
  }
  tags.push(3);
  payload.push(new Uint8Array([4, 176]), base, new Uint8Array(32));
  for (const other of tail.toReversed()) {
    tags.push(1);
    payload.push(other);
  }
  const tagBytes = (tags.length + 3) >> 2;
  const packed = new Uint8Array(tagBytes);
  tags.forEach((tag, i) => packed[i >> 2] |= tag << (6 - 2 * (i & 3)));
  const size = payload.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(6 + tagBytes + size);
  bytes.set([1, prefixed.id, 0, 0, tagBytes >> 8, tagBytes & 255]);
  bytes.set(packed, 6);
  let at = 6 + tagBytes;
  for (const part of payload) {
    bytes.set(part, at);
    at += part.length;
  }
  assertEquals(verifyKey(prefixed, hash, base, bytes).status, "present");
});
