// This module is browser compatible.
/**
 * The backend that loses power on purpose. In memory, deterministic, seeded: at
 * any moment it can tell what the disk might look like if the power failed now,
 * and it can make any call fail. Made for tests of this engine and of programs
 * built on it. What it assumes of a medium is P8 of the reliability promises: a
 * byte is written whole or not, what was flushed stays, a write does not damage
 * its neighbours, and a name is durable only after a directory sync.
 *
 * @module
 */
import {
  ClosedError,
  FileExistsError,
  FileMissingError,
  IoError,
  LockedError,
  type StorageError,
  StorageFullError,
} from "./errors.ts";
import { StemmaError } from "@stemma/verify";
import { checkName, checkRange, checkSize } from "./_internal.ts";
import { choiceFromSeed, type CrashChoice, crashFiles } from "./_sim_crash.ts";
import { type Inode, SimulatedDisk } from "./_sim_disk.ts";
import { copyOf, SimulatedImage } from "./_sim_image.ts";
import { SimRandom } from "./_sim_random.ts";
import {
  applies,
  type SimulatedCall,
  type SimulatedFailure,
  type SimulatedImagesOptions,
  type SimulatedOptions,
  type Verdict,
} from "./_sim_types.ts";
import { mix32 } from "./_sparse_bytes.ts";
import type {
  StorageBackend,
  StorageFile,
  StorageLock,
  StorageOpenOptions,
  StorageOperation,
  StorageSupports,
} from "./types.ts";

export type { CrashChoice } from "./_sim_crash.ts";
export { SimulatedImage } from "./_sim_image.ts";
export type {
  SimulatedCall,
  SimulatedFailure,
  SimulatedImagesOptions,
  SimulatedOptions,
} from "./_sim_types.ts";

/** Turns of the event loop that a flush in the background may take. */
const BACKGROUND_TURNS = 60;

/**
 * The power failed at this call or before; code `"power-loss"`. Nothing works on
 * this backend any more; go on with an image.
 *
 * @example Recognizing it
 * ```ts
 * import { PowerLossError, simulated } from "@stemma/db/backends/simulated";
 * import { assertRejects } from "@std/assert";
 *
 * const backend = simulated();
 * backend.crashAt(1);
 * await assertRejects(
 *   () => backend.open("a", { create: true }),
 *   PowerLossError,
 * );
 * ```
 */
export class PowerLossError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What was called.
   */
  constructor(message: string) {
    super("power-loss", message);
    this.name = "PowerLossError";
  }
}

/**
 * Expands one number into a choice of what a power loss leaves.
 *
 * @example Usage
 * ```ts
 * import { crashChoice } from "@stemma/db/backends/simulated";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(crashChoice(7), crashChoice(7));
 * ```
 *
 * @param seed Any integer.
 * @returns The choice; the same for the same seed.
 */
export function crashChoice(seed: number): CrashChoice {
  return choiceFromSeed(seed);
}

/**
 * The simulated backend. Made by {@linkcode simulated}.
 *
 * @example Crashing at every call
 * ```ts
 * import { PowerLossError, simulated } from "@stemma/db/backends/simulated";
 * import { assert } from "@std/assert";
 *
 * for (let call = 1;; call++) {
 *   const backend = simulated();
 *   backend.crashAt(call);
 *   try {
 *     const file = await backend.open("a", { create: true });
 *     await backend.sync?.();
 *     file.write(new Uint8Array(8), 0);
 *     file.flush();
 *     break;
 *   } catch (error) {
 *     assert(error instanceof PowerLossError);
 *     const size = backend.image(call).readFile("a")?.length ?? 0;
 *     assert(size <= 8);
 *   }
 * }
 * ```
 */
export class SimulatedBackend implements StorageBackend {
  /** `"simulated"`. */
  readonly name: string = "simulated";
  /** What this disk can do. */
  readonly supports: StorageSupports;
  /** Makes names durable; absent with `directory: "opfs"`. */
  readonly sync?: () => Promise<void>;
  /**
   * Called before every call takes effect. `image()` works inside it, so one run
   * of a program visits every state in which the power could fail; what it
   * throws comes out of the call.
   */
  onCall: ((call: SimulatedCall) => void) | undefined;
  #disk: SimulatedDisk;
  #options: SimulatedOptions;
  #failures: SimulatedFailure[] = [];
  #crashAt = Infinity;
  #dead = false;
  #calls = 0;
  #fired = 0;
  #counts = new Map<StorageOperation, number>();

