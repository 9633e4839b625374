// This module is browser compatible.
//
// A second thread for large batches. A worker with its own instance of the same
// kernels over the same (shared) memory takes parts of a list as the first thread
// does: whoever is free takes the next part, so a worker that is not scheduled
// costs nothing. Parts are disjoint and no entry depends on another's output, so
// no byte of any result changes. The mailbox protocol:
//
// * TICKET holds the job's number and the next part that nobody has taken, in one
//   word; a part is taken by compare-and-swap. CLOSED as part: no job.
// * The job's words are written while the ticket is closed, so a swap that
//   succeeds was made with the words of its own job.
// * DONE counts finished parts; the first thread returns when it has them all.
//
// Besides parts of a list that the first thread waits for there are groups of pages,
// which it goes on without. Whoever is free takes the next group and works on it. Groups
// of edits do not depend on each other; one of pages to hash may lead to those before it
// and begins when they are done. Each has a slot of the queue region: kernel and IN_ORDER,
// entries, and the list, whose first three words make way for numbers of hashes. A slot
// is used again when its group is done.
//
// * POSTED, TAKEN and ENDED count groups. A group is taken by compare-and-swap. The
//   kernel in its slot becomes NO_KERNEL when it is done.

import type { Scheme } from "@stemma/verify";
import { type KernelFunction, placeConstants } from "./kernel.ts";
import { KERNEL_EDITS } from "./kernel_edits.ts";
import { KERNEL_PAGES } from "./kernel_pages.ts";
import { MAILBOX_AT, SECOND_AT } from "./kernel_layout.ts";
import { KERNEL_STREAM } from "./kernel_stream.ts";
import type { WasmHasher } from "./wasm_hasher.ts";

// Words of the mailbox.
const READY = 0, AWAKE = 1, TICKET = 2, DONE = 3;
// From here on: kernel, list, entries, entries of a part, parts, bytes of a part.
const JOB = 4;
const POSTED = 10, TAKEN = 11, ENDED = 12;
const MAILBOX_WORDS = 16;

const PART_BITS = 12;
const CLOSED = (1 << PART_BITS) - 1;
/** Entries taken at a time. */
const PART_ENTRIES_MIN = 256;
/** Values of any length cost more each. */
const PART_VALUES_MIN = 64;
/** A batch of this many parts is worth waking a worker that fell asleep. */
const WAKE_PARTS = 8;
/** The longest that a worker may take over one part, in milliseconds. */
const ANSWER_MS_MAX = 30_000;
/** Groups that can wait at a time: a power of two. */
const SLOTS = 256;
/** Words of a slot. */
const SLOT_WORDS = 64;
/** Words of a slot before its list. */
const SLOT_HEAD = 2;
/** Instead of the kernel of a group that is done. */
const NO_KERNEL = -1;
/** Beside the kernel of a group that begins when those before it are done. */
const IN_ORDER = 0x100;
/** Words behind the pages of such a group. */
const LEADING_WORDS = 3;
/** Pages of a group, at most. */
const GROUP_PAGES_MAX = SLOT_WORDS - SLOT_HEAD - LEADING_WORDS;
/** Bytes of the pool for groups that wait. */
export const QUEUE_BYTES: number = 4 * SLOTS * SLOT_WORDS;
/** Looks at the mailbox before the first thread yields its processor. */
const SPINS_MAX = 20_000;

/** What the worker is told once. */
export interface SecondThreadSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly base: number;
  readonly mailbox: number;
  /** Offset of the queue region. */
  readonly queue: number;
}

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: { data: SecondThreadSetup }) => void) | null;
}

/**
 * The worker's program: a whole one, since its source text is what an inline
 * worker is made of. It waits until it is woken, then spins, and goes back to
 * sleep when told to or when no job has come for a while.
 */
