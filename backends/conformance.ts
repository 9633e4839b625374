// This module is browser compatible.
/**
 * The conformance suite: what a storage backend must do, as named cases. A
 * backend's whole test is one call. Imports no test framework and no assertion
 * library, so it runs under `Deno.test`, under another runner, and in a browser
 * worker. Cases check the contract in `types.ts` and nothing else.
 *
 * @module
 */
import { StemmaError } from "@stemma/verify";
import { expect, expectEqual, expectError, pattern } from "./_expect.ts";
import type { StorageBackend, StorageFile } from "./types.ts";

/** A backend under test, on a place of its own that is empty at first. */
export interface ConformanceTarget {
  /** The backend. */
  readonly backend: StorageBackend;
  /**
   * Another backend on the same place, as a second opener would have. Called
   * both while the first is in use and after it was closed.
   */
  readonly another: () => StorageBackend | Promise<StorageBackend>;
  /** Removes the place. @default {undefined} */
  readonly cleanup?: () => void | Promise<void>;
}

/** Makes a fresh target; called once for every case. */
export type ConformanceFactory = () =>
  | ConformanceTarget
  | Promise<ConformanceTarget>;

/** One thing a backend must do. */
export interface ConformanceCase {
  /** What it must do, as a test name. */
  readonly name: string;
  /** Resolves when it does, rejects with what is wrong otherwise. */
  readonly run: () => Promise<void>;
}

/** How {@linkcode conformance} registers its cases. */
export interface ConformanceOptions {
  /** The runner's function: `Deno.test`, or anything of its shape. */
  readonly test: (name: string, run: () => Promise<void>) => void;
}

type Check = (target: ConformanceTarget) => Promise<void>;

const FOUR_GIB = 2 ** 32;

/** Cases about one open file; each gets a new empty one. */
const FILE_CASES: Record<
  string,
  (file: StorageFile, backend: StorageBackend) => void | Promise<void>