  /** @internal Use {@linkcode simulated}. */
  constructor(options: SimulatedOptions, disk: SimulatedDisk) {
    this.#options = options;
    this.#disk = disk;
    const directorySync = (options.directory ?? "sync") === "sync";
    this.supports = {
      directorySync,
      largeFiles: true,
      asyncFlush: options.asyncFlush ?? false,
      durable: true,
    };
    if (directorySync) this.sync = () => this.#sync();
  }

  /** How many calls were made on this backend, failed ones included. */
  get calls(): number {
    return this.#calls;
  }

  /** How many failures asked for with `fail` came to pass. */
  get fired(): number {
    return this.#fired;
  }

  /** Whether the power has failed. */
  get dead(): boolean {
    return this.#dead;
  }

  /** How many changes a power loss now could keep or lose. */
  get uncertainChanges(): number {
    return this.#disk.uncertain().length;
  }

  /**
   * How often an operation was called.
   *
   * @param operation The operation.
   * @returns The number of calls, failed ones included.
   */
  count(operation: StorageOperation): number {
    return this.#counts.get(operation) ?? 0;
  }

  /**
   * Makes the power fail at a call: that call throws {@linkcode PowerLossError}
   * with its own change in flight, and so does every later one.
   *
   * @param call The number of the call, counted from 1 as in `calls`.
   */
  crashAt(call: number): void {
    this.#crashAt = call;
  }

  /**
   * Adds a failure to come.
   *
   * @param failure What is to fail, and how.
   */
  fail(failure: SimulatedFailure): void {
    this.#failures.push(failure);
  }

  /** Takes all failures back: the disk works again, and has room again. */
  heal(): void {
    this.#failures = [];
  }

