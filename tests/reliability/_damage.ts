// Damaging a store at rest: its files as plain bytes, and back on a disk.

import { simulated, type SimulatedBackend } from "../../backends/simulated.ts";
import { open } from "../../mod.ts";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { compareEntries } from "./_inspect.ts";
import type { State } from "./_model.ts";
import { Run, stateOf, type StoreOptions, tinyOptions } from "./_run.ts";

export const PAGES = "pages.stemma";
export const LOG = "log.stemma";

/** Bytes from one header slot to the next, and its generation's offset. */
const SLOT_BYTES = 8192;
const AT_GENERATION = 48;

/** The two files of a store. */
export interface Files {
  readonly [PAGES]: Uint8Array;
  readonly [LOG]: Uint8Array;
}

/** What can be read of a backend or an image. */
interface Source {
  readFile(name: string): Uint8Array | undefined;
}

/** Copies of both files. */
export function filesOf(source: Source): Files {
  return {
    [PAGES]: source.readFile(PAGES) ?? new Uint8Array(0),
    [LOG]: source.readFile(LOG) ?? new Uint8Array(0),
  };
}

/** A disk that holds these files. */
export function diskOf(files: Partial<Files>): SimulatedBackend {
  const backend = simulated();
  for (const [name, bytes] of Object.entries(files)) {
    if (bytes !== undefined) backend.writeFile(name, bytes);
  }
  return backend;
}

/** Which header slot has the higher generation; 0 when there is one. */
export function newestSlot(pages: Uint8Array): 0 | 1 {
  const view = new DataView(pages.buffer, pages.byteOffset, pages.length);
  const generation = (slot: number): number =>
    pages.length >= slot * SLOT_BYTES + 256
      ? view.getUint32(slot * SLOT_BYTES + AT_GENERATION, true)
      : 0;
  return generation(1) > generation(0) ? 1 : 0;
}

/** The page file with one header slot overwritten. */
export function withoutSlot(pages: Uint8Array, slot: number): Uint8Array {
  const copy = pages.slice();
  copy.fill(0xff, slot * SLOT_BYTES, slot * SLOT_BYTES + 256);
  return copy;
}

/** A small store with a bit of everything, and what it holds. */
export async function smallStore(
  closed: boolean,
  options: StoreOptions = tinyOptions(cheapScheme),
): Promise<{ files: Files; state: State; options: StoreOptions }> {
  const run = new Run(simulated({ seed: 1 }), options, 1);
  await run.open();
  await run.commit([1, 2, 3, 4, 5, 6].map((n) => [run.key(n), run.value(30)]));
  await run.commit([[run.key(7), run.value(1200)]], run.draw.bytes(10));
  await run.checkpoint();
  await run.commit([[run.key(2), undefined], [run.key(8), run.value(50)]]);
  await run.checkpoint();
  await run.commit([[run.key(9), run.value(20)]], run.draw.bytes(3));
  const state = run.tip;
  if (closed) await run.close();
  else await run.db.abandon();
  return { files: filesOf(run.backend), state, options };
}

/**
 * Runs a program, and at every call that changes storage destroys each header
 * slot in turn: the other one must give the same state, unless it was the only.
 */
export async function loseSlots(
  program: (run: Run) => Promise<void>,
  options: StoreOptions,
  seed: number,
): Promise<void> {
  const run = new Run(simulated({ seed }), options, seed);
  const found: { files: Files; states: State[] }[] = [];
  let last = "";
  run.onCall = (run, { operation }) => {
    if (run.isOpen && operation !== "read" && operation !== last) {
      found.push({ files: filesOf(run.backend), states: run.candidates() });
    }
    last = operation;
  };
  await program(run);
  for (const { files, states } of found) {
    const pages = files[PAGES], slot = newestSlot(pages);
    for (const gone of [slot, 1 - slot]) {
      const isOnly = pages[1] === 0 || pages[8193] === 0 ||
        pages.length < 8448;
      if (isOnly && gone === slot) continue;
      const backend = diskOf({ ...files, [PAGES]: withoutSlot(pages, gone) });
      const db = await open(backend, options);
      const state = stateOf(db, states);
      compareEntries(db.entries(), state.entries, "one slot");
      await db.check();
      await db.abandon();
    }
  }
}