> = {
  "new file is empty": (file) => {
    expectEqual(file.size(), 0, "size");
    expectEqual(file.read(new Uint8Array(8), 0), 0, "bytes read");
  },
  "reads back what was written": (file) => {
    writeAll(file, pattern(1000, 1), 0);
    expectEqual(file.size(), 1000, "size");
    expectBytes(readAll(file, 1000, 0), pattern(1000, 1));
  },
  "overwrites in place and leaves the neighbours": (file) => {
    const bytes = pattern(300, 2);
    writeAll(file, bytes, 0);
    writeAll(file, pattern(50, 3), 100);
    bytes.set(pattern(50, 3), 100);
    expectEqual(file.size(), 300, "size");
    expectBytes(readAll(file, 300, 0), bytes);
  },
  "read is short at the end and 0 past it": (file) => {
    writeAll(file, pattern(100, 4), 0);
    const buffer = new Uint8Array(50).fill(0xaa);
    let got = 0;
    for (let n = 1; n > 0; got += n) {
      n = file.read(buffer.subarray(got), 70 + got);
    }
    expectEqual(got, 30, "bytes up to the end");
    expectBytes(buffer.subarray(0, 30), pattern(100, 4).subarray(70));
    expectBytes(buffer.subarray(30), new Uint8Array(20).fill(0xaa));
    expectEqual(file.read(buffer, 100), 0, "bytes read at the end");
    expectEqual(file.read(buffer, 5000), 0, "bytes read past the end");
    expectEqual(file.size(), 100, "size after reading past the end");
  },
  "hole left by a write past the end reads as zeros": (file) => {
    writeAll(file, pattern(10, 5), 0);
    writeAll(file, pattern(10, 6), 200_000);
    expectEqual(file.size(), 200_010, "size");
    expectBytes(readAll(file, 199_990, 10), new Uint8Array(199_990));
    expectBytes(readAll(file, 10, 200_000), pattern(10, 6));
  },
  "reads and writes at odd positions and lengths": (file) => {
    const model = new Uint8Array(70_000);
    let end = 0;
    for (let i = 0; i < 60; i++) {
      const at = (i * 7919) % 60_000;
      const bytes = pattern(1 + (i * 641) % 9000, i);
      writeAll(file, bytes, at);
      model.set(bytes, at);
      end = Math.max(end, at + bytes.length);
      expectEqual(file.size(), end, "size");
    }
    expectBytes(readAll(file, end, 0), model.subarray(0, end));
    expectBytes(readAll(file, 4097, 4095), model.subarray(4095, 8192));
  },
  "writes and reads a megabyte": (file) => {
    const bytes = pattern(1 << 20, 7);
    writeAll(file, bytes, 12345);
    expectBytes(readAll(file, 1 << 20, 12345), bytes);
  },
  "uses only the view's bytes of a larger buffer": (file) => {
    const whole = pattern(100, 8);
    writeAll(file, whole.subarray(20, 60), 0);
    expectEqual(file.size(), 40, "size");
    const target = new Uint8Array(100).fill(1);
    readInto(file, target.subarray(30, 70), 0);
    expectBytes(target.subarray(30, 70), whole.subarray(20, 60));
    expectBytes(target.subarray(0, 30), new Uint8Array(30).fill(1));
    expectBytes(target.subarray(70), new Uint8Array(30).fill(1));
  },
  "keeps no reference to a buffer it was given": (file) => {
    const bytes = pattern(64, 9);
    writeAll(file, bytes, 0);
    bytes.fill(0);
    expectBytes(readAll(file, 64, 0), pattern(64, 9));
  },
  "takes views on shared memory": (file) => {
    if (typeof SharedArrayBuffer === "undefined") return;
    const shared = new Uint8Array(new SharedArrayBuffer(256), 100, 64);
    shared.set(pattern(64, 10));
    writeAll(file, shared, 0);
    shared.fill(0);
    readInto(file, shared, 0);
    expectBytes(shared, pattern(64, 10));
  },
  "empty buffers read and write nothing": (file) => {
    const empty = new Uint8Array(0);
    writeAll(file, pattern(10, 11), 0);
    expectEqual(file.read(empty, 0), 0, "bytes read");
    expectEqual(file.write(empty, 0), 0, "bytes written");
    expectEqual(file.write(empty, 5000), 0, "bytes written past the end");
    expectEqual(file.size(), 10, "size");
  },
  "truncate() cuts, and growing again brings zeros": (file) => {
    writeAll(file, pattern(10_000, 12), 0);
    file.truncate(5001);
    expectEqual(file.size(), 5001, "size after the cut");
    expectEqual(file.read(new Uint8Array(10), 5001), 0, "bytes past the cut");
    file.truncate(10_000);
    expectEqual(file.size(), 10_000, "size after growing");
    expectBytes(readAll(file, 5001, 0), pattern(10_000, 12).subarray(0, 5001));
    expectBytes(readAll(file, 4999, 5001), new Uint8Array(4999));
  },
  "write after a cut leaves zeros in the gap": (file) => {
    writeAll(file, pattern(9000, 13), 0);
    file.truncate(100);
    writeAll(file, pattern(10, 14), 8000);
    expectEqual(file.size(), 8010, "size");
    expectBytes(readAll(file, 7900, 100), new Uint8Array(7900));
  },
  "truncate() to 0, to the same size and beyond the end": (file) => {
    writeAll(file, pattern(100, 15), 0);
    file.truncate(100);
    expectBytes(readAll(file, 100, 0), pattern(100, 15));
    file.truncate(0);
    expectEqual(file.size(), 0, "size");
    file.truncate(300_000);
    expectEqual(file.size(), 300_000, "size");
    expectBytes(readAll(file, 1000, 299_000), new Uint8Array(1000));
  },
  "flush() keeps what was written readable": async (file, backend) => {
    writeAll(file, pattern(5000, 16), 0);
    const result = file.flush();
    expectEqual(
      result instanceof Promise,
      backend.supports.asyncFlush,
      "flush returns a promise",
    );
    await result;
    await file.flush();
    expectBytes(readAll(file, 5000, 0), pattern(5000, 16));
  },
  "flushInBackground() lets other calls go on, and keeps what was written":
    async (file) => {
      if (file.flushInBackground === undefined) return;
      writeAll(file, pattern(5000, 16), 0);
      const both = [file.flushInBackground(), file.flushInBackground()];
      writeAll(file, pattern(5000, 17), 5000);
      await Promise.all(both);
      await file.flushInBackground();
      expectBytes(readAll(file, 5000, 0), pattern(5000, 16));
      expectBytes(readAll(file, 5000, 5000), pattern(5000, 17));
      file.close();
      await expectError(() => file.flushInBackground!(), "closed", "flush");
    },
  "readLater() changes nothing about what is read": async (file) => {
    if (file.readLater === undefined) return;
    const bytes = pattern(9000, 18);
    const expectRead = (at: number, length: number): void => {
      const end = Math.min(bytes.length, at + length);
      const buffer = new Uint8Array(length), wanted = bytes.subarray(at, end);
      let got = 0;
      for (let n = 1; n > 0; got += n) {
        n = file.read(buffer.subarray(got), at + got);
      }
      expectEqual(got, wanted.length, "bytes up to the end");
      expectBytes(buffer.subarray(0, got), wanted);
    };
    writeAll(file, bytes, 0);
    for (const at of [0, 512, 8704, 20_000]) file.readLater!(at, 512);
    for (const at of [512, 8704, 20_000, 0, 512]) expectRead(at, 512);
    file.readLater!(1024, 512);
    expectRead(1024, 500);
    bytes.set(pattern(10, 19), 1030);
    writeAll(file, bytes.subarray(1030, 1040), 1030);
    expectRead(1024, 512);
    file.readLater!(8192, 512);
    file.truncate(8200);
    bytes.fill(0, 8200);
    file.truncate(9000);
    expectRead(8192, 512);
    for (const length of [0, 1, 100_000]) file.readLater!(0, length);
    expectRead(0, 9000);
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      await expectError(() => file.readLater!(bad, 512), RangeError, "place");
      await expectError(() => file.readLater!(0, bad), RangeError, "length");
    }
    file.readLater!(0, 512);
    file.close();
    await expectError(() => file.readLater!(0, 512), "closed", "hint");
  },
  "writeLater() writes in order what is finished by finishWrites()": async (
    file,
  ) => {
    expectEqual(
      typeof file.writeLater,
      typeof file.finishWrites,
      "both or none",
    );
    expectEqual(typeof file.lend, typeof file.writeMade, "both or none");
    if (file.writeLater === undefined) return;
    const model = new Uint8Array(3_000_000);
    const write = (at: number, length: number, seed: number): void => {
      const bytes = pattern(length, seed);
      model.set(bytes, at);
      file.writeLater!(bytes, at);
      // It has been copied.
      bytes.fill(0);
    };
    const expectModel = (): void => {
      const bytes = new Uint8Array(model.length);
      for (let got = 0; got < bytes.length;) {
        const n = file.read(bytes.subarray(got), got);
        if (n === 0) break;
        got += n;
      }
      expectBytes(bytes, model);
    };
    write(model.length - 1, 1, 20);
    for (let n = 0; n < 300; n++) write((n * 7919) % 2_990_000, 9000, n);
    write(100, 1_500_000, 21);
    file.finishWrites!();
    expectEqual(file.size(), model.length, "size");
    expectModel();
    write(0, 70_000, 22);
    expectModel();
    write(5, 0, 23);
    write(65_536, 65_536, 24);
    writeAll(file, pattern(10, 25), 65_540);
    model.set(pattern(10, 25), 65_540);
    expectModel();
    write(0, 9000, 28);
    for (let at = 0; at < 8192; at += 512) file.readLater?.(at, 512);
    for (let at = 0; at < 8192; at += 512) {
      const bytes = new Uint8Array(512);
      for (let got = 0; got < 512;) {
        got += file.read(bytes.subarray(got), at + got);
      }
      expectBytes(bytes, model.subarray(at, at + 512));
    }
    write(0, 100, 26);
    file.truncate(50);
    model.fill(0, 50);
    file.truncate(model.length);
    expectModel();
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      const one = new Uint8Array(1);
      await expectError(() => file.writeLater!(one, bad), RangeError, "place");
    }
    write(0, 10, 27);
    file.close();
    const one = new Uint8Array(1);
    await expectError(() => file.writeLater!(one, 0), "closed", "write later");
    file.finishWrites!();
  },
  "refuses positions that are not integers in 0..2^53 - 1": async (file) => {
    const one = new Uint8Array(1);
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      await expectError(() => file.read(one, bad), RangeError, `read ${bad}`);
      await expectError(() => file.write(one, bad), RangeError, `write ${bad}`);
      await expectError(() => file.truncate(bad), RangeError, `size ${bad}`);
    }
    const last = Number.MAX_SAFE_INTEGER;
    await expectError(() => file.write(one, last), RangeError, "end too far");
    expectEqual(file.size(), 0, "size");
  },
  "every call but close() throws ClosedError after close()": async (file) => {
    file.close();
    file.close();
    const one = new Uint8Array(1);
    const calls: Record<string, () => unknown> = {
      read: () => file.read(one, 0),
      write: () => file.write(one, 0),
      size: () => file.size(),
      truncate: () => file.truncate(0),
      flush: () => file.flush(),
    };
    for (const [name, call] of Object.entries(calls)) {
      await expectError(call, "closed", name);
    }
  },
  "positions and sizes past 4 GiB": (file, backend) => {
    if (!backend.supports.largeFiles) return;
    writeAll(file, pattern(10, 17), 0);
    writeAll(file, pattern(100, 18), FOUR_GIB - 50);
    expectEqual(file.size(), FOUR_GIB + 50, "size");
    expectBytes(readAll(file, 100, FOUR_GIB - 50), pattern(100, 18));
    expectBytes(readAll(file, 10, 0), pattern(10, 17));
    expectBytes(readAll(file, 100, FOUR_GIB - 150), new Uint8Array(100));
    file.truncate(FOUR_GIB + 1000);
    expectEqual(file.size(), FOUR_GIB + 1000, "size after growing");
    file.truncate(FOUR_GIB + 10);
    expectEqual(file.size(), FOUR_GIB + 10, "size after the cut");
    const tail = pattern(100, 18).subarray(0, 60);
    expectBytes(readAll(file, 60, FOUR_GIB - 50), tail);
  },
};

