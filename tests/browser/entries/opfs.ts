// This module is browser compatible.
//
// What only OPFS has, in a dedicated worker: busy handles and dead owners,
// pausing, reading only, and failures that a handle around the browser's makes.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClosedError, IoError, LockedError } from "../../../backends/errors.ts";
import { PermissionError, StorageFullError } from "../../../backends/errors.ts";
import {
  estimate,
  opfs,
  type OpfsAccessHandle,
  type OpfsDirectory,
  type OpfsFileHandle,
  persist,
} from "../../../backends/opfs.ts";
import type { StorageFile } from "../../../backends/types.ts";
import { open } from "../../../mod.ts";
import { type BrowserTest, offer } from "../_offer.ts";

let places = 0;

function place(): string {
  return `opfs/${places++}`;
}

function root(): Promise<OpfsDirectory> {
  return (navigator as unknown as {
    storage: { getDirectory(): Promise<OpfsDirectory> };
  }).storage.getDirectory();
}

function keyOf(i: number): Uint8Array {
  return new Uint8Array(32).fill(i);
}

/** A worker that takes a store's lock and says so. */
async function owner(path: string): Promise<Worker> {
  const worker = new Worker(`/holder.js?path=${path}`, { type: "module" });
  const said = await new Promise((go) => {
    worker.onmessage = ({ data }) => go(data);
  });
  assertEquals(said, "locked");
  return worker;
}

/** A directory whose access handles can be made to misbehave. */
class Wrapped implements OpfsDirectory {
  readonly #inner: OpfsDirectory;
  readonly #change: (handle: OpfsAccessHandle) => OpfsAccessHandle;

  constructor(
    inner: OpfsDirectory,
    change: (handle: OpfsAccessHandle) => OpfsAccessHandle,
  ) {
    this.#inner = inner;
    this.#change = change;
  }

  async getFileHandle(
    name: string,
    options?: { create?: boolean },
  ): Promise<OpfsFileHandle> {
    const handle = await this.#inner.getFileHandle(name, options);
    return {
      name,
      createSyncAccessHandle: async (how) =>
        this.#change(await handle.createSyncAccessHandle!(how)),
    };
  }

