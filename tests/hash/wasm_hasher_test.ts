// The kernels against the JavaScript hasher (whole memories compared, so stray
// writes show) and against @noble/hashes and published vectors.

import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { jsHasher } from "../../src/hash/js_hasher.ts";
import {
  type BatchHasher,
  type Checksums,
  COPY_WORDS,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_VALUE,
  OP_WORDS,
} from "../../src/hash/ops.ts";
import {
  type KernelScheme,
  RESERVED_BYTES,
  wasmHasher,
} from "../../src/hash/wasm_hasher.ts";
import { xxh64 } from "../../src/hash/xxh64.ts";
import { amount, random } from "../_amount.ts";
import {
  areasAt,
  batchBytes,
  fillBatch,
  LIST_AT,
  memoryOf,
  RESERVED_AT,
} from "./_batch.ts";

const schemes: KernelScheme[] = [
  { hashName: "blake3", hash: (message) => blake3(message) },
  { hashName: "sha256", hash: (message) => sha256(message) },
  {
    hashName: "blake2b-256",
    hash: (message) => blake2b(message, { dkLen: 32 }),
  },
];

function kernels(
  memory: WebAssembly.Memory,
  scheme: KernelScheme,
): BatchHasher & Checksums {
  const hasher = wasmHasher(memory, RESERVED_AT, scheme);
  assert(hasher !== undefined, `no kernels for ${scheme.hashName}`);
  return hasher;
}

