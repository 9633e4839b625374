// Stores that were damaged at rest, cut, mixed up or made by something else:
// right data or a typed error, and nothing is written to them.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { open, type OpenOptions } from "../../mod.ts";
import { CorruptError, ExistenceError, FormatError } from "../../src/errors.ts";
import { simulated, type SimulatedBackend } from "../../backends/simulated.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { xxh64 } from "../../src/hash/xxh64.ts";
import { amount, random, scale, seed } from "../_amount.ts";
import { compareEntries } from "./_inspect.ts";
import {
  diskOf,
  filesOf,
  LOG,
  loseSlots,
  PAGES,
  smallStore,
} from "./_damage.ts";
import type { State } from "./_model.ts";
import { namedScheme, Run, stateOf, tinyOptions } from "./_run.ts";
import { workloads } from "./_workloads.ts";

/** Fails unless the error is one that says what is wrong with which file. */
function assertNamed(error: unknown): void {
  if (error instanceof FormatError) return;
  assertInstanceOf(error, CorruptError, `foreign: ${error}`);
  assert(error.file !== undefined, `names no file: ${error}`);
}

/** Whether `act` throws; what it throws must be typed. */
async function refuses(act: () => unknown): Promise<boolean> {
  try {
    await act();
    return false;
  } catch (error) {
    assertNamed(error);
    return true;
  }
}

/**
 * Reads everything of a damaged store: right, or refused.
 *
 * @returns Whether anything was refused, by `check()` or before.
 */
async function readAll(
  backend: SimulatedBackend,
  state: State,
  options: OpenOptions,
): Promise<{ found: boolean; checked: boolean }> {
  let db;
  try {
    db = await open(backend, { ...options, create: "never" });
  } catch (error) {
    assertNamed(error);
    return { found: true, checked: true };
  }
  let found = false;
  stateOf(db, [state]);
  found =
    await refuses(() =>
      compareEntries(db.entries(), state.entries, "damaged")
    ) || found;
  for (const [key, value] of state.entries) {
    found = await refuses(() => assertEquals(db.get(key), value)) || found;
  }
  for (const { root } of db.history()) {
    const wanted = state.history.find((one) =>
      one.root.toHex() === root.toHex()
    )!;
    found = await refuses(() => {
      using snapshot = db.snapshot(root);
      compareEntries(snapshot.entries(), wanted.entries, "old");
    }) || found;
  }
  const checked = await refuses(() => db.check());
  await db.abandon();
  return { found, checked };
}

Deno.test("get() gives right data or CorruptError after a bit flip, and check() finds it", async () => {
  const { files, state, options } = await smallStore(true);
  const step = Math.max(1, Math.round(16 / scale));
  const draw = random("bit flips");
  let flips = 0, seen = 0;
  for (const name of [PAGES, LOG] as const) {
    for (let bit = 0; bit < 8 * files[name].length; bit += step) {
      const at = bit + draw.int(step), byte = at >> 3;
      if (byte >= files[name].length) break;
      const bytes = files[name].slice();
      bytes[byte] ^= 1 << (at & 7);
      flips++;
      try {
        const backend = diskOf({ ...files, [name]: bytes });
        const { found, checked } = await readAll(backend, state, options);
        if (found || checked) seen++;
        assert(!found || checked, "check() did not find it");
      } catch (error) {
        throw new Error(`bit ${at & 7} of byte ${byte} of ${name}: ${error}`, {
          cause: error,
        });
      }
    }
  }
  console.log(`${flips} flips, ${seen} of them in bytes that count`);
});

Deno.test("open() works from the other header slot when one is destroyed", async () => {
  const works = workloads(
    "checkpoints by count",
    "the page file shrinks",
    "log segments are used again",
    "rollbacks to a root, over checkpoints",
  );
  for (const work of works) {
    for (let n = 0; n < amount(2); n++) {
      await loseSlots(work.program, {
        ...tinyOptions(cheapScheme),
        ...work.options,
      }, seed + n);
    }
  }
});

/** Opens what must be refused; its bytes and names are the same after. */
async function assertRefused(
  files: Record<string, Uint8Array>,
  options: OpenOptions,
): Promise<unknown> {
  const backend = simulated();
  for (const [name, bytes] of Object.entries(files)) {
    backend.writeFile(name, bytes);
  }
  let refusal: unknown;
  try {
    const db = await open(backend, options);
    await db.abandon();
  } catch (error) {
    refusal = error;
  }
  assert(refusal !== undefined, "it was opened");
  const names = await backend.list();
  assertEquals(names, Object.keys(files).sort());
  for (const name of names) {
    assertEquals(backend.readFile(name)!.toHex(), files[name].toHex(), name);
  }
  assertEquals(backend.count("write") + backend.count("truncate"), 0);
  return refusal;
}

Deno.test("open() refuses a page file cut anywhere, or reads it right", async () => {
  const { files, state, options } = await smallStore(true);
  for (let size = 0; size < files[PAGES].length; size += 512) {
    const pages = files[PAGES].slice(0, size);
    const { found, checked } = await readAll(
      diskOf({ ...files, [PAGES]: pages }),
      state,
      options,
    );
    assert(!found || checked);
    if (size < 8192) assert(found, `${size}`);
  }
});

Deno.test("open() refuses a log cut anywhere, or reads it right", async () => {
  for (const closed of [true, false]) {
    const { files, state, options } = await smallStore(closed);
    // What is cut off an unclean log's very last record reads as a tear.
    const last = files[LOG].length - (closed ? 0 : 200);
    for (let size = 0; size < last; size += 512) {
      const log = files[LOG].slice(0, size);
      await readAll(diskOf({ ...files, [LOG]: log }), state, options);
    }
  }
});

