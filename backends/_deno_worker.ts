/**
 * Starts workers that have a handle of their own on a file. A worker's program is its
 * source text, so that nothing has to be found and loaded.
 *
 * @module
 */

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
 */
export type FileProgram = (file: Deno.FsFile | undefined, slots: Slots) => void;

/** Slots of shared memory, as a worker and whoever has started it see them. */
export interface Slots {
  /** What they tell each other. */
  readonly words: Int32Array;
  /** Where in the file each slot's bytes lie. */
  readonly positions: Float64Array;
  readonly blocks: readonly Uint8Array[];
}

/**
 * Makes slots.
 *
 * @param words How many words there are besides.
 * @param bytes Bytes of a slot.
 */
export function makeSlots(count: number, bytes: number, words: number): Slots {
  const head = 4 * words + 8 * count;
  const shared = new SharedArrayBuffer(head + count * bytes);
  return {
    words: new Int32Array(shared, 0, words),
    positions: new Float64Array(shared, 4 * words, count),
    blocks: Array.from(
      { length: count },
      (_, slot) => new Uint8Array(shared, head + slot * bytes, bytes),
    ),
  };
}

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: { data: [MeantFile, boolean, Slots] }) => void) | null;
}

function serve(scope: WorkerScope, program: FileProgram): void {
  scope.onmessage = ({ data: [{ path, dev, ino }, write, slots] }) => {
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
    program(file, slots);
    file?.close();
  };
}

/**
 * Starts a worker.
 *
 * @param write Whether its handle is one to write with, too.
 */
export function startFileWorker(
  program: FileProgram,
  file: MeantFile,
  write: boolean,
  slots: Slots,
): Worker {
  const source = `(${serve})(globalThis, ${program});`;
  const url = URL.createObjectURL(
    new Blob([source], { type: "text/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  worker.postMessage([file, write, slots]);
  return worker;
}
