// A second thread must never change a byte, whoever takes which part.

import { blake3 } from "@noble/hashes/blake3.js";
import { assert, assertEquals } from "@std/assert";
import { jsHasher } from "../../src/hash/js_hasher.ts";
import { MAILBOX_AT } from "../../src/hash/kernel_layout.ts";
import { OP_PAIR, OP_WORDS } from "../../src/hash/ops.ts";
import {
  QUEUE_BYTES,
  type SecondThread,
  secondThread,
} from "../../src/hash/threads.ts";
import { wasmHasher } from "../../src/hash/wasm_hasher.ts";
import { random } from "../_amount.ts";
import {
  batchBytes,
  fillBatch,
  LIST_AT,
  memoryOf,
  RESERVED_AT,
} from "./_batch.ts";

const scheme = {
  hashName: "blake3",
  hash: (message: Uint8Array): Uint8Array => blake3(message),
};
const COUNT = 3000;
const ownWorker = new URL("./_thread_worker.ts", import.meta.url);

async function untilReady(thread: SecondThread): Promise<void> {
  for (let i = 0; i < 2000 && !thread.isReady; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert(thread.isReady, "the worker does not start");
}

/** One batch of an op with both threads; all memory as with one in JavaScript. */
function checkBatch(
  memory: WebAssembly.Memory,
  hasher: ReturnType<typeof wasmHasher>,
  op: number,
): void {
  fillBatch(memory.buffer, op, COUNT, random(`threads ${op}`));
  const plain = new Uint8Array(memory.buffer).slice();
  jsHasher(plain.buffer, scheme).hashBatch(op, LIST_AT, COUNT);
  hasher!.hashBatch(op, LIST_AT, COUNT);
  const after = new Uint8Array(memory.buffer);
  const from = LIST_AT;
  assert(after.subarray(from).every((byte, i) => byte === plain[from + i]));
}

Deno.test("secondThread() gives the bytes of one thread for every op", async () => {
  const memory = memoryOf(batchBytes(COUNT), true);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme)!;
  using thread = secondThread(hasher, memory, RESERVED_AT);
  assert(thread !== undefined);
  await untilReady(thread);
  assertEquals(hasher.engine, "wasm-simd+threads");
  for (let op = 0; op < OP_WORDS.length; op++) {
    thread.begin();
    checkBatch(memory, hasher, op);
    thread.end();
    checkBatch(memory, hasher, op);
  }
  thread.close();
  assertEquals(hasher.engine, "wasm-simd");
  checkBatch(memory, hasher, OP_PAIR);
});

Deno.test("secondThread() gives the same bytes over many batches in a row", async () => {
  const memory = memoryOf(batchBytes(COUNT), true);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme)!;
  using thread = secondThread(hasher, memory, RESERVED_AT);
  assert(thread !== undefined);
  await untilReady(thread);
  fillBatch(memory.buffer, OP_PAIR, COUNT, random("threads many"));
  const plain = new Uint8Array(memory.buffer).slice();
  const one = jsHasher(plain.buffer, scheme);
  thread.begin();
  // In-place entries make each batch depend on the one before.
  for (let i = 0; i < 20; i++) hasher.hashBatch(OP_PAIR, LIST_AT, COUNT - i);
  for (let i = 0; i < 20; i++) one.hashBatch(OP_PAIR, LIST_AT, COUNT - i);
  const after = new Uint8Array(memory.buffer, LIST_AT);
  assert(after.every((byte, i) => byte === plain[LIST_AT + i]));
});

Deno.test("secondThread() works with a worker of the application's own", async () => {
  const memory = memoryOf(batchBytes(COUNT), true);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme)!;
  const worker = new Worker(ownWorker, { type: "module" });
  using thread = secondThread(hasher, memory, RESERVED_AT, worker);
  assert(thread !== undefined);
  thread.begin();
  checkBatch(memory, hasher, OP_PAIR);
  await untilReady(thread);
  thread.begin();
  checkBatch(memory, hasher, OP_PAIR);
});

