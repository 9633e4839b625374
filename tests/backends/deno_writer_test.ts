// The writer of the backend on files: a thread that writes while others work. Whatever
// becomes of it, what is finished is in the file, or somebody is told.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import { IoError } from "../../backends/errors.ts";
import type { StorageFile } from "../../backends/types.ts";
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

Deno.test("denoFs() without a writer has no writeLater()", () =>
  withFile(false, (file) => {
    assert(file.writeLater === undefined);
    assert(file.finishWrites === undefined);
  }));
