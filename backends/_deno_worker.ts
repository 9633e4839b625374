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
export type FileProgram<Setup> = (
  file: Deno.FsFile | undefined,
  setup: Setup,
) => void;

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: { data: [MeantFile, boolean, unknown] }) => void) | null;
}

function serve(scope: WorkerScope, program: FileProgram<unknown>): void {
  scope.onmessage = ({ data: [{ path, dev, ino }, write, setup] }) => {
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
    program(file, setup);
    file?.close();
  };
}

/**
 * Starts a worker.
 *
 * @param write Whether its handle is one to write with, too.
 * @param setup What its program is told.
 */
export function startFileWorker<Setup>(
  program: FileProgram<Setup>,
  file: MeantFile,
  write: boolean,
  setup: Setup,
): Worker {
  const source = `(${serve})(globalThis, ${program});`;
  const url = URL.createObjectURL(
    new Blob([source], { type: "text/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  worker.postMessage([file, write, setup]);
  return worker;
}