/** Runs one random batch with both hashers and compares all memory after it. */
function compareBatch(
  scheme: KernelScheme,
  op: number,
  counts: readonly number[],
  shared: boolean,
): void {
  const most = Math.max(...counts);
  const memory = memoryOf(batchBytes(most), shared);
  const hasher = kernels(memory, scheme);
  const r = random(`batch ${scheme.hashName} ${op}`);
  for (const count of counts) {
    fillBatch(memory.buffer, op, count, r);
    const after = new Uint8Array(memory.buffer, LIST_AT);
    const plain = new Uint8Array(memory.buffer).slice().buffer;
    jsHasher(plain, scheme).hashBatch(op, LIST_AT, count);
    hasher.hashBatch(op, LIST_AT, count);
    const at = firstDifference(new Uint8Array(plain, LIST_AT), after);
    assertEquals(at, -1, `op ${op}, ${count} entries`);
  }
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

for (const scheme of schemes) {
  const name = scheme.hashName;
  Deno.test(`wasmHasher() equals jsHasher() on ${name} batches and tails`, () => {
    for (let op = 0; op < OP_WORDS.length; op++) {
      compareBatch(scheme, op, [0, 1, 2, 3, 4, 5, 6, 7, 9], false);
      compareBatch(scheme, op, [amount(10_000)], op % 2 === 1);
    }
  });

  Deno.test(`wasmHasher() hashes ${name} values of every length to 5000`, () => {
    const lengths = Array.from({ length: 5001 }, (_, i) => i);
    checkValues(scheme, random(`lengths ${name}`).shuffle(lengths));
  });

  Deno.test(`wasmHasher() hashes long ${name} values among short ones`, () => {
    const r = random(`long ${name}`);
    const lengths = [32, 65535, 65536, 65537, 32, 131_072, 196_609, 0];
    for (let i = 0; i < 12; i++) lengths.push(r.int(300), r.int(1 << 18));
    checkValues(scheme, [...lengths, 1 << 20]);
  });

  Deno.test(`wasmHasher() digests ${name} messages of up to 8 MiB`, () => {
    const memory = memoryOf(LIST_AT + 64, false);
    const hasher = kernels(memory, scheme);
    const bytes = random(`digest ${name}`).bytes((8 << 20) + 1);
    const edges = [0, 1, 55, 56, 64, 128, 1024, 1025, 65536, 65472, 131_072]
      .flatMap((n) => [n, n + 1]);
    for (const length of [...edges, 300_000, 1_234_567, 8 << 20]) {
      const message = bytes.subarray(1, 1 + length);
      hasher.digest(message, LIST_AT + 3);
      const ours = new Uint8Array(memory.buffer, LIST_AT + 3, 32);
      assertEquals(hex(ours), hex(scheme.hash(message)), `${length} bytes`);
    }
  });

  Deno.test(`wasmHasher() reads ${name} values at the end of memory`, () => {
    const memory = memoryOf(1 << 19, false);
    const hasher = kernels(memory, scheme);
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(random(`end ${name}`).bytes(4096), bytes.length - 4096);
    for (let length = 0; length <= 70; length++) {
      const words = new Uint32Array(memory.buffer);
      const at = bytes.length - length;
      words.set([at, length, LIST_AT + 64], LIST_AT / 4);
      hasher.hashBatch(OP_VALUE, LIST_AT, 1);
      const ours = bytes.subarray(LIST_AT + 64, LIST_AT + 96);
      assertEquals(hex(ours), hex(scheme.hash(bytes.subarray(at))));
      if (length > 32) continue;
      const plain = bytes.slice().buffer;
      const leaf = [LIST_AT + 128, at, length, LIST_AT + 64];
      words.set(leaf, LIST_AT / 4);
      new Uint32Array(plain).set(leaf, LIST_AT / 4);
      hasher.hashBatch(OP_JAM_LEAF, LIST_AT, 1);
      jsHasher(plain, scheme).hashBatch(OP_JAM_LEAF, LIST_AT, 1);
      assertEquals(hex(ours), hex(new Uint8Array(plain, LIST_AT + 64, 32)));
    }
  });
}

/** Hashes values of these lengths in one list, at odd offsets. */
function checkValues(scheme: KernelScheme, lengths: number[]): void {
  const data = random(`values ${scheme.hashName}`).bytes(1 << 21);
  const dataAt = areasAt(lengths.length) + lengths.length * 32;
  const memory = memoryOf(dataAt + data.length, false);
  const hasher = kernels(memory, scheme);
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  bytes.set(data, dataAt);
  const outAt = (i: number): number => areasAt(lengths.length) + 32 * i;
  const fromAt = (i: number): number => (i * 7919) % (1 << 20);
  lengths.forEach((length, i) => {
    words.set([dataAt + fromAt(i), length, outAt(i)], LIST_AT / 4 + 3 * i);
  });
  hasher.hashBatch(OP_VALUE, LIST_AT, lengths.length);
  assertEquals(hasher.hashes >= lengths.length, true);
  lengths.forEach((length, i) => {
    const from = fromAt(i);
    const want = scheme.hash(data.subarray(from, from + length));
    const ours = bytes.subarray(outAt(i), outAt(i) + 32);
    if (firstDifference(want, ours) >= 0) {
      assertEquals(hex(ours), hex(want), `${length} bytes`);
    }
  });
}

Deno.test("wasmHasher() gives published vectors", () => {
  const vectors: [string, string, string][] = [
    [
      "blake3",
      "",
      "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    ],
    [
      "blake3",
      "abc",
      "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    ],
    [
      "sha256",
      "",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ],
    [
      "sha256",
      "abc",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ],
    [
      "blake2b-256",
      "",
      "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
    ],
    [
      "blake2b-256",
      "abc",
      "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
    ],
  ];
  for (const [name, message, want] of vectors) {
    const scheme = schemes.find((s) => s.hashName === name)!;
    const memory = memoryOf(LIST_AT + 64, true);
    kernels(memory, scheme).digest(new TextEncoder().encode(message), LIST_AT);
    assertEquals(hex(new Uint8Array(memory.buffer, LIST_AT, 32).slice()), want);
  }
});

Deno.test("wasmHasher() gives the XXH64 of the JavaScript version", () => {
  const memory = memoryOf(LIST_AT + 8192, false);
  const bytes = new Uint8Array(memory.buffer);
  const r = random("checksum");
  bytes.set(r.bytes(8192), LIST_AT);
  const [ours, want] = [new Uint32Array(2), new Uint32Array(2)];
  for (const scheme of schemes) {
    const hasher = kernels(memory, scheme);
    const plain = jsHasher(memory.buffer, scheme);
    for (let length = 0; length < 600; length++) {
      const at = LIST_AT + r.int(64), low = r.u32(), high = r.u32();
      hasher.checksum(at, length, low, high, ours);
      plain.checksum(at, length, low, high, want);
      assertEquals(ours, want);
    }
    hasher.checksum(LIST_AT, 8192, 0, 0, ours);
    xxh64(bytes, LIST_AT, LIST_AT + 8192, 0, 0, want);
    assertEquals(ours, want);
    // Bytes elsewhere go through the hasher's area, in parts of 64 KiB.
    for (const around of [0, 1, 32, 1 << 16, 2 << 16, 3 << 16]) {
      for (let length = around - 40; length < around + 40; length++) {
        if (length < 0) continue;
        const message = r.bytes(length), low = r.u32(), high = r.u32();
        hasher.checksumOf(message, low, high, ours);
        xxh64(message, 0, length, low, high, want);
        assertEquals(ours, want);
        plain.checksumOf(message, low, high, ours);
        assertEquals(ours, want);
      }
    }
  }
});

Deno.test("copySummed() copies whole pieces with their checksums in both engines", () => {
  const most = 10, pieceBytes = [64, 512, 4096];
  const from = LIST_AT + 4 * COPY_WORDS * most, to = from + most * 4096;
  const memory = memoryOf(to + (most + 1) * 4096, false);
  const words = new Uint32Array(memory.buffer);
  const r = random("copies"), sum = new Uint32Array(2), [scheme] = schemes;
  const engines = [kernels(memory, scheme), jsHasher(memory.buffer, scheme)];
  for (const [engine, hasher] of engines.entries()) {
    for (let count = 0; count <= most; count++) {
      const length = r.pick(pieceBytes);
      new Uint8Array(memory.buffer).set(r.bytes(most * 4096), from);
      const before = new Uint8Array(memory.buffer).slice();
      const order = r.shuffle([...Array(count).keys()]), seeds: number[][] = [];
      for (const [i, k] of order.entries()) {
        seeds.push([r.u32(), r.u32()]);
        const entry = [from + k * length, to + i * length, ...seeds[i]];
        words.set(entry, LIST_AT / 4 + COPY_WORDS * i);
      }
      hasher.copySummed(LIST_AT, count, length);
      const expected = before.slice(to);
      for (const [i, k] of order.entries()) {
        const start = from + k * length, end = start + length;
        expected.set(before.subarray(start, end), i * length);
        xxh64(before, start, end, seeds[i][0], seeds[i][1], sum);
        const at = LIST_AT / 4 + COPY_WORDS * i + 4;
        assertEquals(words.slice(at, at + 2), sum);
      }
      const copied = new Uint8Array(memory.buffer, to);
      const text = `engine ${engine}, ${count} pieces of ${length} bytes`;
      assertEquals(firstDifference(copied, expected), -1, text);
    }
  }
});

Deno.test("wasmHasher() is refused by a scheme whose hash only claims the name", () => {
  const memory = memoryOf(LIST_AT, false);
  const scheme = { hashName: "blake3", hash: () => new Uint8Array(32) };
  assertEquals(wasmHasher(memory, RESERVED_AT, scheme), undefined);
  const unknown = { hashName: "cheap", hash: () => new Uint8Array(32) };
  assertEquals(wasmHasher(memory, RESERVED_AT, unknown), undefined);
});

Deno.test("wasmHasher() throws when its area is not aligned or not there", () => {
  const memory = memoryOf(1 << 17, false);
  const end = memory.buffer.byteLength;
  assertThrows(() => wasmHasher(memory, 1028, schemes[0]), RangeError);
  const late = (end - RESERVED_BYTES + 15) & ~15;
  assertThrows(() => wasmHasher(memory, late + 16, schemes[0]), RangeError);
});

Deno.test("hashBatch() throws when the op is unknown", () => {
  const memory = memoryOf(LIST_AT, false);
  const hasher = kernels(memory, schemes[0]);
  assertThrows(() => hasher.hashBatch(99, LIST_AT, 1), RangeError);
  const plain = jsHasher(memory.buffer, schemes[0]);
  assertThrows(() => plain.hashBatch(99, LIST_AT, 1), RangeError);
});

Deno.test("hashBatch() counts messages in every engine", () => {
  const memory = memoryOf(batchBytes(9), false);
  fillBatch(memory.buffer, OP_PAIR, 9, random("count"));
  const plain = jsHasher(memory.buffer, schemes[0]);
  for (const hasher of [kernels(memory, schemes[0]), plain]) {
    const before = hasher.hashes;
    hasher.hashBatch(OP_PAIR, LIST_AT, 9);
    hasher.digest(new Uint8Array(5000), areasAt(9));
    assertEquals(hasher.hashes - before, 10);
  }
});
