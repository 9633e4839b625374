// The wrapper around the native add-on, with a stand-in for the add-on: it is an
// optional part that this package does not install. `bench/kernels.ts` runs the
// real one where there is one.

import { sha256 } from "@noble/hashes/sha2.js";
import { assert, assertEquals } from "@std/assert";
import {
  hashtreeHasher,
  type HashtreeModule,
} from "../../src/hash/hashtree_hasher.ts";
import { jsHasher } from "../../src/hash/js_hasher.ts";
import { OP_PAIR, OP_WORDS } from "../../src/hash/ops.ts";
import { random } from "../_amount.ts";
import { batchBytes, fillBatch, LIST_AT } from "./_batch.ts";

const scheme = {
  hashName: "sha256",
  hash: (message: Uint8Array): Uint8Array => sha256(message),
};

const standIn: HashtreeModule = {
  hashInto(input: Uint8Array, output: Uint8Array): void {
    for (let i = 0; i < input.length / 64; i++) {
      output.set(sha256(input.subarray(64 * i, 64 * i + 64)), 32 * i);
    }
  },
};

Deno.test("hashtreeHasher() equals jsHasher() for every op", () => {
  const r = random("hashtree");
  for (let op = 0; op < OP_WORDS.length; op++) {
    for (const count of [1, 5, 700]) {
      const buffer = new ArrayBuffer(batchBytes(count));
      fillBatch(buffer, op, count, r);
      const plain = buffer.slice(0);
      const inner = jsHasher(buffer, scheme);
      const hasher = hashtreeHasher(buffer, standIn, inner, scheme.hash);
      assert(hasher !== undefined);
      hasher.hashBatch(op, LIST_AT, count);
      jsHasher(plain, scheme).hashBatch(op, LIST_AT, count);
      const want = new Uint8Array(plain);
      assert(new Uint8Array(buffer).every((b, i) => b === want[i]));
      assertEquals(hasher.hashes, count);
    }
  }
});

Deno.test("hashtreeHasher() is undefined when the add-on fails or errs", () => {
  const buffer = new ArrayBuffer(batchBytes(1));
  const inner = jsHasher(buffer, scheme);
  const broken: HashtreeModule[] = [
    { hashInto: () => undefined },
    {
      hashInto: () => {
        throw new Error("no add-on here");
      },
    },
  ];
  for (const module of broken) {
    assertEquals(
      hashtreeHasher(buffer, module, inner, scheme.hash),
      undefined,
    );
  }
  const hasher = hashtreeHasher(buffer, standIn, inner, scheme.hash)!;
  assertEquals(hasher.engine, "hashtree");
  fillBatch(buffer, OP_PAIR, 1, random("hashtree one"));
  hasher.hashBatch(OP_PAIR, LIST_AT, 0);
  assertEquals(hasher.hashes, 0);
});
