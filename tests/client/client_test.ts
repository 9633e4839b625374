// The client over a message channel: every call of the store's API, in order
// and batched, errors with their classes, giving up, pausing, and the end.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  IoError,
  LockedError,
  StorageFullError,
} from "../../backends/errors.ts";
import { memoryBackend, MemoryDisk } from "../../backends/memory.ts";
import {
  NotRetainedError,
  open,
  StaleSessionError,
  type StorageBackend,
  UsedUpError,
} from "../../mod.ts";
import { receiveError, sendError } from "../../src/client/errors.ts";
import {
  connect,
  DisconnectedError,
  type RemoteStore,
} from "../../src/client/mod.ts";
import { type ServeOptions, serveStore } from "../../src/client/worker.ts";
import { verifyKey, verifyWitness } from "@stemma/verify";
import { nomtBlake3 } from "../../verify/nomt_blake3.ts";

const OPTIONS = { cacheBytes: 1 << 20 } as const;

function key(i: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
  new DataView(bytes.buffer).setUint32(4, i);
  return bytes;
}

function value(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

/** Serves a store over a channel to a client, and counts messages. */
async function withStore(
  run: (store: RemoteStore, sent: { requests: number }) => Promise<void>,
  backend: StorageBackend = memoryBackend(),
  options: ServeOptions = {},
): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const sent = { requests: 0 };
  const counted = {
    postMessage(message: unknown, transfer: Transferable[]) {
      sent.requests++;
      port2.postMessage(message, transfer);
    },
    addEventListener: port2.addEventListener.bind(port2),
    removeEventListener: port2.removeEventListener.bind(port2),
    start: () => port2.start(),
  };
  const served = serveStore(backend, { ...OPTIONS, port: port1, ...options });
  try {
    const store = await connect(counted as unknown as MessagePort);
    await run(store, sent);
    await store.close();
  } finally {
    await served.close().catch(() => {});
    port1.close();
    port2.close();
  }
}

async function commit(
  store: RemoteStore,
  writes: readonly [Uint8Array, Uint8Array | undefined][],
  meta?: Uint8Array,
): Promise<void> {
  using session = store.begin();
  for (const [k, v] of writes) {
    if (v === undefined) session.delete(k);
    else session.set(k, v);
  }
  await (await session.prepare()).commit(meta === undefined ? {} : { meta });
}

Deno.test("connect() gives a store with the API of an open one", async () => {
  const disk = new MemoryDisk();
  await withStore(async (store) => {
    assertEquals(store.schemeName, "nomt-blake3");
    await commit(store, [[key(1), value(1)], [key(2), value(2)]], value(9));
    const head = await store.head();
    assertEquals(head.sequence, 1);
    assertEquals(head.meta, value(9));
    assertEquals(await store.root(), head.root);
    assertEquals(await store.get(key(1)), value(1));
    assertEquals(await store.get(key(3)), undefined);
    assertEquals(await store.has(key(2)), true);
    assertEquals(await store.has(key(3)), false);
    assertEquals(
      await store.getMany([key(2), key(3), key(1)]),
      [value(2), undefined, value(1)],
    );
    await commit(store, [[key(1), undefined]]);
    assertEquals(await store.has(key(1)), false);
    assertEquals((await store.history()).length, 3);
    await store.rollback();
    assertEquals(await store.root(), head.root);
    await store.rollbackTo(new Uint8Array(32));
    assertEquals(await store.get(key(1)), undefined);
    await store.checkpoint();
    assert((await store.metrics()).commits >= 4);
  }, memoryBackend(disk));
  await using again = await open(memoryBackend(disk), OPTIONS);
  assertEquals(again.root, new Uint8Array(32));
});

Deno.test("get() puts all keys of one turn into one message", async () => {
  await withStore(async (store, sent) => {
    await commit(
      store,
      Array.from({ length: 500 }, (_, i) => [key(i), value(i)]),
    );
    const before = sent.requests;
    const found = await Promise.all(
      Array.from({ length: 500 }, (_, i) => store.get(key(i))),
    );
    assertEquals(sent.requests - before, 1);
    for (const [i, one] of found.entries()) assertEquals(one, value(i));
  });
});