  /**
   * What the disk holds if the power fails now. The backend itself goes on.
   *
   * @param choice What is kept; a number stands for `crashChoice(number)`.
   * @returns The image.
   */
  image(choice: CrashChoice | number): SimulatedImage {
    const full = typeof choice === "number" ? choiceFromSeed(choice) : choice;
    const { files, lostNames } = crashFiles(this.#disk, full);
    return new SimulatedImage(files, lostNames, full, this.#options, boot);
  }

  /**
   * Choices for a power loss now: everything kept, nothing kept, every subset
   * when all of them fit in half the count, then samples with torn, reordered
   * and noisy changes.
   *
   * @param options Seed and count.
   * @returns At most `count` choices, fewer when nothing is uncertain.
   */
  *choices(options: SimulatedImagesOptions = {}): Generator<CrashChoice> {
    const { seed = 0, count = 64 } = options;
    const plain = { mask: 0, seed, tear: "none", reorder: false } as const;
    const noise = "zeros";
    yield { ...plain, keep: "all", noise };
    const changes = this.uncertainChanges;
    if (changes === 0) return;
    yield { ...plain, keep: "none", noise };
    let made = 2;
    const subsets = 2 ** changes;
    if (subsets <= count / 2) {
      for (let mask = 1; mask < subsets - 1; mask++, made++) {
        yield { ...plain, keep: "mask", mask, noise };
      }
    }
    const random = new SimRandom(seed);
    for (; made < count; made++) yield choiceFromSeed(random.u32());
  }

  /**
   * Different images of a power loss now, each content once.
   *
   * @param options Seed, count, and fingerprints to leave out.
   * @returns At most `count` images.
   */
  *images(options: SimulatedImagesOptions = {}): Generator<SimulatedImage> {
    const seen = options.seen ?? new Set<number>();
    for (const choice of this.choices(options)) {
      const image = this.image(choice);
      if (seen.has(image.fingerprint)) continue;
      seen.add(image.fingerprint);
      yield image;
    }
  }

  /**
   * Kills the process but not the machine: this backend is dead, and the one
   * returned sees everything written so far, still not flushed.
   *
   * @returns A backend on the same disk, unlocked.
   */
  restart(): SimulatedBackend {
    this.#dead = true;
    this.#disk.lockOwner = undefined;
    return new SimulatedBackend(this.#options, this.#disk);
  }

  /**
   * A second opener of the same disk, as another process would be.
   *
   * @returns A backend with its own count of calls and failures.
   */
  sibling(): SimulatedBackend {
    return new SimulatedBackend(this.#options, this.#disk);
  }

  /** Makes all names durable, as time does where there is no `sync()`. */
  settleNames(): void {
    this.#disk.syncNames();
  }

  /**
   * What handles read from a file now.
   *
   * @param file The file's name.
   * @returns A copy, or undefined when there is no such file. Not counted.
   */
  readFile(file: string): Uint8Array | undefined {
    const inode = this.#disk.names.get(file);
    return inode === undefined ? undefined : copyOf(inode.cached);
  }

  /**
   * Creates or replaces a file, durably and not counted: how tests damage a
   * store at rest.
   *
   * @param file The file's name.
   * @param content Its new bytes; they are copied.
   */
  writeFile(file: string, content: Uint8Array): void {
    checkName(file);
    const disk = new SimulatedDisk();
    const inode = disk.create(file);
    inode.durable.write(content, 0);
    this.#disk.restore(file, inode.durable);
  }

  /** Opens or creates a file. */
  // deno-lint-ignore require-await
  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    checkName(file);
    const operation = options.create ? "create" : "open";
    const verdict = this.#enter(operation, file);
    if (verdict === "io" || verdict === "full") {
      throw this.#failed(verdict, operation, file);
    }
    const disk = this.#disk;
    const found = disk.names.get(file);
    if (options.create && found === undefined) {
      const inode = disk.create(file);
      if (verdict === "crash") throw this.#powerLoss(operation);
      return this.#handle(file, inode);
    }
    if (verdict === "crash") throw this.#powerLoss(operation);
    if (options.create) {
      const message = `Cannot create "${file}": it exists already`;
      throw new FileExistsError(message, { operation, file });
    }
    if (found === undefined) {
      const message = `Cannot open "${file}": there is no such file`;
      throw new FileMissingError(message, { operation, file });
    }
    return this.#handle(file, found);
  }

  /** The names of all files, in ascending order. */
  // deno-lint-ignore require-await
  async list(): Promise<string[]> {
    this.#simple("list", undefined);
    return [...this.#disk.names.keys()].sort();
  }

  /** Removes a file. */
  // deno-lint-ignore require-await
  async remove(file: string): Promise<void> {
    checkName(file);
    const verdict = this.#enter("remove", file);
    if (verdict === "io") throw this.#failed(verdict, "remove", file);
    const found = this.#disk.names.has(file);
    if (found) this.#disk.remove(file);
    if (verdict === "crash") throw this.#powerLoss("remove");
    if (found) return;
    const message = `Cannot remove "${file}": there is no such file`;
    throw new FileMissingError(message, { operation: "remove", file });
  }

  /** Takes the lock. */
  // deno-lint-ignore require-await
  async lock(): Promise<StorageLock> {
    this.#simple("lock", undefined);
    const disk = this.#disk;
    if (disk.lockOwner !== undefined) {
      throw new LockedError("Cannot lock store: another opener has it");
    }
    const owner = {};
    disk.lockOwner = owner;
    return {
      release: () => {
        if (this.#dead || disk.lockOwner !== owner) return;
        disk.lockOwner = undefined;
        this.#simple("unlock", undefined);
      },
    };
  }

  // deno-lint-ignore require-await
  async #sync(): Promise<void> {
    const verdict = this.#enter("sync", undefined);
    if (verdict === "crash") throw this.#powerLoss("sync");
    if (verdict === "go") this.#disk.syncNames();
    else {
      this.#disk.failNames();
      throw this.#failed(verdict, "sync", undefined);
    }
  }

  /** Counts a call, tells the hook, and decides how it ends. */
  #enter(
    operation: StorageOperation,
    file: string | undefined,
    position?: number,
    length?: number,
    needsRoom: boolean = true,
  ): Verdict {
    if (this.#dead) throw this.#powerLoss(operation);
    const number = ++this.#calls;
    this.#counts.set(operation, this.count(operation) + 1);
    this.onCall?.({ number, operation, file, position, length });
    if (number >= this.#crashAt) {
      this.#dead = true;
      return "crash";
    }
    for (const failure of this.#failures) {
      const due = failure.sticky ? number >= failure.at : number === failure.at;
      if (!due || !applies(failure, operation, file, length, needsRoom)) {
        continue;
      }
      this.#fired++;
      return failure.kind;
    }
    return "go";
  }

  /** A call that changes nothing on the disk. */
  #simple(operation: StorageOperation, file: string | undefined): void {
    const verdict = this.#enter(operation, file);
    if (verdict === "crash") throw this.#powerLoss(operation);
    if (verdict !== "go") throw this.#failed(verdict, operation, file);
  }

  #powerLoss(operation: StorageOperation): PowerLossError {
    return new PowerLossError(`Cannot ${operation}: the power failed`);
  }

  #failed(
    kind: SimulatedFailure["kind"],
    operation: StorageOperation,
    file: string | undefined,
    position?: number,
  ): StorageError {
    const what = file === undefined ? operation : `${operation} "${file}"`;
    const at = position === undefined ? "" : ` at ${position}`;
    const details = { operation, file, position };
    return kind === "full"
      ? new StorageFullError(`Cannot ${what}${at}: no room is left`, details)
      : new IoError(`Cannot ${what}${at}: input/output error`, details);
  }

  #handle(name: string, inode: Inode): StorageFile {
    let closed = false;
    const enter = (
      operation: StorageOperation,
      position?: number,
      length?: number,
      needsRoom?: boolean,
    ): Verdict => {
      if (closed) throw new ClosedError(`Cannot use "${name}": it is closed`);
      return this.#enter(operation, name, position, length, needsRoom);
    };
    const background = {
      flushInBackground: () => this.#flushSlowly(enter, name, inode),
    };
    return {
      ...(this.#options.backgroundFlush ? background : {}),
      read: (buffer, position) => {
        checkRange(buffer, position);
        const verdict = enter("read", position, buffer.length);
        return this.#read(verdict, name, inode, buffer, position);
      },
      write: (buffer, position) => {
        checkRange(buffer, position);
        const verdict = enter("write", position, buffer.length);
        return this.#write(verdict, name, inode, buffer, position);
      },
      size: () => {
        const verdict = enter("size");
        this.#check(verdict, "size", name);
        return inode.cached.size;
      },
      truncate: (size) => {
        checkSize(size);
        const grows = size > inode.cached.size;
        const verdict = enter("truncate", size, undefined, grows);
        this.#truncate(verdict, name, inode, size);
      },
      flush: () => {
        if (!this.supports.asyncFlush) return this.#flush(enter, name, inode);
        return this.#flushLater(enter, name, inode);
      },
      close: () => {
        if (closed) return;
        closed = true;
        if (!this.#dead) this.#simple("close", name);
      },
    };
  }

  #check(
    verdict: Verdict,
    operation: StorageOperation,
    file: string,
    position?: number,
  ): void {
    if (verdict === "crash") throw this.#powerLoss(operation);
    if (verdict === "io" || verdict === "full" || verdict === "flush") {
      throw this.#failed(verdict, operation, file, position);
    }
  }

  #read(
    verdict: Verdict,
    name: string,
    inode: Inode,
    buffer: Uint8Array,
    position: number,
  ): number {
    this.#check(verdict, "read", name, position);
    if (verdict !== "short-read") return inode.cached.read(buffer, position);
    const count = 1 + this.#chance().int(buffer.length - 1);
    return inode.cached.read(buffer.subarray(0, count), position);
  }