Deno.test("open() refuses a store that lacks a file, and writes nothing", async () => {
  const { files, options } = await smallStore(true);
  for (const create of ["never", "if-missing"] as const) {
    const lone = { ...options, create };
    const pages = await assertRefused({ [PAGES]: files[PAGES] }, lone);
    assertInstanceOf(pages, CorruptError);
    assertEquals(pages.file, "log");
    const log = await assertRefused({ [LOG]: files[LOG] }, lone);
    assertInstanceOf(log, CorruptError);
    assertEquals(log.file, "pages");
  }
});

Deno.test("open() refuses what is no store, and writes nothing", async () => {
  const { files, options } = await smallStore(true);
  const draw = random("foreign");
  const never = { ...options, create: "never" } as const;
  assertInstanceOf(await assertRefused({}, never), ExistenceError);
  const foreign = { "letters.txt": draw.bytes(9) };
  assertInstanceOf(await assertRefused(foreign, options), ExistenceError);
  const noise = { [PAGES]: draw.bytes(40_000), [LOG]: draw.bytes(9000) };
  assertInstanceOf(await assertRefused(noise, options), CorruptError);
  const zeros = { [PAGES]: new Uint8Array(40_000), [LOG]: files[LOG] };
  assertInstanceOf(await assertRefused(zeros, options), CorruptError);
  const must = { ...options, create: "must" } as const;
  assertInstanceOf(await assertRefused({ ...files }, must), ExistenceError);
});

Deno.test("open() takes a half created store for none, and finishes it when asked to", async () => {
  const options = tinyOptions(cheapScheme);
  const halves: Record<string, Uint8Array>[] = [
    { [LOG]: new Uint8Array(0) },
    { [PAGES]: new Uint8Array(0), [LOG]: new Uint8Array(0) },
    { [PAGES]: new Uint8Array(100).fill(7), [LOG]: new Uint8Array(0) },
    { [PAGES]: new Uint8Array(0) },
  ];
  for (const half of halves) {
    const never = { ...options, create: "never" } as const;
    assertInstanceOf(await assertRefused(half, never), ExistenceError);
    for (const create of ["if-missing", "must"] as const) {
      const backend = simulated();
      for (const [name, bytes] of Object.entries(half)) {
        backend.writeFile(name, bytes);
      }
      const db = await open(backend, { ...options, create });
      assertEquals(db.head.sequence, 0);
      await db.close();
    }
  }
});

/** Both header slots changed, with good checksums. */
function withHeaders(
  pages: Uint8Array,
  change: (view: DataView) => void,
): Uint8Array {
  const copy = pages.slice(), sum = new Uint32Array(2);
  for (const at of [0, 8192]) {
    const view = new DataView(copy.buffer, at);
    change(view);
    const header = copy.slice(at, at + 256 + view.getUint32(224, true));
    header.fill(0, 248, 256);
    xxh64(header, 0, header.length, 0, 0, sum);
    view.setUint32(248, sum[0], true);
    view.setUint32(252, sum[1], true);
  }
  return copy;
}

Deno.test("open() refuses other versions, features and schemes, and writes nothing", async () => {
  const { files, options } = await smallStore(true);
  const changed = (at: number, value: number): Record<string, Uint8Array> => ({
    ...files,
    [PAGES]: withHeaders(
      files[PAGES],
      (view) => view.setUint32(at, value, true),
    ),
  });
  for (const version of [0, 2, 1000]) {
    const error = await assertRefused(changed(8, version), options);
    assertInstanceOf(error, FormatError);
    assertEquals(error.code, "format-version");
  }
  for (const at of [28, 32]) {
    const error = await assertRefused(changed(at, 4), options);
    assertInstanceOf(error, FormatError);
    assertEquals(error.code, "format-feature");
  }
  const other = { ...options, scheme: namedScheme("nomt-blake3") };
  const error = await assertRefused({ ...files }, other);
  assertInstanceOf(error, FormatError);
  assertEquals(error.code, "scheme-mismatch");
});

Deno.test("get() refuses a stale page and a misdirected one", async () => {
  const { files, state, options } = await smallStore(true);
  const pages = files[PAGES];
  const count = Math.floor((pages.length - 16384) / 512);
  for (let to = 0; to < count; to++) {
    for (let from = 0; from < count; from++) {
      const copy = pages.slice();
      const at = 16384 + 512 * from;
      copy.set(pages.subarray(at, at + 512), 16384 + 512 * to);
      await readAll(diskOf({ ...files, [PAGES]: copy }), state, options);
    }
  }
});

Deno.test("open() refuses a damaged record that a later one says was durable", async () => {
  const options = { ...tinyOptions(cheapScheme), segmentBytes: 4096 };
  const run = new Run(simulated(), options, 3);
  await run.open();
  for (let n = 0; n < 5; n++) await run.commit([[run.key(n), run.value(40)]]);
  await run.db.abandon();
  const files = filesOf(run.backend);
  const starts: number[] = [];
  const magic = [0x74, 0x46, 0x72, 0x6d];
  for (let at = 0; at < files[LOG].length; at += 8) {
    if (magic.every((byte, i) => files[LOG][at + i] === byte)) starts.push(at);
  }
  assertEquals(starts.length, 5);
  // All but the last two: only a third record says that the first is durable.
  for (const start of starts.slice(0, 3)) {
    const log = files[LOG].slice();
    log[start + 60] ^= 4;
    await assertRejects(
      () => open(diskOf({ ...files, [LOG]: log }), options),
      CorruptError,
    );
  }
});