Deno.test("begin() gives sessions that read what they wrote, and forks", async () => {
  await withStore(async (store) => {
    using session = store.begin({ witness: true });
    session.set(key(1), value(1));
    const first = session.get(key(1));
    session.set(key(1), value(2));
    const second = session.get(key(1));
    assertEquals(await Promise.all([first, second]), [value(1), value(2)]);
    session.delete(key(1));
    assertEquals(await session.has(key(1)), false);
    session.set(key(1), value(3));
    const base = await session.prepare();
    assertThrows(() => session.set(key(1), value(1)), UsedUpError);
    assertEquals(base.previousRoot, new Uint8Array(32));
    const verified = verifyWitness(
      nomtBlake3,
      base.previousRoot,
      base.witness!,
    );
    assertEquals(verified.root, base.root);

    const forks = await Promise.all([4, 5].map((byte) => {
      using fork = store.begin({ on: base });
      fork.set(key(2), value(byte));
      return fork.prepare();
    }));
    assertEquals(await forks[0].get(key(2)), value(4));
    assertEquals(await forks[1].get(key(1)), value(3));
    assertEquals(await store.has(key(1)), false);
    await base.commit();
    await forks[1].commit();
    await assertRejects(() => forks[0].commit(), StaleSessionError);
    assertEquals(await store.root(), forks[1].root);
  });
});

Deno.test("snapshot() keeps its version, proves it and lists it", async () => {
  await withStore(async (store) => {
    const entries = Array.from(
      { length: 3000 },
      (_, i): [Uint8Array, Uint8Array] => [key(i), new Uint8Array(300).fill(i)],
    );
    await commit(store, entries);
    using snapshot = await store.snapshot();
    await commit(store, entries.map(([k]) => [k, undefined]));
    assertEquals(snapshot.sequence, 1);
    assertEquals(await snapshot.get(key(7)), entries[7][1]);
    const proof = await snapshot.prove(key(7));
    const verdict = verifyKey(nomtBlake3, snapshot.root, key(7), proof);
    assertEquals(verdict.status, "present");
    const sorted = entries.map(([k]) => k.toHex()).sort();
    const listed: string[] = [];
    for await (const [k] of snapshot.entries()) listed.push(k.toHex());
    assertEquals(listed, sorted);
    const some: string[] = [];
    const range = { lt: entries[9][0], reverse: true, limit: 1500 };
    for await (const [k] of snapshot.entries(range)) some.push(k.toHex());
    const at = sorted.indexOf(entries[9][0].toHex());
    assertEquals(some, sorted.slice(Math.max(0, at - 1500), at).reverse());
    using older = await store.snapshot(snapshot.root);
    assertEquals(await older.get(key(3)), entries[3][1]);
    snapshot.close();
    await assertRejects(() => snapshot.get(key(7)), UsedUpError);
    const none = [];
    for await (const entry of store.entries()) none.push(entry);
    assertEquals(none.length, 0);
  });
});

Deno.test("errors arrive as what they were", async () => {
  await withStore(async (store) => {
    const missing = new Uint8Array(32).fill(9);
    await assertRejects(() => store.snapshot(missing), NotRetainedError);
    await assertRejects(() => store.rollback(7), NotRetainedError);
    await assertRejects(() => store.rollback(-1), RangeError);
    assertThrows(
      () => store.begin().set(new Uint8Array(3), value(1)),
      RangeError,
    );
    await assertRejects(() => store.get(new Uint8Array(3)), RangeError);
    const stale = await store.begin().prepare();
    await commit(store, [[key(1), value(1)]]);
    await assertRejects(
      async () => {
        await store.begin({ on: stale }).prepare();
      },
      StaleSessionError,
    );
  });
  const sent = structuredClone(sendError(
    new IoError("Cannot write", {
      operation: "write",
      file: "log.stemma",
      position: 7,
      cause: new StorageFullError("full", { operation: "write" }),
    }),
  ));
  const back = receiveError(sent);
  assertInstanceOf(back, IoError);
  assertEquals([back.code, back.file, back.position], ["io", "log.stemma", 7]);
  assertInstanceOf(back.cause, StorageFullError);
});