  #write(
    verdict: Verdict,
    name: string,
    inode: Inode,
    buffer: Uint8Array,
    position: number,
  ): number {
    let length = this.#room(inode, buffer.length, position);
    if (verdict === "short-write") {
      length = Math.min(length, 1 + this.#chance().int(buffer.length - 1));
    } else if (verdict === "io" || verdict === "full") {
      // A failing write may have got anywhere, the whole way included.
      length = Math.min(length, this.#chance().int(buffer.length + 1));
    }
    if (length > 0) {
      this.#disk.write(inode, buffer.subarray(0, length), position);
    }
    this.#check(verdict, "write", name, position);
    if (length === 0 && buffer.length > 0) {
      throw this.#failed("full", "write", name, position);
    }
    return length;
  }

  #truncate(verdict: Verdict, name: string, inode: Inode, size: number): void {
    const grows = size > inode.cached.size;
    const fits = !grows || this.#room(inode, size, 0) === size;
    const failing = verdict === "io" || verdict === "full";
    const done = fits && !(failing && this.#chance().oneIn(2));
    if (done) this.#disk.truncate(inode, size);
    this.#check(verdict, "truncate", name, size);
    if (!fits) throw this.#failed("full", "truncate", name, size);
  }

  #flush(
    enter: (operation: StorageOperation) => Verdict,
    name: string,
    inode: Inode,
  ): void {
    const verdict = enter("flush");
    if (verdict === "crash") throw this.#powerLoss("flush");
    const epoch = this.#disk.beginFlush(inode);
    if (verdict !== "go") {
      this.#disk.failFlush(inode, epoch);
      this.#check(verdict, "flush", name);
    }
    if (!this.#options.lyingFlush) this.#disk.endFlush(inode, epoch);
  }

  #flushSlowly(
    enter: (operation: StorageOperation) => Verdict,
    name: string,
    inode: Inode,
  ): Promise<void> {
    const turns = 1 + this.#chance().int(BACKGROUND_TURNS);
    return this.#flushLater(enter, name, inode, turns);
  }

  async #flushLater(
    enter: (operation: StorageOperation) => Verdict,
    name: string,
    inode: Inode,
    turns = 1,
  ): Promise<void> {
    const verdict = enter("flush");
    if (verdict === "crash") throw this.#powerLoss("flush");
    const epoch = this.#disk.beginFlush(inode);
    // Others run in between, as with a real asynchronous flush.
    for (let i = 0; i < turns; i++) await Promise.resolve();
    if (this.#dead) throw this.#powerLoss("flush");
    if (verdict !== "go") {
      this.#disk.failFlush(inode, epoch);
      this.#check(verdict, "flush", name);
    }
    if (!this.#options.lyingFlush) this.#disk.endFlush(inode, epoch);
  }

  /** How many of `length` bytes at `position` fit on the disk. */
  #room(inode: Inode, length: number, position: number): number {
    const capacity = this.#options.capacityBytes ?? Infinity;
    const end = position + length;
    const size = inode.cached.size;
    if (capacity === Infinity || end <= size || length === 0) return length;
    const free = capacity - this.#disk.usedBytes();
    return Math.max(0, Math.min(length, size + free - position));
  }

  /** Numbers that follow from the seed and the call alone. */
  #chance(): SimRandom {
    return new SimRandom((this.#options.seed ?? 0) ^ mix32(this.#calls));
  }
}

/**
 * A simulated disk, empty, and a backend on it.
 *
 * @example A flush that is never made
 * ```ts
 * import { simulated } from "@stemma/db/backends/simulated";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = simulated({ seed: 1 });
 * const file = await backend.open("a", { create: true });
 * await backend.sync?.();
 * file.write(new Uint8Array([1, 2, 3]), 0);
 * const image = backend.image({
 *   keep: "none",
 *   mask: 0,
 *   seed: 0,
 *   tear: "none",
 *   reorder: false,
 *   noise: "zeros",
 * });
 * assertEquals(image.readFile("a"), new Uint8Array(0));
 * ```
 *
 * @param options How the disk behaves.
 * @returns The backend.
 */
export function simulated(options: SimulatedOptions = {}): SimulatedBackend {
  return new SimulatedBackend(options, new SimulatedDisk());
}

function boot(
  options: SimulatedOptions,
  disk: SimulatedDisk,
): SimulatedBackend {
  return new SimulatedBackend(options, disk);
}