function serve(scope: WorkerScope): void {
  scope.onmessage = ({ data }) => {
    const { module, memory, base, mailbox, queue } = data;
    const words = new Int32Array(memory.buffer, mailbox, 16);
    const all = new Int32Array(memory.buffer);
    const { exports } = new WebAssembly.Instance(module, {
      env: { memory, base },
    });
    const kernels = Object.values(exports) as ((...n: number[]) => void)[];
    const [READY, AWAKE, TICKET, DONE] = [0, 1, 2, 3];
    const [POSTED, TAKEN, ENDED] = [10, 11, 12];
    const SLOTS = 256, SLOT_WORDS = 64, SLOT_HEAD = 2, NO_KERNEL = -1;
    const IN_ORDER = 0x100;
    const SPINS_MAX = 100_000; // About a millisecond.
    Atomics.store(words, READY, 1);
    // 0: sleep, 1: work, 2: stop.
    for (let spins = 0; Atomics.load(words, AWAKE) !== 2;) {
      if (Atomics.load(words, AWAKE) === 0) {
        spins = 0;
        Atomics.wait(words, AWAKE, 0);
        continue;
      }
      const ticket = Atomics.load(words, TICKET);
      const part = ticket & 0xfff;
      const kernel = words[4], list = words[5], count = words[6];
      const size = words[7], parts = words[8], partBytes = words[9];
      if (part === 0xfff || part >= parts) {
        const group = Atomics.load(words, TAKEN);
        const at = (queue >>> 2) + (group & SLOTS - 1) * SLOT_WORDS;
        const isThere = group !== Atomics.load(words, POSTED);
        const what = isThere ? all[at] : 0;
        if (
          isThere &&
          ((what & IN_ORDER) === 0 || Atomics.load(words, ENDED) === group) &&
          Atomics.compareExchange(words, TAKEN, group, group + 1) === group
        ) {
          spins = 0;
          kernels[what & 0xff](4 * (at + SLOT_HEAD), all[at + 1], 0);
          Atomics.store(all, at, NO_KERNEL);
          Atomics.add(words, ENDED, 1);
          Atomics.notify(words, ENDED);
        }
        spins++;
        if (spins > SPINS_MAX) Atomics.compareExchange(words, AWAKE, 1, 0);
        continue;
      }
      spins = 0;
      const next = Atomics.compareExchange(words, TICKET, ticket, ticket + 1);
      if (next !== ticket) continue;
      const from = part * size;
      const left = count - from;
      kernels[kernel](list + part * partBytes, left < size ? left : size, 0);
      Atomics.add(words, DONE, 1);
      // The first thread may have gone to sleep over this part.
      Atomics.notify(words, DONE);
    }
  };
}

/**
 * Serves a hasher from a worker of the application's own: for pages whose content
 * security policy forbids inline workers. To be called once, at the top of the
 * worker's module; the worker is then given to {@linkcode secondThread}.
 */
export function serveSecondThread(): void {
  serve(globalThis as unknown as WorkerScope);
}

