// Runs one store of a workload in a process of its own, so that no store pays for
// another's memory, and each has a peak of its own. This file is both ends: the
// caller's, and, run as a program, the process itself. They talk in lines of JSON.

import { schemeByName, verify, verifyKey } from "@stemma/verify";
import {
  clock,
  collectGarbage,
  copyFolder,
  median,
  programArguments,
} from "./measure.ts";
import { PEERS } from "./peers/mod.ts";
import { stemma, StemmaSubject } from "./peers/stemma.ts";
import type { Peer, Subject } from "./subject.ts";
import {
  type Batch,
  type Workload,
  workload,
  type WorkloadName,
  type WorkloadOptions,
} from "./workloads.ts";

/** Keys of which proofs are made. */
const PROVEN_MAX = 1000;
/** Pairs of commits without witness and with it, and those before them. */
const WITNESS_TURNS = 5;
const WITNESS_WARM_UP = 5;

/** Name of our own store among the peers. */
export const STEMMA = "stemma";

/** What a process is started with. */
export interface Setup {
  readonly peer: string;
  readonly workload: WorkloadName;
  readonly options: WorkloadOptions;
  /** Folder for the store. */
  readonly directory: string;
  /** Each iteration on a fresh copy of the state. */
  readonly isIsolated: boolean;
}

/** What a process says of its store; a reason when there is none. */
export type Introduction = Omit<Peer, "open"> | { readonly absent: string };

/** Times of one iteration, in milliseconds. */
export interface Iteration {
  readonly read: number;
  readonly commit: number;
  readonly operations: number;
}

/** What only our store tells; counts are of an iteration. */
export interface Details {
  readonly hashes: number;
  readonly pagesRead: number;
  readonly pagesWritten: number;
  readonly logBytes: number;
  readonly pageFileBytes: number;
  readonly flushes: number;
  /** Extra milliseconds of a commit with witness, and its bytes. */
  readonly witnessTime: number;
  readonly witnessBytes: number;
  /** Microseconds to make and to check the proof of one key, and its bytes. */
  readonly proofTime: number;
  readonly verifyTime: number;
  readonly proofBytes: number;
  /** Milliseconds to make and to check one proof of all those keys; its bytes. */
  readonly multiProofTime: number;
  readonly multiVerifyTime: number;
  readonly multiProofBytes: number;
  /** Keys proven. */
  readonly proven: number;
}

/** What remains to be said at the end. */
export interface Ending {
  /** Milliseconds of a last checkpoint. */
  readonly settle: number;
  /** Peak memory of the process, in bytes. */
  readonly peakRss: number;
  readonly details?: Details;
}

/** The caller's end. */
export class StoreProcess {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  constructor(setup: Setup) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: programArguments(import.meta.url, setup),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = lines(this.#child.stdout);
  }

  /** The first answer. */
  introduction(): Promise<Introduction> {
    return this.#answer();
  }

  /** Loads the state. */
  load(): Promise<unknown> {
    return this.#ask("load");
  }

  /** Runs the next iteration. */
  iterate(): Promise<Iteration> {
    return this.#ask("iterate");
  }

  /** Checkpoints, counts and proves; closes the store. */
  finish(): Promise<Ending> {
    return this.#ask("finish");
  }

  /** Ends the process. */
  async end(): Promise<void> {
    await this.#input.close();
    await this.#lines.next();
    await this.#child.status;
  }

  async #ask<T>(command: string): Promise<T> {
    await this.#input.write(new TextEncoder().encode(`${command}\n`));
    return await this.#answer();
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("a store's process ended early");
    const answer: T = JSON.parse(value);
    return answer;
  }
}

