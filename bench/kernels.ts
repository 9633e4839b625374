// Speed of the hash kernels against @noble/hashes, in one run:
//
//     deno run --allow-read --allow-env bench/kernels.ts
//
// With `deno run -A --no-lock bench/kernels.ts --hashtree` the native add-on
// `@chainsafe/hashtree` is measured as well. Times are the best of several passes over lists of 20,000
// entries spread over the pool; the ratio is what counts, machines differ.

import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import {
  hashtreeHasher,
  type HashtreeModule,
} from "../src/hash/hashtree_hasher.ts";
import { jsHasher } from "../src/hash/js_hasher.ts";
import {
  type BatchHasher,
  type Checksums,
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
  OP_VALUE,
  OP_WORDS,
} from "../src/hash/ops.ts";
import { secondThread } from "../src/hash/threads.ts";
import {
  type KernelScheme,
  RESERVED_BYTES,
  wasmHasher,
} from "../src/hash/wasm_hasher.ts";

const ENTRIES = 20_000;
const ENTRIES_JS = 2_000;
const AREA_BYTES = 192;
const RESERVED_AT = 1024;
const LIST_AT = (RESERVED_AT + RESERVED_BYTES + 63) & ~63;
const DATA_AT = LIST_AT + ENTRIES * 32;
const PASSES = 12;

interface Subject {
  readonly scheme: KernelScheme;
  readonly ops: readonly (readonly [string, number])[];
}

const subjects: Subject[] = [
  {
    scheme: { hashName: "blake3", hash: (message) => blake3(message) },
    ops: [
      ["pair", OP_PAIR],
      ["NOMT branch", OP_PAIR_TOP_CLEARED],
      ["NOMT leaf", OP_PAIR_TOP_SET],
      ["32-byte value", OP_VALUE],
      ["EIP-8297 leaf, 32-byte key", OP_EIP8297_LEAF],
      ["EIP-8297 branch, 4 bits", OP_EIP8297_BRANCH],
    ],
  },
  {
    scheme: { hashName: "sha256", hash: (message) => sha256(message) },
    ops: [
      ["pair", OP_PAIR],
      ["stem", OP_STEM],
      ["32-byte value", OP_VALUE],
    ],
  },
  {
    scheme: {
      hashName: "blake2b-256",
      hash: (message) => blake2b(message, { dkLen: 32 }),
    },
    ops: [
      ["JAM branch", OP_PAIR_LEFT_MASKED],
      ["JAM leaf", OP_JAM_LEAF],
      ["32-byte value", OP_VALUE],
    ],
  },
];

/** Writes a list whose entries lie in shuffled areas. */
function writeList(words: Uint32Array, op: number): void {
  for (let i = 0; i < ENTRIES; i++) {
    const area = DATA_AT + AREA_BYTES * ((i * 7919) % ENTRIES);
    const out = area + 128;
    const at = LIST_AT / 4 + OP_WORDS[op] * i;
    words.set([area, area + 32, out], at);
    if (op === OP_VALUE) words[at + 1] = 32;
    if (op === OP_JAM_LEAF) words.set([20, out], at + 2);
    if (op === OP_EIP8297_LEAF) words.set([area, 32, area + 32, out], at);
    if (op === OP_EIP8297_BRANCH) {
      words.set([area, 13, 4, area + 32, area + 64, out], at);
    }
  }
}

/** Nanoseconds an entry: the best of several passes. */
function measure(hasher: BatchHasher, op: number, entries: number): number {
  let best = Infinity;
  for (let pass = 0; pass < PASSES; pass++) {
    const start = performance.now();
    hasher.hashBatch(op, LIST_AT, entries);
    best = Math.min(best, performance.now() - start);
  }
  return best / entries * 1e6;
}

function row(label: string, ours: number, noble: number): void {
  const cells = [
    label.padEnd(40),
    `${ours.toFixed(1)} ns`.padStart(10),
    `${(1e3 / ours).toFixed(2)} M/s`.padStart(11),
    `${noble.toFixed(0)} ns`.padStart(9),
    `${(noble / ours).toFixed(1)} x`.padStart(9),
  ];
  console.log(cells.join(" "));
}

