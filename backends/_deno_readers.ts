/**
 * Reads blocks of a file on threads of their own, before they are asked for. Each
 * thread is a worker with a handle of its own; blocks go through a ring of slots in
 * shared memory:
 *
 * * POSTED and TAKEN count blocks. A block is taken by compare-and-swap, by a reader or,
 *   when it is asked for first, by the thread that asks. So readers that are not
 *   scheduled cost nothing.
 * * The state of a slot is WAITING from the posting on, and then the number of bytes
 *   read, or FAILED. A slot is used again when it is not WAITING and its block has been
 *   fetched or forgotten.
 *
 * Whatever goes wrong here is left for the caller to find out: it reads the block
 * itself.
 *
 * @module
 */
import {
  type FileProgram,
  makeSlots,
  type MeantFile,
  startFileWorker,
} from "./_deno_worker.ts";

/** Blocks that are read ahead at most: a power of two. */
const SLOTS = 256;
// Words of the ring, those that different threads write in lines of their own; the states
// of slots come from STATES on.
const POSTED = 0, TAKEN = 16, IDLE = 32, ASKS = 48, CLOSED = 49, STATES = 64;
const WAITING = -1, FAILED = -2;
/** Instead of a position: nobody wants what is in the slot. */
const NOWHERE = -1;
/** Blocks that readers are told of together: a line of memory that moves costs as much. */
const TOLD_MAX = 16;
/** Longest block, in bytes. */
const BLOCK_BYTES_MAX = 1 << 16;
/** Looks at a slot before the asking thread yields its processor. */
const SPINS_MAX = 2000;
/** The longest that a reader may take over one block, in milliseconds. */
const ANSWER_MS_MAX = 30_000;

const serve: FileProgram = (file, { words, positions, blocks }) => {
  const [POSTED, TAKEN, IDLE, ASKS, CLOSED] = [0, 16, 32, 48, 49];
  const STATES = 64, FAILED = -2;
  const read = (slot: number): number => {
    try {
      file!.seekSync(positions[slot], Deno.SeekMode.Start);
      return file!.readSync(blocks[slot]) ?? 0;
    } catch {
      return FAILED;
    }
  };
  while (Atomics.load(words, CLOSED) === 0) {
    // In this order: what is behind the last one is not there yet.
    const ticket = Atomics.load(words, TAKEN);
    const posted = Atomics.load(words, POSTED);
    if (ticket === posted) {
      Atomics.add(words, IDLE, 1);
      Atomics.wait(words, POSTED, posted);
      Atomics.sub(words, IDLE, 1);
      continue;
    }
    const next = ticket + 1 | 0;
    if (Atomics.compareExchange(words, TAKEN, ticket, next) !== ticket) {
      continue;
    }
    const slot = ticket & blocks.length - 1;
    Atomics.store(words, STATES + slot, read(slot));
    if (Atomics.load(words, ASKS) === 1) Atomics.notify(words, STATES + slot);
  }
};

/** Threads that read blocks of one length ahead. */
export class Readers {
  readonly #bytes: number;
  readonly #words: Int32Array;
  readonly #positions: Float64Array;
  readonly #blocks: readonly Uint8Array[];
  readonly #workers: readonly Worker[];
  /** Position of what each slot is wanted for. */
  readonly #wanted: Float64Array = new Float64Array(SLOTS).fill(NOWHERE);
  /** The oldest block whose slot is not free. */
  #first = 0;
  #posted = 0;
  /** How many of these readers know of. */
  #told = 0;
  #isBroken = false;

  /**
   * Starts readers.
   *
   * @param bytes Length of each block.
   * @param threads How many readers.
   * @returns `undefined` for blocks that do not fit.
   */
  static start(
    file: MeantFile,
    bytes: number,
    threads: number,
  ): Readers | undefined {
    if (bytes === 0 || bytes > BLOCK_BYTES_MAX) return undefined;
    return new Readers(file, bytes, threads);
  }

