// This module is browser compatible.
//
// What computes hashes where: kernels need a policy that allows WebAssembly, the
// second thread an isolated page and a worker that the policy allows.

import { assertEquals } from "@std/assert";
import { memoryBackend, open, type OpenOptions } from "../../../mod.ts";
import { offer } from "../_offer.ts";

/** Enough to be worth two threads. */
const COUNT = 3000;
const PATIENCE_MS = 20_000;

/** 32 bytes that are spread well. */
function keyOf(i: number): Uint8Array {
  const key = new Uint32Array(8);
  return new Uint8Array(
    key.map((_, j) => Math.imul(i ^ i >>> 15, 0x2c1b3c6d + 2 * j) ^ i).buffer,
  );
}

/** The root of some state, and what hashed for it once workers had time to start. */
async function rootWith(
  options: OpenOptions,
  wanted: string,
): Promise<[engine: string, root: string]> {
  await using db = await open(memoryBackend(), {
    cacheBytes: 1 << 23,
    scheme: "nomt-sha256",
    ...options,
  });
  const until = performance.now() + PATIENCE_MS;
  while (db.metrics().hasher !== wanted && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  using session = db.begin();
  for (let i = 0; i < COUNT; i++) session.set(keyOf(i), keyOf(~i));
  await session.prepare().commit();
  return [db.metrics().hasher, db.root.toHex()];
}

function secondThreadWorker(): Worker {
  return new Worker("/second_thread.js", { type: "module" });
}

interface Case {
  readonly name: string;
  readonly engine: string;
  options(): OpenOptions;
}

const CASES: Readonly<Record<string, readonly Case[]>> = {
  strict: [{
    name: "open() hashes in JavaScript where WebAssembly is forbidden",
    engine: "js",
    options: () => ({ threads: 2 }),
  }],
  plain: [{
    name: "open() uses one thread on a page that is not isolated",
    engine: "wasm-simd",
    options: () => ({ threads: 2, secondThreadWorker: secondThreadWorker() }),
  }],
  worker: [{
    name: "open() uses two threads on an isolated page",
    engine: "wasm-simd+threads",
    options: () => ({ threads: 2, secondThreadWorker: secondThreadWorker() }),
  }, {
    name: "open() uses one thread where inline workers are forbidden",
    engine: "wasm-simd",
    options: () => ({ threads: 2 }),
  }],
};

const { pathname } = globalThis.location;
// A worker's own address is that of its script.
const where = "document" in globalThis ? pathname.split("/")[1] : "worker";

offer(CASES[where].map(({ name, engine, options }) => ({
  name,
  async run() {
    const [, root] = await rootWith({ hasher: "js" }, "js");
    assertEquals(await rootWith(options(), engine), [engine, root]);
  },
})));
