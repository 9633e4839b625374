// The writer of the backend on files: a thread that writes while others work. Whatever
// becomes of it, what is finished is in the file, or somebody is told.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import { ClosedError, IoError } from "../../backends/errors.ts";
import type { MadeBytes, StorageFile } from "../../backends/types.ts";
import { compileKernel } from "../../src/hash/kernel.ts";
import { KERNEL_COPY_SUMMED } from "../../src/hash/kernel_copies.ts";
import { amount, random } from "../_amount.ts";

conformance("denoFs() with a writer", async () => {
  const directory = await Deno.makeTempDir();
  return {
    backend: denoFs(directory, { writer: true, readers: 1 }),
    another: () => denoFs(directory),
    cleanup: () => Deno.remove(directory, { recursive: true }),
  };
}, { test: Deno.test });

async function withFile(
  writer: boolean,
  run: (file: StorageFile, path: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const file = await denoFs(directory, { writer }).open("pages", {
    create: true,
  });
  try {
    await run(file, `${directory}/pages`);
  } finally {
    file.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Lets the thread start. */
async function started(file: StorageFile): Promise<void> {
  file.writeLater!(new Uint8Array(1), 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
}

Deno.test("pieces written later are in the file, in order, with other calls in between", () =>
  withFile(true, async (file, path) => {
    await started(file);
    const draw = random("writer"), model = new Uint8Array(1 << 20);
    for (let step = 0; step < amount(400); step++) {
      const bytes = draw.bytes(1 + draw.int(draw.chance(0.1) ? 200_000 : 5000));
      const at = draw.int(model.length - bytes.length);
      model.set(bytes, at);
      if (draw.chance(0.9)) file.writeLater!(bytes, at);
      else assertEquals(file.write(bytes, at), bytes.length);
      if (draw.chance(0.05)) {
        file.finishWrites!();
        const found = Deno.readFileSync(path);
        assertEquals(found, model.subarray(0, found.length));
      }
    }
    file.close();
    const found = Deno.readFileSync(path);
    assertEquals(found, model.subarray(0, found.length));
  }));

Deno.test("what the thread cannot write is told once, and later writes are done", () =>
  withFile(true, async (file) => {
    await started(file);
    // Behind the longest file that there can be.
    const far = 2 ** 52, bytes = new Uint8Array(10).fill(7);
    file.writeLater!(bytes, far);
    assertThrows(() => file.finishWrites!(), IoError, "Cannot write");
    file.finishWrites!();
    file.writeLater!(bytes, 5);
    file.finishWrites!();
    const found = new Uint8Array(10);
    assertEquals(file.read(found, 5), 10);
    assertEquals(found, bytes);
    assertThrows(() => file.writeLater!(bytes, far), IoError, "Cannot write");
  }));

Deno.test("pieces behind one that cannot be written are not done in silence", () =>
  withFile(true, async (file) => {
    await started(file);
    const far = 2 ** 52, bytes = new Uint8Array(1000);
    assertThrows(
      () => {
        file.writeLater!(bytes, far);
        for (let n = 0; n < 100; n++) file.writeLater!(bytes, n * 1000);
        file.finishWrites!();
      },
      IoError,
      "Cannot write",
    );
  }));

Deno.test("the thread writes the file that is open, not another one under its name", () =>
  withFile(true, async (file, path) => {
    file.write(new Uint8Array(100), 0);
    Deno.renameSync(path, `${path}.old`);
    Deno.writeFileSync(path, new Uint8Array(100).fill(2));
    await started(file);
    for (let n = 0; n < 10; n++) {
      file.writeLater!(new Uint8Array(10).fill(9), 10 * n);
    }
    file.finishWrites!();
    assertEquals(Deno.readFileSync(path), new Uint8Array(100).fill(2));
    assertEquals(
      Deno.readFileSync(`${path}.old`),
      new Uint8Array(100).fill(9),
    );
  }));

Deno.test("nothing is written once a file with pieces on their way is closed", async () => {
  for (let run = 0; run < amount(10); run++) {
    await withFile(true, async (file, path) => {
      if (run % 2 === 0) await started(file);
      const bytes = new Uint8Array(60_000).fill(1);
      for (let n = 0; n < 20; n++) file.writeLater!(bytes, n * bytes.length);
      file.close();
      const wanted = new Uint8Array(20 * bytes.length);
      assertEquals(Deno.readFileSync(path), wanted.fill(1));
      Deno.writeFileSync(path, wanted.fill(3));
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(Deno.readFileSync(path), wanted);
    });
  }
});

Deno.test("where no thread can be started, pieces are written when they come", () =>
  withFile(true, (file, path) => {
    const { Worker } = globalThis;
    globalThis.Worker = class {
      constructor() {
        throw new Error("no threads");
      }
    } as unknown as typeof Worker;
    try {
      for (let n = 0; n < 3; n++) file.writeLater!(Uint8Array.of(n), n);
      file.finishWrites!();
    } finally {
      globalThis.Worker = Worker;
    }
    assertEquals(Deno.readFileSync(path), Uint8Array.of(0, 1, 2));
  }));

/** A writer's file, lent a kernel that copies; and how pieces are made with it. */
function lending(file: StorageFile, base = 0) {
  const memory = new WebAssembly.Memory({
    initial: 64,
    maximum: 64,
    shared: true,
  });
  const { module } = compileKernel("blake3", true)!;
  file.lend!({ module, memory, base, name: KERNEL_COPY_SUMMED });
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const piece = 1 << 16, list = 2 << 16, source = 1 << 20;
  let entries = 0, byOwner = 0;
  /** Has a piece made of what lies at a source, which is not changed after that. */
  const made = (from: number, length: number): MadeBytes => {
    const at = list + 24 * (entries++ & 8191),
      entry = [source + from, piece, 1, 2];
    words.set(entry, at >>> 2);
    const make = (): void => {
      byOwner++;
      bytes.copyWithin(piece, source + from, source + from + length);
    };
    return { at: piece, length, arguments: [at, 1, length], make };
  };
  const fill = (all: Uint8Array): void => bytes.set(all, source);
  return { made, fill, byOwner: () => byOwner };
}

Deno.test("pieces that the thread makes are in the file, in order with those that are copied", () =>
  withFile(true, async (file, path) => {
    const { made, fill, byOwner } = lending(file);
    const draw = random("made"), all = draw.bytes(1 << 20);
    fill(all);
    file.writeMade!(made(64, 128), 0);
    assertEquals(byOwner(), 1, "the thread cannot have started");
    await new Promise((resolve) => setTimeout(resolve, 300));
    const model = new Uint8Array(1 << 20);
    model.set(all.subarray(64, 192));
    for (let step = 0; step < amount(5000); step++) {
      const length = 64 * (1 + draw.int(64));
      const at = draw.int(model.length - length);
      const from = 64 * draw.int((all.length - length) / 64);
      const bytes = all.subarray(from, from + length);
      model.set(bytes, at);
      if (draw.chance(0.2)) file.writeLater!(bytes, at);
      else file.writeMade!(made(from, length), at);
      if (draw.chance(0.01)) file.finishWrites!();
      // Another place of the file may be read meanwhile.
      if (draw.chance(0.01)) file.read(new Uint8Array(10), 2 ** 30);
      if (step % 2000 === 1999) assertEquals(file.size() <= model.length, true);
    }
    file.finishWrites!();
    const found = Deno.readFileSync(path);
    assertEquals(found, model.subarray(0, found.length));
    assertEquals(byOwner(), 1);
  }));

Deno.test("what cannot be made, or not be written, is done or told by its owner", async () => {
  await withFile(true, async (file, path) => {
    // No module that imports more than there is can be started.
    const memory = new WebAssembly.Memory({
      initial: 1,
      maximum: 1,
      shared: true,
    });
    const { module } = compileKernel("blake3", false)!;
    file.lend!({ module, memory, base: 0, name: KERNEL_COPY_SUMMED });
    const bytes = new Uint8Array(memory.buffer);
    for (let n = 0; n < 3; n++) {
      const make = (): void => void bytes.fill(n + 1, 0, 64);
      file.writeMade!(
        { at: 0, length: 64, arguments: [0, 0, 0], make },
        64 * n,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    file.finishWrites!();
    assertEquals(
      Deno.readFileSync(path),
      Uint8Array.from({ length: 192 }, (_, i) => 1 + Math.floor(i / 64)),
    );
  });
  await withFile(true, async (file) => {
    const { made, fill } = lending(file);
    fill(new Uint8Array(1000).fill(7));
    await started(file);
    file.writeMade!(made(0, 64), 2 ** 52);
    file.writeMade!(made(0, 64), 128);
    assertThrows(() => file.finishWrites!(), IoError, "Cannot write");
    file.writeMade!(made(0, 64), 256);
    file.finishWrites!();
    const found = new Uint8Array(64);
    assertEquals(file.read(found, 256), 64);
    assertEquals(found, new Uint8Array(64).fill(7));
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      assertThrows(() => file.writeMade!(made(0, 64), bad), RangeError);
    }
    file.close();
    assertThrows(() => file.writeMade!(made(0, 64), 0), ClosedError);
  });
});

Deno.test("denoFs() without a writer has no writeLater()", () =>
  withFile(false, (file) => {
    assert(file.writeLater === undefined);
    assert(file.finishWrites === undefined);
    assert(file.lend === undefined);
    assert(file.writeMade === undefined);
  }));