/** Cases about the store's place as a whole. */
const STORE_CASES: Record<string, Check> = {
  "supports says what is there": async ({ backend }) => {
    const { supports } = backend;
    expectEqual(
      typeof backend.sync === "function",
      supports.directorySync,
      "sync() is present",
    );
    expect(backend.name.length > 0, "name is empty");
    await backend.sync?.();
  },
  "empty place lists nothing and is left as it is": async (target) => {
    expectEqual((await target.backend.list()).length, 0, "number of files");
    expectEqual((await target.backend.list()).length, 0, "number of files");
  },
  "open() creates only what does not exist": async ({ backend }) => {
    const file = await backend.open("a.stemma", { create: true });
    writeAll(file, pattern(10, 1), 0);
    await file.flush();
    file.close();
    const create = () => backend.open("a.stemma", { create: true });
    await expectError(create, "exists", "second create");
    const again = await backend.open("a.stemma", { create: false });
    expectBytes(readAll(again, again.size(), 0), pattern(10, 1));
    again.close();
  },
  "open() does not create when not asked to": async ({ backend }) => {
    const open = () => backend.open("a.stemma", { create: false });
    await expectError(open, "missing", "open");
    expectEqual((await backend.list()).length, 0, "number of files");
  },
  "list() gives all names in order": async ({ backend }) => {
    for (const name of ["pages.stemma", "a", "log.stemma", "b-1_2"]) {
      (await backend.open(name, { create: true })).close();
    }
    const names = (await backend.list()).join(" ");
    expectEqual(names, "a b-1_2 log.stemma pages.stemma", "names");
  },
  "remove() removes one file": async ({ backend }) => {
    const file = await backend.open("a", { create: true });
    writeAll(file, pattern(10, 2), 0);
    file.close();
    (await backend.open("b", { create: true })).close();
    await backend.remove("a");
    await backend.sync?.();
    expectEqual((await backend.list()).join(" "), "b", "names");
    await expectError(() => backend.remove("a"), "missing", "second remove");
    const open = () => backend.open("a", { create: false });
    await expectError(open, "missing", "open");
    const anew = await backend.open("a", { create: true });
    expectEqual(anew.size(), 0, "size of a file made anew");
    anew.close();
  },
  "refuses names that some storage could not keep": async ({ backend }) => {
    const long = "a".repeat(65);
    for (const bad of ["", ".", "..", ".a", "a/b", "a\\b", "A", "a\0", long]) {
      const call = () => backend.open(bad, { create: true });
      await expectError(call, TypeError, JSON.stringify(bad));
      await expectError(() => backend.remove(bad), TypeError, bad);
    }
    expectEqual((await backend.list()).length, 0, "number of files");
  },
  "several files are open at once and apart": async ({ backend }) => {
    const a = await backend.open("a", { create: true });
    const b = await backend.open("b", { create: true });
    writeAll(a, pattern(100, 3), 0);
    writeAll(b, pattern(50, 4), 10);
    await a.flush();
    a.close();
    expectBytes(readAll(b, 50, 10), pattern(50, 4));
    b.close();
  },
  "lock() excludes every other opener": async ({ backend, another }) => {
    const lock = await backend.lock();
    await expectError(() => backend.lock(), "locked", "same backend");
    const other = await another();
    await expectError(() => other.lock(), "locked", "another backend");
    await lock.release();
    const second = await other.lock();
    await expectError(() => backend.lock(), "locked", "after handing over");
    await lock.release();
    await expectError(() => backend.lock(), "locked", "after second release");
    await second.release();
    await (await backend.lock()).release();
    await other.close?.();
  },
  "lock() leaves the files as they are": async ({ backend, another }) => {
    const file = await backend.open("a", { create: true });
    writeAll(file, pattern(100, 5), 0);
    await file.flush();
    const lock = await backend.lock();
    const other = await another();
    await expectError(() => other.lock(), "locked", "another backend");
    expectEqual((await backend.list()).join(" "), "a", "names");
    expectBytes(readAll(file, file.size(), 0), pattern(100, 5));
    file.close();
    await lock.release();
    await other.close?.();
  },
  "flushed files are there for the next opener": async (target) => {
    const { backend } = target;
    const bytes = pattern(150_000, 6);
    const lock = await backend.lock();
    const file = await backend.open("a", { create: true });
    writeAll(file, bytes, 0);
    await file.flush();
    file.truncate(140_001);
    writeAll(file, pattern(10, 7), 70_000);
    await file.flush();
    await backend.sync?.();
    file.close();
    await lock.release();
    await backend.close?.();
    await backend.close?.();
    const next = await target.another();
    const nextLock = await next.lock();
    expectEqual((await next.list()).join(" "), "a", "names");
    const again = await next.open("a", { create: false });
    bytes.set(pattern(10, 7), 70_000);
    expectEqual(again.size(), 140_001, "size");
    expectBytes(readAll(again, 140_001, 0), bytes.subarray(0, 140_001));
    again.close();
    await nextLock.release();
    await next.close?.();
  },
};

