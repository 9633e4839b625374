/**
 * Writes pieces of a file on a thread of its own, while its owner goes on. The thread is a
 * worker with a handle of its own; pieces go through a ring of entries in shared memory,
 * in order:
 *
 * * READY is set when the worker has opened the file. Before that nothing is given to it.
 * * POSTED and DONE count pieces. An entry is used again when its piece is done, so
 *   what is not done is still there.
 * * WAKES counts reasons to look again: pieces, and CLOSED.
 * * FAILED is set when a piece could not be written; the worker does no other then. Its
 *   owner writes that piece and those behind it, and finds out what is wrong.
 *
 * The bytes of a piece are copied to a block, or put together by the worker with a kernel
 * that it has been lent.
 *
 * @module
 */
import {
  type FileProgram,
  makeSlots,
  type MeantFile,
  startFileWorker,
} from "./_deno_worker.ts";
import { IoError } from "./errors.ts";
import type { MadeBytes, StorageKernel } from "./types.ts";

/** Pieces that wait at most, and blocks for those that are copied: powers of two. */
const ENTRIES = 4096;
const BLOCKS = 32;
const PIECE_BYTES = 1 << 16;
// Words of the ring. Those of entries come from FIELDS on: the block, or -1, bytes, where
// they lie in lent memory, and what the kernel is called with.
const POSTED = 0, DONE = 1, READY = 2, FAILED = 3;
const CLOSED = 4, WAKES = 5, IDLE = 6, ASKS = 7;
const FIELDS = 16, FIELD_WORDS = 8;
/** Looks at a counter before the waiting thread yields its processor. */
const SPINS_MAX = 2000;
/** The longest that a piece may take, in milliseconds. */
const ANSWER_MS_MAX = 120_000;

const serve: FileProgram = (file, { words, positions, blocks }, kernel) => {
  const [POSTED, DONE, READY, FAILED] = [0, 1, 2, 3];
  const [CLOSED, WAKES, IDLE, ASKS] = [4, 5, 6, 7];
  const FIELDS = 16, FIELD_WORDS = 8, ENTRIES = 4096;
  const load = ({ module, memory, base, name }: StorageKernel) => {
    const env = { memory, base };
    const { exports } = new WebAssembly.Instance(module, { env });
    return exports[name] as (...numbers: number[]) => void;
  };
  let bytes: Uint8Array, make: (...numbers: number[]) => void;
  const pieceOf = (entry: number): Uint8Array => {
    const i = FIELDS + FIELD_WORDS * entry, length = words[i + 1];
    if (words[i] >= 0) return blocks[words[i]].subarray(0, length);
    make(words[i + 3], words[i + 4], words[i + 5]);
    const at = words[i + 2] >>> 0;
    return bytes.subarray(at, at + length);
  };
  const write = (entry: number): void => {
    const piece = pieceOf(entry);
    file!.seekSync(positions[entry], Deno.SeekMode.Start);
    for (let done = 0; done < piece.length;) {
      const put = file!.writeSync(piece.subarray(done));
      if (put === 0) throw new Error("Cannot write: nothing was written");
      done += put;
    }
  };
  if (file === undefined) return;
  if (kernel !== undefined) {
    bytes = new Uint8Array(kernel.memory.buffer);
    try {
      make = load(kernel);
    } catch {
      return; // Never ready, so all is left to its owner.
    }
  }
  Atomics.store(words, READY, 1);
  for (let ticket = 0;;) {
    const wakes = Atomics.load(words, WAKES);
    if (Atomics.load(words, CLOSED) === 1) return;
    if (ticket === Atomics.load(words, POSTED)) {
      Atomics.store(words, IDLE, 1);
      Atomics.wait(words, WAKES, wakes);
      Atomics.store(words, IDLE, 0);
      continue;
    }
    try {
      write(ticket & ENTRIES - 1);
      ticket = ticket + 1 | 0;
      Atomics.store(words, DONE, ticket);
    } catch {
      Atomics.store(words, FAILED, 1);
    }
    if (Atomics.load(words, ASKS) === 1) Atomics.notify(words, DONE);
    if (Atomics.load(words, FAILED) === 1) return;
  }
};

/** A thread that writes to a file. */
export class LaterWriter {
  readonly #name: string;
  readonly #words: Int32Array;
  readonly #positions: Float64Array;
  readonly #blocks: readonly Uint8Array[];
  readonly #worker: Worker;
  readonly #write: (bytes: Uint8Array, position: number) => void;
  /** The lent memory, if there is any. */
  readonly #lent: Uint8Array | undefined;
  /** What puts together the piece of each entry on this thread. */
  readonly #made: (MadeBytes | undefined)[] = [];
  #posted = 0;
  /**
   * Pieces copied that are not known to be done, and for each block how many had been posted
   * with its last one.
   */
  #copied = 0;
  readonly #copiedUpTo: Int32Array = new Int32Array(BLOCKS);
  /** Whether the thread has stopped: then nothing is left to it any more. */
  #isBroken = false;