  private constructor(file: MeantFile, bytes: number, threads: number) {
    const slots = makeSlots(SLOTS, bytes, STATES + SLOTS);
    this.#bytes = bytes;
    this.#words = slots.words;
    this.#positions = slots.positions;
    this.#blocks = slots.blocks;
    this.#workers = Array.from(
      { length: threads },
      () => startFileWorker(serve, file, false, slots),
    );
  }

  /** Has a block read, if there is a free slot and it has the right length. */
  post(position: number, length: number): void {
    if (this.#isBroken || length !== this.#bytes || !this.#hasRoom()) return;
    const slot = this.#posted & SLOTS - 1;
    this.#wanted[slot] = this.#positions[slot] = position;
    this.#words[STATES + slot] = WAITING;
    this.#posted = this.#posted + 1 | 0;
    if ((this.#posted - this.#told | 0) === TOLD_MAX) this.#tell();
  }

  /** Tells readers of what has been posted. */
  #tell(): void {
    const words = this.#words;
    this.#told = this.#posted;
    Atomics.store(words, POSTED, this.#posted);
    if (Atomics.load(words, IDLE) > 0) Atomics.notify(words, POSTED, 1);
  }

  /** Makes room where blocks that were read ahead have been fetched, or are old. */
  #hasRoom(): boolean {
    const isFull = (this.#posted - this.#first | 0) === SLOTS;
    if (isFull && !this.#isWaiting(this.#first)) {
      this.#first = this.#first + 1 | 0;
      return true;
    }
    return !isFull;
  }

  #isWaiting(ticket: number): boolean {
    const state = STATES + (ticket & SLOTS - 1);
    return Atomics.load(this.#words, state) === WAITING;
  }

  /**
   * Fetches a block that was posted; waits for it if a reader is at it.
   *
   * @returns How many bytes; `undefined` when the caller is to read them.
   */
  fetch(buffer: Uint8Array, position: number): number | undefined {
    if (buffer.length !== this.#bytes || this.#isBroken) return undefined;
    const ticket = this.#find(position);
    if (ticket === undefined) return undefined;
    if ((ticket - this.#told | 0) >= 0) this.#tell();
    if (!this.#await(ticket)) return undefined;
    const slot = ticket & SLOTS - 1;
    const got = Atomics.load(this.#words, STATES + slot);
    this.#wanted[slot] = NOWHERE;
    if (got === FAILED) this.#isBroken = true;
    if (got !== buffer.length) return undefined;
    buffer.set(this.#blocks[slot]);
    return got;
  }

  /** The block that was posted for a position; passes what nobody wants. */
  #find(position: number): number | undefined {
    const wanted = this.#wanted, posted = this.#posted;
    let first = this.#first;
    while (
      first !== posted && wanted[first & SLOTS - 1] === NOWHERE &&
      !this.#isWaiting(first)
    ) first = first + 1 | 0;
    this.#first = first;
    for (let ticket = first; ticket !== posted; ticket = ticket + 1 | 0) {
      if (wanted[ticket & SLOTS - 1] === position) return ticket;
    }
    return undefined;
  }

  /** Whether a block has been read by a reader; else the caller has to. */
  #await(ticket: number): boolean {
    const words = this.#words, state = STATES + (ticket & SLOTS - 1);
    let limit = 0;
    for (let spins = 0; this.#isWaiting(ticket); spins++) {
      const taken = Atomics.load(words, TAKEN);
      if ((ticket - taken | 0) >= 0) {
        if (this.#take(taken, ticket)) return false;
      } else if (spins > SPINS_MAX) {
        limit ||= performance.now() + ANSWER_MS_MAX;
        this.#isBroken = performance.now() > limit;
        if (this.#isBroken) return false;
        Atomics.store(words, ASKS, 1);
        Atomics.wait(words, state, WAITING, 1);
        Atomics.store(words, ASKS, 0);
      }
    }
    return true;
  }

  /** Takes a block, and those before it that no reader has come to, from the readers. */
  #take(from: number, to: number): boolean {
    const words = this.#words, end = to + 1 | 0;
    if (Atomics.compareExchange(words, TAKEN, from, end) !== from) return false;
    for (let ticket = from; ticket !== end; ticket = ticket + 1 | 0) {
      const slot = ticket & SLOTS - 1;
      this.#wanted[slot] = NOWHERE;
      Atomics.store(words, STATES + slot, 0);
    }
    return true;
  }

  /** Nobody wants what was posted so far: the file changes. */
  forget(): void {
    if (this.#first !== this.#posted) this.#wanted.fill(NOWHERE);
  }

  /** Stops the readers. */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    // Whoever is about to wait for more goes on as well.
    Atomics.add(this.#words, POSTED, 1);
    Atomics.notify(this.#words, POSTED);
    for (const worker of this.#workers) worker.terminate();
  }
}