Deno.test("hashLater() refuses more pages than a slot of the queue has room for", async () => {
  const queueAt = LIST_AT + 65536, pageAt = queueAt + QUEUE_BYTES;
  const memory = memoryOf(pageAt + 4096, true);
  const nomt = { ...scheme, family: "nomt" } as const;
  const hasher = wasmHasher(memory, RESERVED_AT, nomt)!;
  const queue = { at: queueAt, bytes: QUEUE_BYTES };
  using thread = secondThread(hasher, memory, RESERVED_AT, undefined, queue)!;
  await untilReady(thread);
  // A page of zeros has no dirty node.
  const pages = (count: number) => new Array<number>(count).fill(pageAt);
  const words = new Uint32Array(memory.buffer, queueAt, QUEUE_BYTES / 4);
  const frames = [pageAt, pageAt + 4096, 4095];
  assert(!thread.hashLater("nomt", pages(1), frames), "it is asleep");
  thread.begin();
  assert(!thread.hashLater("nomt", pages(60), frames));
  assert(words.every((word) => word === 0));
  for (let i = 0; i < 600; i++) {
    assert(thread.hashLater("nomt", pages(59), frames));
  }
  thread.finishGroups();
  assertEquals(hasher.hashes, 9);
  thread.end();
});

// Words of the mailbox.
const [READY, POSTED, TAKEN, ENDED] = [0, 10, 11, 12];

/** A second thread, awake, whose worker is the test itself. */
function byHand() {
  const queueAt = LIST_AT + 65536, pageAt = queueAt + QUEUE_BYTES;
  const memory = memoryOf(pageAt + 2 * 4096, true);
  const nomt = { ...scheme, family: "nomt" } as const;
  const hasher = wasmHasher(memory, RESERVED_AT, nomt)!;
  const queue = { at: queueAt, bytes: QUEUE_BYTES };
  const idle = { postMessage: () => {}, terminate: () => {} };
  const worker = idle as unknown as Worker;
  const thread = secondThread(hasher, memory, RESERVED_AT, worker, queue)!;
  const words = new Int32Array(memory.buffer, RESERVED_AT + MAILBOX_AT, 16);
  const slots = new Int32Array(memory.buffer, queueAt);
  words[READY] = 1;
  thread.begin();
  return { thread, words, slots, pageAt };
}

Deno.test("finish() sees two groups that end while it looks for one to take", () => {
  const { thread: made, words, slots, pageAt } = byHand();
  using thread = made;
  // Groups without a page.
  const tickets = [1, 2].map(() => thread.editLater("nomt", pageAt)!);
  const { load } = Atomics;
  Atomics.load = ((array: Int32Array, index: number) => {
    if (array.length === words.length && index === TAKEN) {
      for (; words[TAKEN] < words[POSTED]; words[TAKEN]++, words[ENDED]++) {
        slots[64 * words[TAKEN]] = -1;
      }
    }
    return load(array, index);
  }) as typeof load;
  // Nobody ends a third group: who waits for one throws after half a minute.
  try {
    thread.finish(tickets[0]);
    thread.finish(tickets[1]);
  } finally {
    Atomics.load = load;
  }
  thread.end();
});

Deno.test("a group of pages begins when the groups before it are done", () => {
  const { thread: made, words, slots, pageAt } = byHand();
  using thread = made;
  thread.editLater("nomt", pageAt + 4096);
  thread.hashLater("nomt", [pageAt], [pageAt, pageAt + 4096, 4095]);
  // The worker, which is this test, has taken the first group and is slow.
  words[TAKEN] = 1;
  const { load } = Atomics;
  let looks = 0;
  Atomics.load = ((array: Int32Array, index: number) => {
    if (array.length === words.length && index === ENDED && ++looks === 9) {
      assertEquals(words[TAKEN], 1, "the second group waits");
      slots[0] = -1;
      words[ENDED] = 1;
    }
    return load(array, index);
  }) as typeof load;
  try {
    thread.finishGroups();
  } finally {
    Atomics.load = load;
  }
  assertEquals([words[TAKEN], words[ENDED]], [2, 2]);
  thread.end();
});

Deno.test("secondThread() is undefined when memory is not shared", () => {
  const memory = memoryOf(batchBytes(1), false);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme)!;
  assertEquals(secondThread(hasher, memory, RESERVED_AT), undefined);
  assertEquals(hasher.engine, "wasm-simd");
});

Deno.test("close() of a second thread does nothing the second time", () => {
  const memory = memoryOf(batchBytes(1), true);
  const hasher = wasmHasher(memory, RESERVED_AT, scheme)!;
  const thread = secondThread(hasher, memory, RESERVED_AT)!;
  thread.close();
  thread.close();
  thread.begin();
  thread.end();
  assertEquals(hasher.engine, "wasm-simd");
});