  /**
   * Starts the thread.
   *
   * @param name The file, for messages.
   * @param write Writes all of a piece; throws when it cannot.
   * @param kernel What the thread is lent.
   */
  constructor(
    name: string,
    file: MeantFile,
    write: (bytes: Uint8Array, position: number) => void,
    kernel?: StorageKernel,
  ) {
    const words = FIELDS + FIELD_WORDS * ENTRIES;
    const slots = makeSlots(BLOCKS, PIECE_BYTES, words, ENTRIES);
    this.#name = name;
    this.#write = write;
    this.#words = slots.words;
    this.#positions = slots.positions;
    this.#blocks = slots.blocks;
    this.#lent = kernel && new Uint8Array(kernel.memory.buffer);
    this.#worker = startFileWorker(serve, file, true, slots, kernel);
  }

  /**
   * Takes bytes that are to be written; they are copied.
   *
   * @throws {IoError} When bytes taken before cannot be written, or the thread does not
   *   answer.
   */
  post(bytes: Uint8Array, position: number): void {
    if (!this.#isThere) return this.#write(bytes, position);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#postCopy(bytes.subarray(at, at + PIECE_BYTES), position + at);
    }
  }

  #postCopy(piece: Uint8Array, position: number): void {
    const block = this.#copied & BLOCKS - 1;
    const isFree = this.#copied < BLOCKS ||
      this.#await(this.#copiedUpTo[block]);
    if (this.#isBroken || !isFree || !this.#awaitEntry()) {
      this.finish();
      return this.#write(piece, position);
    }
    this.#blocks[block].set(piece);
    this.#copied++;
    this.#put(position, undefined, [block, piece.length]);
    this.#copiedUpTo[block] = this.#posted;
  }

  /**
   * Takes bytes that the thread is to put together.
   *
   * @throws {IoError} As {@linkcode post}.
   */
  postMade(made: MadeBytes, position: number): void {
    if (!this.#isThere || !this.#awaitEntry()) {
      this.finish();
      return this.#writeMade(made, position);
    }
    const { at, length, arguments: numbers } = made;
    this.#put(position, made, [-1, length, at, ...numbers]);
  }

  #writeMade(made: MadeBytes, position: number): void {
    made.make();
    const { at, length } = made;
    this.#write(this.#lent!.subarray(at, at + length), position);
  }

  get #isThere(): boolean {
    return !this.#isBroken && Atomics.load(this.#words, READY) === 1;
  }

  #put(
    position: number,
    made: MadeBytes | undefined,
    fields: readonly number[],
  ): void {
    const words = this.#words, entry = this.#posted & ENTRIES - 1;
    words.set(fields, FIELDS + FIELD_WORDS * entry);
    this.#positions[entry] = position;
    this.#made[entry] = made;
    this.#posted = this.#posted + 1 | 0;
    Atomics.store(words, POSTED, this.#posted);
    this.#wake();
  }

  /** Whoever is about to wait for more goes on as well. */
  #wake(): void {
    const words = this.#words;
    Atomics.add(words, WAKES, 1);
    if (Atomics.load(words, IDLE) === 1) Atomics.notify(words, WAKES);
  }

  /**
   * Returns when all has been written.
   *
   * @throws {IoError} When something cannot be, or the thread does not answer.
   */
  finish(): void {
    if (this.#isBroken) return;
    const isDone = this.#await(this.#posted);
    this.#copied = 0;
    if (isDone) return;
    // The thread has stopped: what it has not done is done here.
    this.#isBroken = true;
    const words = this.#words;
    let ticket = Atomics.load(words, DONE);
    for (; ticket !== this.#posted; ticket = ticket + 1 | 0) {
      const entry = ticket & ENTRIES - 1, made = this.#made[entry];
      const position = this.#positions[entry];
      if (made !== undefined) this.#writeMade(made, position);
      else {
        const i = FIELDS + FIELD_WORDS * entry;
        const block = this.#blocks[words[i]];
        this.#write(block.subarray(0, words[i + 1]), position);
      }
    }
  }

  /** As {@linkcode finish}, for pieces that were copied, and those before them. */
  finishCopied(): void {
    if (this.#copied === 0) return;
    const last = this.#copiedUpTo[this.#copied - 1 & BLOCKS - 1];
    if (this.#isBroken || !this.#await(last)) return this.finish();
    this.#copied = 0;
  }

  #awaitEntry(): boolean {
    return this.#await(this.#posted - ENTRIES + 1 | 0);
  }

  /** Waits until so many pieces are done; false when the thread has stopped. */
  #await(count: number): boolean {
    const words = this.#words;
    let limit = 0;
    for (let spins = 0;; spins++) {
      const done = Atomics.load(words, DONE);
      if ((done - count | 0) >= 0) return true;
      if (Atomics.load(words, FAILED) === 1) return false;
      if (spins < SPINS_MAX) continue;
      limit ||= performance.now() + ANSWER_MS_MAX;
      if (performance.now() > limit) throw this.#gone();
      Atomics.store(words, ASKS, 1);
      Atomics.wait(words, DONE, done, 1);
      Atomics.store(words, ASKS, 0);
    }
  }

  /** What it may yet write is open, so nothing must be written any more. */
  #gone(): IoError {
    this.#isBroken = true;
    return new IoError(
      `Cannot write ${this.#name}: the thread that writes does not answer`,
      { operation: "write", file: this.#name },
    );
  }

  /** Stops the thread, when all has been written that can be: nothing comes later. */
  close(): void {
    try {
      this.finish();
    } catch {
      // Whoever had it written has been told, or did not ask.
    }
    Atomics.store(this.#words, CLOSED, 1);
    this.#wake();
    this.#worker.terminate();
  }
}