function inlineWorker(): Worker {
  const source = `(${serve})(globalThis);`;
  const url = URL.createObjectURL(
    new Blob([source], { type: "text/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  return worker;
}

/** A worker that shares a hasher's large batches. */
export class SecondThread {
  readonly #hasher: WasmHasher;
  readonly #worker: Worker;
  readonly #words: Int32Array;
  readonly #index: ReadonlyMap<string, number>;
  /** Pages that {@linkcode hashLater} takes at a time. */
  readonly pagesMax: number = GROUP_PAGES_MAX;
  #job = 0;
  #isAwake = false;
  #isClosed = false;
  #maySleep = true;
  readonly #all: Int32Array;
  readonly #kernels: readonly KernelFunction[];
  /** Offset and size of the queue region; 0 bytes when there is none. */
  readonly #queue: number;
  readonly #queueBytes: number;
  /** Groups that are not known to be done, and their family. */
  #groups = 0;
  #family: Scheme["family"] = "nomt";

  constructor(
    hasher: WasmHasher,
    memory: WebAssembly.Memory,
    reservedAt: number,
    worker: Worker,
    queue: { at: number; bytes: number },
  ) {
    const mailbox = reservedAt + MAILBOX_AT;
    this.#hasher = hasher;
    this.#worker = worker;
    this.#words = new Int32Array(memory.buffer, mailbox, MAILBOX_WORDS);
    this.#words.fill(0);
    this.#words[TICKET] = CLOSED;
    const names = Object.keys(hasher.kernels);
    this.#index = new Map(names.map((name, i) => [name, i]));
    const base = reservedAt + SECOND_AT;
    placeConstants(hasher.compiled, memory, base);
    const module = hasher.compiled.module;
    this.#all = new Int32Array(memory.buffer);
    this.#kernels = names.map((name) => hasher.kernels[name]);
    this.#queue = queue.at;
    this.#queueBytes = queue.bytes;
    const setup: SecondThreadSetup = {
      module,
      memory,
      base,
      mailbox,
      queue: queue.at,
    };
    worker.postMessage(setup);
    hasher.setListCall(
      (name, list, words, count) => this.#run(name, list, words, count),
      () => this.isReady ? "wasm-simd+threads" : "wasm-simd",
    );
  }

  /** Whether the worker has started. */
  get isReady(): boolean {
    return Atomics.load(this.#words, READY) === 1;
  }

  /** Wakes the worker for a phase of large batches: once per commit. */
  begin(): void {
    if (!this.isReady || this.#isClosed) return;
    this.#isAwake = true;
    this.#wake();
  }

  /** Lets the worker sleep. */
  end(): void {
    if (!this.#isAwake) return;
    this.#isAwake = false;
    Atomics.store(this.#words, AWAKE, 0);
  }

  /**
   * Begins to hash pages that nobody touches until {@linkcode finishGroups}, as soon as
   * all that was begun before is done: they may lead to pages of that.
   *
   * @param family The family of the scheme, for which the hasher has a page hasher.
   * @param pages Their byte offsets, children before parents.
   * @param frames Where frames are: three words, as the kernel for pages wants them.
   * @returns Whether it does; not while the thread is asleep, nor for more pages than a
   *   slot has room for.
   */
  hashLater(
    family: Scheme["family"],
    pages: readonly number[],
    frames: readonly number[],
  ): boolean {
    if (!this.#mayPost || pages.length > GROUP_PAGES_MAX) return false;
    const kernel = this.#index.get(KERNEL_PAGES)! | IN_ORDER;
    this.#postGroup(kernel, family, pages, frames);
    return true;
  }

  /**
   * Begins to edit a group of pages that nobody touches until {@linkcode finish}.
   *
   * @param family The family of the scheme, for which the hasher has a page editor.
   * @param group Its byte offset.
   * @returns What to give to `finish`; `undefined` while the thread is asleep.
   */
  editLater(family: Scheme["family"], group: number): number | undefined {
    if (!this.#mayPost) return undefined;
    const kernel = this.#index.get(KERNEL_EDITS)!;
    return this.#postGroup(kernel, family, [group], []);
  }

  get #mayPost(): boolean {
    return this.#isAwake && this.#queueBytes > 0;
  }

  #postGroup(
    kernel: number,
    family: Scheme["family"],
    list: readonly number[],
    behind: readonly number[],
  ): number {
    if (this.#groups === SLOTS) this.#finishOldest();
    const words = this.#words, all = this.#all, group = words[POSTED];
    const at = this.#slot(group);
    all[at] = kernel;
    all[at + 1] = list.length;
    all.set(list, at + SLOT_HEAD);
    all.set(behind, at + SLOT_HEAD + list.length);
    this.#groups++;
    this.#family = family;
    Atomics.store(words, POSTED, group + 1);
    this.#wake();
    return group;
  }

  /** Returns when all groups are done. */
  finishGroups(): void {
    while (this.#groups > 0) this.#finishOldest();
  }

  /** Returns when a group, and all that were begun before it, are done. */
  finish(group: number): void {
    while (this.#groups > this.#words[POSTED] - 1 - group) this.#finishOldest();
  }

  #finishOldest(): void {
    const words = this.#words, all = this.#all;
    const at = this.#slot(words[POSTED] - this.#groups);
    for (;;) {
      const ended = Atomics.load(words, ENDED);
      if (Atomics.load(all, at) === NO_KERNEL) break;
      // The worker is at it, or this thread does what comes first.
      if (!this.#takeGroup()) this.#await(ENDED, ended + 1);
    }
    this.#groups--;
    const i = at + SLOT_HEAD;
    this.#hasher.countPages(this.#family, all[i], all[i + 1], all[i + 2]);
  }

  /** Does a group that nobody has taken, if there is one and it may begin. */
  #takeGroup(): boolean {
    const words = this.#words, all = this.#all;
    for (;;) {
      const group = Atomics.load(words, TAKEN);
      if (group === words[POSTED]) return false;
      const at = this.#slot(group), what = all[at];
      if ((what & IN_ORDER) !== 0 && Atomics.load(words, ENDED) !== group) {
        return false;
      }
      const next = Atomics.compareExchange(words, TAKEN, group, group + 1);
      if (next !== group) continue;
      this.#kernels[what & 0xff](4 * (at + SLOT_HEAD), all[at + 1], 0);
      all[at] = NO_KERNEL;
      Atomics.add(words, ENDED, 1);
      return true;
    }
  }

  /** Index of the first word of a group's slot. */
  #slot(group: number): number {
    return (this.#queue >>> 2) + (group & SLOTS - 1) * SLOT_WORDS;
  }

  /** Stops the worker; the hasher goes on alone. Closing twice does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isAwake = false;
    this.#hasher.setListCall();
    Atomics.store(this.#words, AWAKE, 2);
    Atomics.notify(this.#words, AWAKE);
    this.#worker.terminate();
  }

  /** Same as {@linkcode SecondThread.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Runs a kernel over a list, both threads taking parts. */
  #run(name: string, list: number, words: number, count: number): void {
    const kernel = this.#hasher.kernels[name];
    const least = name === KERNEL_STREAM ? PART_VALUES_MIN : PART_ENTRIES_MIN;
    if (!this.#isAwake || count < 2 * least) return kernel(list, count, 0);
    const size = Math.max(least, (Math.ceil(count / (CLOSED - 1)) + 3) & ~3);
    const parts = Math.ceil(count / size);
    const partBytes = 4 * words * size;
    this.#post(this.#index.get(name)!, list, count, size, parts, partBytes);
    if (parts >= WAKE_PARTS) this.#wake();
    for (let ticket = this.#ticket(); (ticket & CLOSED) < parts;) {
      const seen = Atomics.compareExchange(
        this.#words,
        TICKET,
        ticket,
        ticket + 1,
      );
      if (seen === ticket) {
        const part = ticket & CLOSED;
        const left = count - part * size;
        kernel(list + part * partBytes, Math.min(left, size), 0);
        Atomics.add(this.#words, DONE, 1);
      }
      ticket = this.#ticket();
    }
    this.#await(DONE, parts);
    Atomics.store(this.#words, TICKET, (this.#job << PART_BITS) | CLOSED);
  }

  #wake(): void {
    if (Atomics.compareExchange(this.#words, AWAKE, 0, 1) === 0) {
      Atomics.notify(this.#words, AWAKE);
    }
  }

  #post(...job: number[]): void {
    this.#job = (this.#job + 1) | 0;
    this.#words.set(job, JOB);
    Atomics.store(this.#words, DONE, 0);
    Atomics.store(this.#words, TICKET, this.#job << PART_BITS);
  }

  #ticket(): number {
    return Atomics.load(this.#words, TICKET);
  }

  /**
   * Waits for what the worker has taken. It is short; when it is not done
   * soon, the worker is without a processor and may have this one.
   *
   * @param counter The word that counts what is done.
   * @param all What it comes to, at least.
   */
  #await(counter: number, all: number): void {
    let limit = 0;
    for (let spins = 1;; spins++) {
      const done = Atomics.load(this.#words, counter);
      if ((done - all | 0) >= 0) return;
      if (spins < SPINS_MAX) continue;
      const now = performance.now();
      if (limit === 0) limit = now + ANSWER_MS_MAX;
      if (now > limit) {
        this.close();
        throw new Error("Cannot hash a batch: the second thread is gone");
      }
      this.#sleep(counter, done);
    }
  }

  #sleep(counter: number, done: number): void {
    if (!this.#maySleep) return;
    try {
      Atomics.wait(this.#words, counter, done, 1);
    } catch {
      this.#maySleep = false; // A page's main thread may only spin.
    }
  }
}

/**
 * Starts a second thread for a hasher.
 *
 * @param hasher The hasher; from here on it shares large batches while the
 * thread is awake.
 * @param memory The pool; must be shared.
 * @param reservedAt The offset that the hasher was made with.
 * @param worker A worker that calls {@linkcode serveSecondThread}; an inline one
 * when omitted.
 * @param queue {@linkcode QUEUE_BYTES} of the pool for groups of batches; without
 * them every batch is waited for.
 * @returns `undefined` when the memory is not shared or no worker can be made.
 */
export function secondThread(
  hasher: WasmHasher,
  memory: WebAssembly.Memory,
  reservedAt: number,
  worker?: Worker,
  queue: { at: number; bytes: number } = { at: 0, bytes: 0 },
): SecondThread | undefined {
  const kind = Object.prototype.toString.call(memory.buffer);
  if (kind !== "[object SharedArrayBuffer]") return undefined;
  try {
    const used = worker ?? inlineWorker();
    return new SecondThread(hasher, memory, reservedAt, used, queue);
  } catch {
    return undefined; // No workers here, or a policy against inline ones.
  }
}
