// Readers of the backend on files: threads that read ahead. Whatever they do, and
// whatever becomes of them, reading gives what the file holds.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import type { StorageFile } from "../../backends/types.ts";
import { amount, random } from "../_amount.ts";

const BLOCK = 512;

conformance("denoFs() with readers", async () => {
  const directory = await Deno.makeTempDir();
  return {
    backend: denoFs(directory, { readers: 2 }),
    another: () => denoFs(directory),
    cleanup: () => Deno.remove(directory, { recursive: true }),
  };
}, { test: Deno.test });

async function withFile(
  readers: number,
  run: (file: StorageFile, path: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const backend = denoFs(directory, { readers });
  const file = await backend.open("pages", { create: true });
  try {
    await run(file, `${directory}/pages`);
  } finally {
    file.close();
    await Deno.remove(directory, { recursive: true });
  }
}

function block(file: StorageFile, number: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  assertEquals(file.read(bytes, number * BLOCK), BLOCK);
  return bytes;
}

/** Lets readers run. */
async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("blocks read later are what the file holds, in any order, with writes in between", () =>
  withFile(4, async (file) => {
    const draw = random("readers"), blocks = 600;
    const model = draw.bytes(blocks * BLOCK);
    const write = (number: number): void => {
      const at = number * BLOCK, bytes = draw.bytes(1 + draw.int(2 * BLOCK));
      const end = Math.min(bytes.length, model.length - at);
      model.set(bytes.subarray(0, end), at);
      file.write(bytes.subarray(0, end), at);
    };
    file.write(model, 0);
    file.readLater!(0, BLOCK);
    await pause(300);
    for (let step = 0; step < amount(1000); step++) {
      // More than there are slots, now and then.
      const ahead = draw.pick([0, 1, 2, 7, 64, 64, 100, 300]);
      const numbers = Array.from({ length: ahead }, () => draw.int(blocks));
      for (const later of numbers) file.readLater!(later * BLOCK, BLOCK);
      if (draw.chance(0.02)) await pause(1);
      if (draw.chance(0.05)) write(draw.pick([0, ...numbers]));
      const count = draw.pick([0, 1, 7, ahead, ahead]);
      const wanted = [...numbers.slice(0, count), draw.int(blocks)];
      for (const number of wanted) {
        const from = number * BLOCK;
        assertEquals(block(file, number), model.slice(from, from + BLOCK));
      }
    }
  }));

Deno.test("readers do the reading that was asked for ahead", () =>
  withFile(2, async (file, path) => {
    const seen = new Set<number>();
    // They may take a while to start.
    for (let attempt = 1; attempt <= 20 && !seen.has(1); attempt++) {
      file.write(new Uint8Array(100 * BLOCK).fill(1), 0);
      for (let n = 0; n < 100; n++) file.readLater!(n * BLOCK, BLOCK);
      await pause(50 * attempt);
      // What they have read is what the file held then: nobody may write it meanwhile.
      const behind = Deno.openSync(path, { write: true });
      behind.writeSync(new Uint8Array(100 * BLOCK).fill(2));
      behind.close();
      seen.clear();
      for (let n = 0; n < 100; n++) seen.add(block(file, n)[0]);
    }
    assert(seen.has(1));
    assertEquals(block(file, 0)[0], 2);
  }));

Deno.test("readers read the file that is open, not another one under its name", async () => {
  for (const kind of ["file", "link", "directory", "nothing"]) {
    await withFile(2, async (file, path) => {
      file.write(new Uint8Array(8 * BLOCK).fill(1), 0);
      const other = new Uint8Array(8 * BLOCK).fill(2);
      Deno.renameSync(path, `${path}.old`);
      if (kind === "file") Deno.writeFileSync(path, other);
      if (kind === "directory") Deno.mkdirSync(path);
      if (kind === "link") {
        Deno.writeFileSync(`${path}.other`, other);
        Deno.symlinkSync(`${path}.other`, path);
      }
      for (let n = 0; n < 8; n++) file.readLater!(n * BLOCK, BLOCK);
      await pause(200);
      for (let n = 0; n < 8; n++) assertEquals(block(file, n)[0], 1);
      file.readLater!(0, BLOCK);
      assertEquals(block(file, 0)[0], 1);
    });
  }
});

Deno.test("a file that is closed while blocks wait ends its readers", async () => {
  for (let run = 0; run < amount(5); run++) {
    await withFile(4, async (file) => {
      file.write(new Uint8Array(300 * BLOCK), 0);
      for (let n = 0; n < 300; n++) file.readLater!(n * BLOCK, BLOCK);
      if (run % 2 === 1) await pause(run);
    });
  }
});

Deno.test("denoFs() without readers has no readLater(), and refuses odd numbers of them", async () => {
  await withFile(0, (file) => assert(file.readLater === undefined));
  for (const readers of [-1, 0.5, 65, NaN]) {
    assertThrows(() => denoFs("never-made", { readers }), RangeError);
  }
});
