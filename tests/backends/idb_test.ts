// The backend on IndexedDB, in Deno over fake-indexeddb: the conformance suite,
// and what happens when the database fails, is dropped, or is replaced.

import { IDBObjectStore, indexedDB } from "npm:fake-indexeddb@^6";
import "npm:fake-indexeddb@^6/auto";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import {
  ClosedError,
  IoError,
  LockedError,
  StorageFullError,
  UnsupportedError,
} from "../../backends/errors.ts";
import { idb } from "../../backends/idb.ts";
import { random } from "../_amount.ts";

let databases = 0;

function freshName(): string {
  return `idb test ${++databases}`;
}

conformance("idb()", () => {
  const name = freshName();
  return { backend: idb(name), another: () => idb(name) };
}, { test: Deno.test });

/** Replaces a method while `run` runs. */
async function replacing(
  target: object,
  method: string,
  instead: (original: (...args: unknown[]) => unknown) => unknown,
  run: () => Promise<void>,
): Promise<void> {
  const original = Reflect.get(target, method);
  Reflect.set(target, method, instead(original));
  try {
    await run();
  } finally {
    Reflect.set(target, method, original);
  }
}

function failing(
  times: number,
  name: string,
): (original: (...args: unknown[]) => unknown) => unknown {
  let left = times;
  return (original) =>
    function (this: unknown, ...args: unknown[]): unknown {
      if (left-- > 0) throw new DOMException("made up", name);
      return original.apply(this, args);
    };
}

async function content(database: string, file: string): Promise<Uint8Array> {
  const backend = idb(database);
  const opened = await backend.open(file, { create: false });
  const bytes = new Uint8Array(opened.size());
  opened.read(bytes, 0);
  opened.close();
  await backend.close?.();
  return bytes;
}

Deno.test("idb().flush() saves exactly what a reopened store reads", async () => {
  const rng = random("idb flush");
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  for (let step = 0; step < 60; step++) {
    if (rng.chance(0.3)) file.truncate(rng.int(400_000));
    else file.write(rng.bytes(1 + rng.int(3000)), rng.int(390_000));
    if (!rng.chance(0.25)) continue;
    await file.flush();
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    assertEquals(await content(name, "a"), bytes);
  }
  await backend.close?.();
});

Deno.test("idb() keeps nothing that was not flushed", async () => {
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  file.write(new Uint8Array([1]), 0);
  await file.flush();
  file.write(new Uint8Array([2, 2]), 0);
  file.close();
  assertEquals(await content(name, "a"), new Uint8Array([1]));
  await backend.close?.();
});

Deno.test("idb().flush() gives StorageFullError at the quota, then works", async () => {
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  file.write(new Uint8Array(200_000).fill(1), 0);
  await replacing(
    IDBObjectStore.prototype,
    "put",
    failing(Infinity, "QuotaExceededError"),
    async () => {
      const flush = async () => await file.flush();
      const error = await assertRejects(flush, StorageFullError);
      assertEquals([error.operation, error.file], ["flush", "a"]);
      assertInstanceOf(error.cause, DOMException);
    },
  );
  assertEquals(await content(name, "a"), new Uint8Array(0), "nothing half");
  await file.flush();
  assertEquals(await content(name, "a"), new Uint8Array(200_000).fill(1));
  await backend.close?.();
});

Deno.test("idb() opens a dropped connection again and repeats once", async () => {
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  const put = (times: number, run: () => Promise<void>): Promise<void> => {
    const fail = failing(times, "InvalidStateError");
    return replacing(IDBObjectStore.prototype, "put", fail, run);
  };
  file.write(new Uint8Array([1, 2, 3]), 0);
  await put(1, async () => {
    await file.flush();
  });
  assertEquals(await content(name, "a"), new Uint8Array([1, 2, 3]));
  file.write(new Uint8Array([4]), 3);
  await put(2, async () => {
    const error = await assertRejects(async () => await file.flush(), IoError);
    assertEquals([error.operation, error.file], ["flush", "a"]);
  });
  await file.flush();
  assertEquals(await content(name, "a"), new Uint8Array([1, 2, 3, 4]));
  await put(1, async () => {
    (await backend.open("b", { create: true })).close();
  });
  assertEquals(await backend.list(), ["a", "b"]);
  await backend.close?.();
});

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}

Deno.test("idb().flush() refuses a database that was cleared or replaced", async () => {
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  file.write(new Uint8Array([1]), 0);
  await file.flush();
  await deleteDatabase(name);
  file.write(new Uint8Array([2]), 1);
  await assertRejects(async () => await file.flush(), IoError, "cleared");
  const other = idb(name);
  assertEquals(await other.list(), []);
  (await other.open("a", { create: true })).close();
  await assertRejects(async () => await file.flush(), IoError, "replaced");
  assertEquals(await content(name, "a"), new Uint8Array(0));
  await backend.close?.();
  await other.close?.();
});

Deno.test("idb() makes no database before it is asked to create", async () => {
  const name = freshName();
  const backend = idb(name);
  assertEquals(await backend.list(), []);
  await assertRejects(() => backend.open("a", { create: false }));
  await assertRejects(() => backend.remove("a"));
  await (await backend.lock()).release();
  const found = await indexedDB.databases();
  assert(found.every((database: { name?: string }) => database.name !== name));
  await backend.close?.();
});

Deno.test("idb() runs flushes in the order of their calls", async () => {
  const name = freshName();
  const backend = idb(name);
  const file = await backend.open("a", { create: true });
  const flushes: (void | Promise<void>)[] = [];
  for (let i = 0; i < 10; i++) {
    file.write(new Uint8Array([i]), i);
    flushes.push(file.flush());
  }
  file.close();
  await Promise.all(flushes);
  assertEquals(
    await content(name, "a"),
    new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
  );
  await backend.close?.();
  await assertRejects(() => backend.open("a", { create: false }), ClosedError);
});

Deno.test("idb().lock() excludes another worker", async () => {
  const name = freshName();
  const lock = await idb(name).lock();
  const source = `
    const held = await navigator.locks.request(
      ${JSON.stringify(`stemma-idb:${name}`)},
      { ifAvailable: true },
      (lock) => lock !== null,
    );
    postMessage(held);
  `;
  const url = URL.createObjectURL(new Blob([source]));
  const ask = async (): Promise<unknown> => {
    const worker = new Worker(url, { type: "module" });
    const answer = await new Promise((resolve) => {
      worker.onmessage = (event) => resolve(event.data);
    });
    worker.terminate();
    return answer;
  };
  assertEquals(await ask(), false);
  await assertRejects(() => idb(name).lock(), LockedError, "another tab");
  await lock.release();
  assertEquals(await ask(), true);
  URL.revokeObjectURL(url);
});

Deno.test("idb() says so where there is no IndexedDB", async () => {
  const factory = Reflect.get(globalThis, "indexedDB");
  Reflect.deleteProperty(globalThis, "indexedDB");
  try {
    const open = () => idb("nowhere").open("a", { create: true });
    await assertRejects(open, UnsupportedError, "no IndexedDB");
  } finally {
    Object.defineProperty(globalThis, "indexedDB", {
      value: factory,
      configurable: true,
      writable: true,
    });
  }
});