function fileCase(
  check: (file: StorageFile, backend: StorageBackend) => void | Promise<void>,
): Check {
  return async ({ backend }) => {
    const file = await backend.open("file.stemma", { create: true });
    try {
      await check(file, backend);
    } finally {
      file.close();
    }
  };
}

function makeCase(
  name: string,
  factory: ConformanceFactory,
  check: Check,
): ConformanceCase {
  const run = async (): Promise<void> => {
    const target = await factory();
    try {
      await check(target);
    } finally {
      await target.backend.close?.();
      await target.cleanup?.();
    }
  };
  return { name, run };
}

/**
 * The suite as a list, for a runner of your own.
 *
 * @example Usage
 * ```ts
 * import { MemoryDisk, memoryBackend } from "@stemma/db/backends";
 * import { conformanceCases } from "@stemma/db/backends/conformance";
 *
 * const cases = conformanceCases(() => {
 *   const disk = new MemoryDisk();
 *   return {
 *     backend: memoryBackend(disk),
 *     another: () => memoryBackend(disk),
 *   };
 * });
 * for (const { run } of cases) await run();
 * ```
 *
 * @param factory Makes a fresh backend on an empty place, for every case.
 * @returns The cases, in a fixed order.
 */
export function conformanceCases(
  factory: ConformanceFactory,
): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const [name, check] of Object.entries(FILE_CASES)) {
    cases.push(makeCase(name, factory, fileCase(check)));
  }
  for (const [name, check] of Object.entries(STORE_CASES)) {
    cases.push(makeCase(name, factory, check));
  }
  return cases;
}