Deno.test("connect() rejects with why the store could not be opened", async () => {
  const disk = new MemoryDisk();
  const lock = await memoryBackend(disk).lock();
  await assertRejects(
    () => withStore(() => Promise.resolve(), memoryBackend(disk)),
    LockedError,
  );
  await lock.release();
});

Deno.test("connect() hears that a worker cannot start, however early it says so", async () => {
  const worker = Object.assign(new EventTarget(), { postMessage() {} });
  const connecting = connect(worker as unknown as Worker);
  worker.dispatchEvent(new Event("error"));
  await assertRejects(() => connecting, DisconnectedError, "Cannot start");
});

Deno.test("commits() follows commits with their changes until told to stop", async () => {
  await withStore(async (store) => {
    await commit(store, [[key(1), value(1)]], value(5));
    const stop = new AbortController();
    const seen: number[] = [];
    const done = (async () => {
      const options = { from: 1, changes: true, signal: stop.signal };
      for await (const one of store.commits(options)) {
        seen.push(one.sequence);
        if (one.sequence === 1) {
          assertEquals(one.meta, value(5));
          assertEquals(one.changes, [[key(1), value(1)]]);
        }
        if (one.sequence === 3) stop.abort(new Error("enough"));
      }
    })();
    await commit(store, [[key(2), value(2)]]);
    await commit(store, [[key(1), undefined]]);
    await assertRejects(() => done, Error, "enough");
    assertEquals(seen, [1, 2, 3]);
  });
});

Deno.test("export() and import() carry a state over", async () => {
  const entries = Array.from(
    { length: 2000 },
    (_, i): [Uint8Array, Uint8Array] => [key(i), new Uint8Array(100).fill(i)],
  );
  await withStore(async (from) => {
    await commit(from, entries);
    const root = await from.root();
    await withStore(async (to) => {
      await to.import(from.export(), { root });
      assertEquals(await to.root(), root);
      await assertRejects(() => to.import(from.export()), Error);
    });
    await withStore(async (to) => {
      const wrong = to.import(from.export(), { root: new Uint8Array(32) });
      await assertRejects(() => wrong, Error);
    });
  });
});

Deno.test("check() reports progress and stops when told to", async () => {
  await withStore(async (store) => {
    await commit(
      store,
      Array.from({ length: 5000 }, (_, i) => [key(i), new Uint8Array(500)]),
    );
    let pages = 0;
    await store.check({
      onProgress: (progress) => {
        pages = progress.pages;
      },
    });
    assert(pages > 500, `${pages} pages`);
    const stop = new AbortController();
    const checking = store.check({
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    await assertRejects(() => checking, Error, "enough");
    assertEquals(await store.has(key(1)), true);
  });
});

Deno.test("close() ends streams, and every call behind it rejects", async () => {
  await withStore(async (store) => {
    const commits = store.commits();
    const next = commits.next();
    const session = store.begin();
    await store.close();
    assertEquals((await next).done, true);
    await assertRejects(() => store.get(key(1)), DisconnectedError);
    await assertRejects(() => session.prepare(), DisconnectedError);
    await store.close();
  });
});

Deno.test("pause() lets go of a backend that can, and calls wait for resume()", async () => {
  const inner = memoryBackend(), log: string[] = [];
  const backend = {
    name: inner.name,
    supports: inner.supports,
    open: inner.open.bind(inner),
    list: inner.list.bind(inner),
    remove: inner.remove.bind(inner),
    sync: () => Promise.resolve(),
    lock: inner.lock.bind(inner),
    pause: () => void log.push("pause"),
    resume: () => Promise.resolve(void log.push("resume")),
  };
  await withStore(async (store) => {
    await commit(store, [[key(1), value(1)]]);
    await store.pause();
    const read = store.get(key(1)).then((found) => {
      log.push("read");
      return found;
    });
    await store.resume();
    assertEquals(await read, value(1));
  }, backend);
  assertEquals(log, ["pause", "resume", "read"]);
});