async function loadHashtree(): Promise<HashtreeModule | undefined> {
  if (!Deno.args.includes("--hashtree")) return undefined;
  const name = "npm:@chainsafe/hashtree@^1.0.2"; // Not an import to be locked.
  try {
    const module: HashtreeModule = await import(name);
    return module;
  } catch {
    return undefined; // No permission, or no add-on for this system.
  }
}

function long(hasher: BatchHasher, scheme: KernelScheme): void {
  const message = new Uint8Array(1 << 20).fill(7);
  const time = (run: () => void): number => {
    let best = Infinity;
    for (let pass = 0; pass < PASSES; pass++) {
      const start = performance.now();
      run();
      best = Math.min(best, performance.now() - start);
    }
    return best * 1e6 / message.length;
  };
  const ours = time(() => hasher.digest(message, DATA_AT));
  const noble = time(() => void scheme.hash(message));
  const rate = `${(1e3 / ours).toFixed(0)} MB/s`;
  console.log(
    `${scheme.hashName} 1 MiB from outside`.padEnd(40),
    rate.padStart(22),
    `${(1e3 / noble).toFixed(0)} MB/s`.padStart(9),
    `${(noble / ours).toFixed(1)} x`.padStart(9),
  );
}

function memoryOf(shared: boolean): WebAssembly.Memory {
  const pages = Math.ceil((DATA_AT + ENTRIES * AREA_BYTES) / 65536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
}

/** One thread against two on pairs, both warm. */
async function threads({ scheme }: Subject): Promise<void> {
  const memory = memoryOf(true);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme);
  writeList(new Uint32Array(memory.buffer), OP_PAIR);
  if (hasher === undefined) return;
  using thread = secondThread(hasher, memory, RESERVED_AT);
  for (let i = 0; i < 1000 && thread?.isReady === false; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const one = measure(hasher, OP_PAIR, ENTRIES);
  thread?.begin();
  const two = measure(hasher, OP_PAIR, ENTRIES);
  thread?.end();
  console.log(
    `${scheme.hashName} pair, ${hasher.engine}`.padEnd(40),
    `${two.toFixed(1)} ns`.padStart(10),
    `${(1e3 / two).toFixed(2)} M/s`.padStart(11),
    `${(one / two).toFixed(2)} x one thread`.padStart(19),
  );
}

async function main(): Promise<void> {
  const memory = memoryOf(false);
  const words = new Uint32Array(memory.buffer);
  const hashtree = await loadHashtree();
  console.log(" ".repeat(40), "ours".padStart(21), "noble".padStart(9));
  for (const { scheme, ops } of subjects) {
    const hasher = wasmHasher(memory, RESERVED_AT, scheme);
    if (hasher === undefined) throw new Error("WebAssembly SIMD is missing");
    const plain = jsHasher(memory.buffer, scheme);
    for (const [label, op] of ops) {
      writeList(words, op);
      const noble = measure(plain, op, ENTRIES_JS);
      const ours = measure(hasher, op, ENTRIES);
      row(`${scheme.hashName} ${label}`, ours, noble);
      if (op !== OP_PAIR || scheme.hashName !== "sha256") continue;
      const native = hashtree &&
        hashtreeHasher(memory.buffer, hashtree, hasher, scheme.hash);
      if (native === undefined) continue;
      row(
        "sha256 pair, @chainsafe/hashtree",
        measure(native, op, ENTRIES),
        noble,
      );
    }
    long(hasher, scheme);
  }
  for (const subject of subjects) await threads(subject);
  const sum = new Uint32Array(2);
  const checksums = (hasher: Checksums): number => {
    const start = performance.now();
    for (let i = 0; i < 2000; i++) hasher.checksum(DATA_AT, 4096, i, 0, sum);
    return (performance.now() - start) / 2000 * 1e6;
  };
  const [hasher, plain] = [
    wasmHasher(memory, RESERVED_AT, subjects[0].scheme)!,
    jsHasher(memory.buffer, subjects[0].scheme),
  ];
  for (let i = 0; i < 3; i++) checksums(hasher), checksums(plain);
  const [ours, js] = [checksums(hasher), checksums(plain)];
  console.log(
    `XXH64 of 4 KiB: ${ours.toFixed(0)} ns; in JavaScript ${js.toFixed(0)} ns`,
  );
}

if (import.meta.main) await main();