async function* lines(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/** The process's end: a store and where its workload stands. */
class Station {
  readonly #peer: Peer;
  readonly #work: Workload;
  readonly #home: string;
  readonly #isIsolated: boolean;
  readonly #batches: Generator<Batch, never>;
  #subject!: Subject;
  #counts: ReturnType<typeof countsOf> | undefined;
  #iterations = 0;

  constructor(peer: Peer, work: Workload, setup: Setup) {
    this.#peer = peer;
    this.#work = work;
    this.#home = `${setup.directory}/home`;
    this.#isIsolated = setup.isIsolated;
    this.#batches = work.iterations();
  }

  async load(): Promise<void> {
    this.#subject = await this.#peer.open(this.#home);
    await this.#fill(this.#subject);
    if (this.#isIsolated) await this.#subject.close();
    else if (this.#subject instanceof StemmaSubject) {
      this.#counts = countsOf(this.#subject);
    }
  }

  async iterate(): Promise<Iteration> {
    const batch = this.#batches.next().value;
    if (this.#isIsolated) await this.#openCopy();
    collectGarbage();
    const subject = this.#subject, { reads, keys } = batch;
    const read = await clock(() => subject.read(batch));
    const commit = keys.length === 0
      ? 0
      : await clock(() => subject.commit(batch));
    if (this.#isIsolated) await this.#dropCopy();
    this.#iterations++;
    return { read, commit, operations: reads.length + keys.length };
  }

  async finish(): Promise<Ending> {
    if (this.#isIsolated) return { settle: 0, peakRss: peakRss() };
    const subject = this.#subject;
    const settle = await clock(() => subject.settle?.());
    const details = subject instanceof StemmaSubject
      ? await this.#details(subject, this.#counts!)
      : undefined;
    await subject.close();
    return { settle, peakRss: peakRss(), details };
  }

  async #fill(subject: Subject): Promise<void> {
    for (const batch of this.#work.load()) await subject.commit(batch);
    await subject.settle?.();
  }

  async #openCopy(): Promise<void> {
    const copy = `${this.#home}-copy`, { isDurable } = this.#peer;
    if (isDurable) await copyFolder(this.#home, copy);
    this.#subject = await this.#peer.open(copy);
    if (!isDurable) await this.#fill(this.#subject);
  }

  async #dropCopy(): Promise<void> {
    await this.#subject.close();
    if (!this.#peer.isDurable) return;
    await Deno.remove(`${this.#home}-copy`, { recursive: true });
  }

  async #details(
    subject: StemmaSubject,
    before: ReturnType<typeof countsOf>,
  ): Promise<Details> {
    const now = countsOf(subject), batches = this.#batches;
    const each = (name: keyof typeof now): number =>
      (now[name] - before[name]) / this.#iterations;
    const extra: number[] = [];
    for (let turn = -WITNESS_WARM_UP; turn < WITNESS_TURNS; turn++) {
      const plain = await commitTime(subject, batches.next().value, false);
      const proven = await commitTime(subject, batches.next().value, true);
      if (turn >= 0) extra.push(proven - plain);
    }
    return {
      hashes: each("hashes"),
      pagesRead: each("pageReads"),
      pagesWritten: each("pageWrites"),
      logBytes: each("logBytes"),
      pageFileBytes: each("pageFileBytes"),
      flushes: each("flushes"),
      witnessTime: median(extra),
      witnessBytes: subject.witness?.length ?? 0,
      ...await proving(subject, batches.next().value),
    };
  }
}

async function commitTime(
  subject: StemmaSubject,
  batch: Batch,
  witness: boolean,
): Promise<number> {
  collectGarbage();
  if (batch.keys.length === 0) return 0;
  return await clock(() => subject.commit(batch, witness));
}

function countsOf({ db }: StemmaSubject) {
  const { hashes, pageReads, pageWrites, logBytes, pageFileBytes, flushes } = db
    .metrics();
  return { hashes, pageReads, pageWrites, logBytes, pageFileBytes, flushes };
}

/** Makes and checks proofs of a batch's keys. */
async function proving(subject: StemmaSubject, { reads, keys }: Batch) {
  const { db } = subject, scheme = schemeByName(db.scheme.name)!;
  const wanted = [...keys, ...reads].slice(0, PROVEN_MAX);
  using snapshot = db.snapshot();
  const { root } = snapshot;
  let proofs: Uint8Array[] = [], multi: Uint8Array = new Uint8Array(0);
  const times: number[][] = [[], [], [], []];
  for (let pass = 0; pass < 3; pass++) {
    times[0].push(
      await clock(() => proofs = wanted.map((key) => snapshot.prove(key))),
    );
    times[1].push(
      await clock(() =>
        wanted.map((key, i) => verifyKey(scheme, root, key, proofs[i]))
      ),
    );
    times[2].push(await clock(() => multi = snapshot.prove(wanted)));
    times[3].push(
      await clock(() => verify(scheme, root, { keys: wanted }, multi)),
    );
  }
  const bytes = proofs.reduce((sum, proof) => sum + proof.length, 0);
  const [made, checked, multiMade, multiChecked] = times.map(median);
  return {
    proofTime: 1e3 * made / wanted.length,
    verifyTime: 1e3 * checked / wanted.length,
    proofBytes: bytes / wanted.length,
    multiProofTime: multiMade,
    multiVerifyTime: multiChecked,
    multiProofBytes: multi.length,
    proven: wanted.length,
  };
}

/** Peak memory of this process, in bytes; what it has now where unknown. */
function peakRss(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) * 1024;
  } catch {
    return Deno.memoryUsage().rss;
  }
}

async function findPeer({ peer, workload: name }: Setup, work: Workload) {
  if (peer === STEMMA) return stemma(work.scheme);
  const found = await PEERS[peer]?.() ?? "is no peer";
  if (typeof found === "string") return `it ${found}`;
  return found.needsFixed && !work.isFixed
    ? `it cannot hold the keys and values of ${name}`
    : found;
}

async function serve(setup: Setup): Promise<void> {
  const work = workload(setup.workload, setup.options);
  const peer = await findPeer(setup, work);
  if (typeof peer === "string") {
    return console.log(JSON.stringify({ absent: peer }));
  }
  const { open: _, ...introduction } = peer;
  console.log(JSON.stringify(introduction));
  const station = new Station(peer, work, setup);
  for await (const command of lines(Deno.stdin.readable)) {
    let answer: unknown = {};
    if (command === "load") await station.load();
    if (command === "iterate") answer = await station.iterate();
    if (command === "finish") answer = await station.finish();
    console.log(JSON.stringify(answer));
  }
}

if (import.meta.main) await serve(JSON.parse(Deno.args[0]));