/**
 * Registers the whole suite for one backend.
 *
 * @example A backend's whole test
 * ```ts
 * import { MemoryDisk, memoryBackend } from "@stemma/db/backends";
 * import { conformance } from "@stemma/db/backends/conformance";
 *
 * const running: Promise<void>[] = [];
 * conformance("memoryBackend()", () => {
 *   const disk = new MemoryDisk();
 *   return {
 *     backend: memoryBackend(disk),
 *     another: () => memoryBackend(disk),
 *   };
 * }, { test: (_name, run) => running.push(run()) }); // or: Deno.test
 * await Promise.all(running);
 * ```
 *
 * @param name What the tests' names start with.
 * @param factory Makes a fresh backend on an empty place, for every case.
 * @param options The runner's function.
 */
export function conformance(
  name: string,
  factory: ConformanceFactory,
  options: ConformanceOptions,
): void {
  for (const one of conformanceCases(factory)) {
    options.test(`${name} conforms: ${one.name}`, one.run);
  }
}

/** Writes everything, as callers must: in as many calls as it takes. */
function writeAll(file: StorageFile, bytes: Uint8Array, at: number): void {
  let done = 0;
  while (done < bytes.length) {
    const count = file.write(bytes.subarray(done), at + done);
    const fits = Number.isInteger(count) && count > 0 &&
      count <= bytes.length - done;
    expect(fits, `write returned ${count} of ${bytes.length - done} bytes`);
    done += count;
  }
}

function readInto(file: StorageFile, into: Uint8Array, at: number): void {
  let done = 0;
  while (done < into.length) {
    const count = file.read(into.subarray(done), at + done);
    const fits = Number.isInteger(count) && count > 0 &&
      count <= into.length - done;
    expect(fits, `read returned ${count} of ${into.length - done} bytes`);
    done += count;
  }
}

function readAll(file: StorageFile, length: number, at: number): Uint8Array {
  // Dirty, so that bytes which were not filled in show.
  const bytes = new Uint8Array(length).fill(0x5a);
  readInto(file, bytes, at);
  return bytes;
}

function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expectEqual(actual.length, expected.length, "number of bytes");
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) {
      throw new StemmaError(
        "conformance",
        `Byte ${i} is ${actual[i]}: expected ${expected[i]}`,
      );
    }
  }
}
