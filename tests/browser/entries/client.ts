// This module is browser compatible.
//
// The client on a page, with a real worker on OPFS: calls, errors, a worker that
// dies, pausing, the page's own way out, and a store shared by tabs.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LockedError } from "../../../backends/errors.ts";
import {
  connect,
  DisconnectedError,
  type RemoteStore,
  share,
  type SharedStore,
} from "../../../src/client/mod.ts";
import { type BrowserTest, offer } from "../_offer.ts";

function makeWorker(path: string, isShared = false): Worker {
  const query = `path=${path}${isShared ? "&share" : ""}`;
  return new Worker(`/store_worker.js?${query}`, { type: "module" });
}

function key(i: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
  return bytes;
}

async function commit(store: RemoteStore, i: number): Promise<void> {
  using session = store.begin();
  session.set(key(i), Uint8Array.of(i));
  using next = await session.prepare();
  await next.commit();
}

const tests: Record<string, () => Promise<void>> = {
  async "connect() uses a store on OPFS from the main thread"() {
    const worker = makeWorker("client/0");
    const store = await connect(worker);
    for (let i = 0; i < 5; i++) await commit(store, i);
    assertEquals(await store.get(key(3)), Uint8Array.of(3));
    const root = await store.root();
    await store.close();
    worker.terminate();
    const again = await connect("/store_worker.js?path=client/0");
    assertEquals(await again.root(), root);
    await again.close();
  },
  async "connect() says why a worker cannot serve"() {
    const worker = makeWorker("client/1"), store = await connect(worker);
    const second = makeWorker("client/1");
    await assertRejects(() => connect(second), LockedError);
    second.terminate();
    await assertRejects(() => connect("/nothing_here.js"), DisconnectedError);
    await store.close();
    worker.terminate();
  },
  async "a dead worker rejects everything that is pending"() {
    const worker = makeWorker("client/2"), store = await connect(worker);
    await commit(store, 1);
    const commits = store.commits(), next = commits.next();
    const session = store.begin();
    session.set(key(2), Uint8Array.of(2));
    const prepared = session.prepare();
    const reads = Promise.allSettled([1, 2, 3].map((i) => store.get(key(i))));
    worker.terminate();
    await assertRejects(() => next, DisconnectedError);
    await Promise.allSettled([prepared, reads]);
    await assertRejects(() => store.get(key(1)), DisconnectedError);
    await assertRejects(() => store.begin().prepare(), DisconnectedError);
    const anew = await connect(makeWorker("client/2"));
    assertEquals(await anew.get(key(1)), Uint8Array.of(1));
    await anew.close();
  },
  async "pause() lets another worker in; resume() opens anew when it wrote"() {
    const store = await connect(makeWorker("client/3"));
    await commit(store, 1);
    using before = await store.snapshot();
    await store.pause();
    const other = await connect(makeWorker("client/3"));
    await commit(other, 2);
    const root = await other.root();
    const waiting = store.root();
    await assertRejects(() => store.resume(), LockedError);
    await other.close();
    await store.resume();
    assertEquals(await waiting, root);
    await assertRejects(() => before.get(key(1)), Error, "used up");
    await commit(store, 3);
    assertEquals(await store.get(key(2)), Uint8Array.of(2));
    await store.pause();
    await store.resume();
    assertEquals(await store.get(key(3)), Uint8Array.of(3));
    await store.close();
  },
  async "a page in the back-forward cache lets go of its store"() {
    const store = await connect(makeWorker("client/5"));
    await commit(store, 1);
    turnPage("pagehide");
    const other = await connect(makeWorker("client/5"));
    assertEquals(await other.get(key(1)), Uint8Array.of(1));
    await other.close();
    const read = store.get(key(1));
    turnPage("pageshow");
    assertEquals(await read, Uint8Array.of(1));
    await commit(store, 2);
    await store.close();
  },
  async "get() of a thousand keys in one turn is one message"() {
    const worker = makeWorker("client/4");
    let messages = 0;
    const counted = {
      postMessage(message: unknown, transfer: Transferable[]) {
        messages++;
        worker.postMessage(message, transfer);
      },
      addEventListener: worker.addEventListener.bind(worker),
      removeEventListener: worker.removeEventListener.bind(worker),
    };
    const store = await connect(counted as unknown as Worker);
    const before = messages;
    const keys = Array.from({ length: 1000 }, (_, i) => key(i));
    const found = await Promise.all(keys.map((one) => store.get(one)));
    assertEquals(messages - before, 1);
    assert(found.every((value) => value === undefined));
    await store.close();
  },
};

/** What the browser tells a page that goes into the cache, or comes back. */
function turnPage(type: "pagehide" | "pageshow"): void {
  const event = Object.assign(new Event(type), { persisted: true });
  globalThis.dispatchEvent(event);
}

/** What tests with several tabs do on each of them. */
interface Tab {
  tab: {
    join(path: string): Promise<boolean>;
    commit(i: number): Promise<void>;
    read(i: number): Promise<number | undefined>;
    isHolder(): boolean;
    takeovers(): number;
    leave(): Promise<void>;
  };
}

let shared: SharedStore, takeovers = 0;

(globalThis as unknown as Tab).tab = {
  async join(path) {
    shared = share(path, () => makeWorker(path, true), {
      onTakeover: () => {
        takeovers++;
      },
    });
    await shared.store();
    return shared.isHolder;
  },
  commit: async (i) => await commit(await shared.store(), i),
  async read(i) {
    return (await (await shared.store()).get(key(i)))?.[0];
  },
  isHolder: () => shared.isHolder,
  takeovers: () => takeovers,
  leave: () => shared.close(),
};

offer(
  Object.entries(tests).map(([name, run]): BrowserTest => ({ name, run })),
);
