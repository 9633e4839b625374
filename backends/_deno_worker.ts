/**
 * Starts workers that have a handle of their own on a file. A worker's program is its
 * source text, so that nothing has to be found and loaded.
 *
 * @module
 */
import type { StorageKernel } from "./types.ts";

/** A file, and what tells it from another one in its place. */
export interface MeantFile {
  readonly path: string;
  readonly dev: number;
  readonly ino: number | null;
}

/**
 * What a worker does with its file, until it returns: a whole program, since its source
 * text is what the worker is made of.
 *
 * @param file `undefined` when another one is in its place, or it cannot be opened.
 * @param kernel What it has been lent, if anything.
 */
export type FileProgram = (
  file: Deno.FsFile | undefined,
  slots: Slots,
  kernel?: StorageKernel,
) => void;

/** Slots of shared memory, as a worker and whoever has started it see them. */
export interface Slots {
  /** What they tell each other. */
  readonly words: Int32Array;
  /** Where in the file bytes lie, of each slot or of more pieces than there are slots. */
  readonly positions: Float64Array;
  readonly blocks: readonly Uint8Array[];
}

/**
 * Makes slots.
 *
 * @param bytes Bytes of a slot.
 * @param words How many words there are besides: an even number.
 * @param places How many positions.
 */
export function makeSlots(
  count: number,
  bytes: number,
  words: number,
  places: number = count,
): Slots {
  const head = 4 * words + 8 * places;
  const shared = new SharedArrayBuffer(head + count * bytes);
  return {
    words: new Int32Array(shared, 0, words),
    positions: new Float64Array(shared, 4 * words, places),
    blocks: Array.from(
      { length: count },
      (_, slot) => new Uint8Array(shared, head + slot * bytes, bytes),
    ),
  };
}

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: { data: Setup }) => void) | null;
}

/** What a worker is told: its file, whether it writes there, and what it works with. */
type Setup = [MeantFile, boolean, Slots, StorageKernel | undefined];

function serve(scope: WorkerScope, program: FileProgram): void {
  scope.onmessage = ({ data: [{ path, dev, ino }, write, slots, kernel] }) => {
    const isMeant = (info: Deno.FileInfo): boolean =>
      info.isFile && info.ino === ino && info.dev === dev;
    const open = (): Deno.FsFile | undefined => {
      // Opening a FIFO would wait for its other end: so look first.
      if (!isMeant(Deno.lstatSync(path))) return undefined;
      const file = Deno.openSync(path, { read: true, write });
      if (isMeant(file.statSync())) return file;
      file.close();
    };
    let file: Deno.FsFile | undefined;
    try {
      file = open();
    } catch {
      // Told by its absence.
    }
    program(file, slots, kernel);
    file?.close();
  };
}

/**
 * Starts a worker.
 *
 * @param write Whether its handle is one to write with, too.
 * @param kernel What it is lent.
 */
export function startFileWorker(
  program: FileProgram,
  file: MeantFile,
  write: boolean,
  slots: Slots,
  kernel?: StorageKernel,
): Worker {
  const source = `(${serve})(globalThis, ${program});`;
  const url = URL.createObjectURL(
    new Blob([source], { type: "text/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  const setup: Setup = [file, write, slots, kernel];
  worker.postMessage(setup);
  return worker;
}
