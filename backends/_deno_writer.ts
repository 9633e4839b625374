/**
 * Writes pieces of a file on a thread of its own, while its owner puts the next ones
 * together. The thread is a worker with a handle of its own; pieces go through a ring of
 * slots in shared memory, in order:
 *
 * * READY is set when the worker has opened the file. Before that nothing is given to it.
 * * POSTED and DONE count pieces. A slot is used again when its piece is done, so
 *   what is not done is still there.
 * * WAKES counts reasons to look again: pieces, and CLOSED.
 * * FAILED is set when a piece could not be written; the worker does no other then. Its
 *   owner writes that piece and those behind it, and finds out what is wrong.
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

/** Pieces that wait at most: a power of two. */
const SLOTS = 32;
const PIECE_BYTES = 1 << 16;
// Words of the ring; lengths of pieces come from LENGTHS on.
const POSTED = 0, DONE = 1, READY = 2, FAILED = 3;
const CLOSED = 4, WAKES = 5, IDLE = 6, ASKS = 7;
const LENGTHS = 16;
/** Looks at a counter before the waiting thread yields its processor. */
const SPINS_MAX = 2000;
/** The longest that a piece may take, in milliseconds. */
const ANSWER_MS_MAX = 120_000;

const serve: FileProgram = (file, { words, positions, blocks }) => {
  const [POSTED, DONE, READY, FAILED] = [0, 1, 2, 3];
  const [CLOSED, WAKES, IDLE, ASKS] = [4, 5, 6, 7];
  const LENGTHS = 16;
  const write = (slot: number): void => {
    const piece = blocks[slot].subarray(0, words[LENGTHS + slot]);
    file!.seekSync(positions[slot], Deno.SeekMode.Start);
    for (let done = 0; done < piece.length;) {
      const put = file!.writeSync(piece.subarray(done));
      if (put === 0) throw new Error("Cannot write: nothing was written");
      done += put;
    }
  };
  if (file === undefined) return;
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
      write(ticket & blocks.length - 1);
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
  readonly #pieces: readonly Uint8Array[];
  readonly #worker: Worker;
  readonly #write: (bytes: Uint8Array, position: number) => void;
  #posted = 0;
  /** Whether the thread has stopped: then nothing is left to it any more. */
  #isBroken = false;

  /**
   * Starts the thread.
   *
   * @param name The file, for messages.
   * @param write Writes all of a piece; throws when it cannot.
   */
  constructor(
    name: string,
    file: MeantFile,
    write: (bytes: Uint8Array, position: number) => void,
  ) {
    const slots = makeSlots(SLOTS, PIECE_BYTES, LENGTHS + SLOTS);
    this.#name = name;
    this.#write = write;
    this.#words = slots.words;
    this.#positions = slots.positions;
    this.#pieces = slots.blocks;
    this.#worker = startFileWorker(serve, file, true, slots);
  }

  /**
   * Takes bytes that are to be written; they are copied.
   *
   * @throws {IoError} When bytes taken before cannot be written, or the thread does not
   *   answer.
   */
  post(bytes: Uint8Array, position: number): void {
    if (this.#isBroken || Atomics.load(this.#words, READY) === 0) {
      return this.#write(bytes, position);
    }
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#postPiece(bytes.subarray(at, at + PIECE_BYTES), position + at);
    }
  }

  #postPiece(piece: Uint8Array, position: number): void {
    if (this.#isBroken || !this.#await(this.#posted - SLOTS + 1 | 0)) {
      this.finish();
      return this.#write(piece, position);
    }
    const slot = this.#posted & SLOTS - 1, words = this.#words;
    this.#pieces[slot].set(piece);
    this.#positions[slot] = position;
    words[LENGTHS + slot] = piece.length;
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
    if (this.#isBroken || this.#await(this.#posted)) return;
    // The thread has stopped: what it has not done is done here.
    this.#isBroken = true;
    const words = this.#words;
    let ticket = Atomics.load(words, DONE);
    for (; ticket !== this.#posted; ticket = ticket + 1 | 0) {
      const slot = ticket & SLOTS - 1;
      const piece = this.#pieces[slot].subarray(0, words[LENGTHS + slot]);
      this.#write(piece, this.#positions[slot]);
    }
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