  async getDirectoryHandle(
    name: string,
    options?: { create?: boolean },
  ): Promise<OpfsDirectory> {
    const inner = await this.#inner.getDirectoryHandle(name, options);
    return new Wrapped(inner, this.#change);
  }

  removeEntry(name: string): Promise<void> {
    return this.#inner.removeEntry(name);
  }

  keys(): AsyncIterable<string> {
    return this.#inner.keys();
  }
}

/** A new file whose handle has some calls of its own. */
async function fileWith(
  calls: (handle: OpfsAccessHandle) => Partial<OpfsAccessHandle>,
): Promise<StorageFile> {
  const directory = new Wrapped(await root(), (handle) => ({
    read: (...args) => handle.read(...args),
    write: (...args) => handle.write(...args),
    getSize: () => handle.getSize(),
    truncate: (size) => handle.truncate(size),
    flush: () => handle.flush(),
    close: () => handle.close(),
    ...calls(handle),
  }));
  return await opfs(place(), { directory }).open("a", { create: true });
}

const tests: Record<string, () => Promise<void>> = {
  async "lock() waits at most about a second for a store that is open"() {
    const path = place(), other = await owner(path), start = performance.now();
    const error = await assertRejects(() => opfs(path).lock(), LockedError);
    const ms = performance.now() - start;
    assert(ms > 900 && ms < 2000, `gave up after ${ms} ms`);
    assertEquals(error.retryAfterMs, 1000);
    other.terminate();
    const lock = await opfs(path).lock();
    await lock.release();
  },
  async "open() works again as soon as a worker's owner is ended"() {
    const path = place();
    for (let i = 0; i < 5; i++) {
      (await owner(path)).terminate();
      const db = await open(opfs(path), { cacheBytes: 1 << 22 });
      await db.close();
    }
  },
  async "lock() leaves nothing taken when a file cannot be"() {
    const path = place(), backend = opfs(path);
    const file = await backend.open("pages.stemma", { create: true });
    await assertRejects(() => open(opfs(path)), LockedError);
    file.close();
    const db = await open(opfs(path), { cacheBytes: 1 << 22 });
    await db.close();
  },
  async "a store keeps commits, and grows in steps that closing cuts off"() {
    const path = place();
    let db = await open(opfs(path), { cacheBytes: 1 << 24 });
    for (let i = 0; i < 4; i++) {
      using session = db.begin();
      for (let k = 0; k < 4000; k++) {
        const key = new Uint8Array(32);
        crypto.getRandomValues(key);
        session.set(key, new Uint8Array(100).fill(k));
      }
      session.set(keyOf(i), keyOf(i));
      await session.prepare().commit();
    }
    const expected = db.root;
    await db.close();
    const reader = opfs(path, { readOnly: true });
    const sizes = await Promise.all(
      ["log.stemma", "pages.stemma"].map(async (name) => {
        const file = await reader.open(name, { create: false });
        const size = file.size();
        file.close();
        return size;
      }),
    );
    db = await open(opfs(path), { cacheBytes: 1 << 24 });
    assertEquals(db.root, expected);
    for (let i = 0; i < 4; i++) assertEquals(db.get(keyOf(i)), keyOf(i));
    const metrics = db.metrics();
    assertEquals(sizes, [metrics.logSize, metrics.pageFileSize]);
    await db.check();
    await db.close();
  },
  async "pause() lets another opener in, resume() goes on when none wrote"() {
    const path = place(), backend = opfs(path);
    const db = await open(backend, { cacheBytes: 1 << 22 });
    using session = db.begin();
    session.set(keyOf(1), keyOf(2));
    await session.prepare().commit();
    backend.pause();
    backend.pause();
    assertEquals(backend.isPaused, true);
    const reader = await opfs(path, { readOnly: true }).lock();
    await assertRejects(() => backend.resume(), LockedError);
    await reader.release();
    await Promise.all([backend.resume(), backend.resume()]);
    assertEquals(db.get(keyOf(1)), keyOf(2));
    using more = db.begin();
    more.set(keyOf(3), keyOf(4));
    await more.prepare().commit();
    const expected = db.root;
    await db.close();
    await using again = await open(opfs(path), { cacheBytes: 1 << 22 });
    assertEquals(again.root, expected);
  },
  async "resume() refuses when another opener had the store meanwhile"() {
    const path = place(), backend = opfs(path);
    const file = await backend.open("a", { create: true });
    const lock = await backend.lock();
    backend.pause();
    assertThrows(() => file.size(), ClosedError);
    await (await opfs(path).lock()).release();
    await assertRejects(() => backend.resume(), ClosedError);
    assertEquals(backend.isPaused, true);
    await lock.release();
    await (await opfs(path).lock()).release();
  },
  async "readOnly takes a closed store together with other readers"() {
    const path = place();
    const db = await open(opfs(path), { cacheBytes: 1 << 22 });
    using session = db.begin();
    session.set(keyOf(1), keyOf(2));
    await session.prepare().commit();
    await db.close();
    const options = { create: "never", cacheBytes: 1 << 22 } as const;
    const readers = await Promise.all(
      [1, 2].map(() => open(opfs(path, { readOnly: true }), options)),
    );
    for (const reader of readers) assertEquals(reader.get(keyOf(1)), keyOf(2));
    await assertRejects(() => opfs(path).lock(), LockedError);
    using write = readers[0].begin();
    write.set(keyOf(3), keyOf(4));
    await assertRejects(() => write.prepare().commit(), PermissionError);
    assertEquals(readers[0].get(keyOf(3)), undefined);
    for (const reader of readers) await reader.close();
    const backend = opfs(path, { readOnly: true });
    await assertRejects(
      () => backend.open("a", { create: true }),
      PermissionError,
    );
    await assertRejects(() => backend.remove("pages.stemma"), PermissionError);
  },
  async "write() goes on after short writes"() {
    const file = await fileWith((handle) => ({
      write: (bytes, at) => handle.write(bytes.subarray(0, 100), at),
    }));
    const bytes = crypto.getRandomValues(new Uint8Array(1000));
    assertEquals(file.write(bytes, 5), 1000);
    const found = new Uint8Array(1000);
    assertEquals(file.read(found, 5), 1000);
    assertEquals(found, bytes);
    file.close();
  },
  async "write() that makes no progress is an IoError"() {
    const file = await fileWith(() => ({ write: () => 0 }));
    assertThrows(() => file.write(new Uint8Array(10), 0), IoError);
    file.close();
  },
  async "write() leaves zeros past the end when it fails half way"() {
    let calls = 0;
    const file = await fileWith((handle) => ({
      write(bytes, at) {
        if (calls++ === 1) throw new DOMException("", "QuotaExceededError");
        return handle.write(bytes.subarray(0, 300_000), at);
      },
    }));
    const bytes = new Uint8Array(400_000).fill(7);
    assertThrows(() => file.write(bytes, 0), StorageFullError);
    assertEquals(file.size(), 0);
    file.truncate(400_000);
    const found = new Uint8Array(400_000);
    assertEquals(file.read(found, 0), 400_000);
    assert(found.every((byte) => byte === 0));
    file.close();
  },
  async "a handle that the browser closed is never used again"() {
    let isDead = false;
    const file = await fileWith((handle) => ({
      flush() {
        if (isDead) throw new DOMException("closed", "InvalidStateError");
        handle.flush();
      },
    }));
    file.write(new Uint8Array(10), 0);
    isDead = true;
    assertThrows(() => file.flush(), IoError);
    isDead = false;
    assertThrows(() => file.flush(), IoError, "failed before");
    assertThrows(() => file.write(new Uint8Array(1), 0), IoError);
    assertThrows(() => file.read(new Uint8Array(1), 0), IoError);
    file.close();
  },
  async "files take views on buffers that can be resized"() {
    const file = await opfs(place()).open("a", { create: true });
    const buffer = new ArrayBuffer(64, { maxByteLength: 128 });
    const bytes = new Uint8Array(buffer, 8, 16).fill(9);
    assertEquals(file.write(bytes, 0), 16);
    bytes.fill(0);
    assertEquals(file.read(bytes, 0), 16);
    assertEquals(bytes.slice(), new Uint8Array(16).fill(9));
    file.close();
  },
  async "estimate() knows usage and quota; persist() answers"() {
    const { usage, quota } = await estimate();
    assert(usage !== undefined && quota !== undefined && usage < quota);
    assertEquals(typeof await persist(), "boolean");
  },
};

offer(
  Object.entries(tests).map(([name, run]): BrowserTest => ({ name, run })),
);
