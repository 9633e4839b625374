// Runs a workload on several stores that take turns, iteration by iteration, so
// that whatever else the machine does falls on all of them.

import { schemeByName, verify, verifyKey } from "@stemma/verify";
import { clock, collectGarbage, copyFolder, median } from "./measure.ts";
import { StemmaSubject } from "./peers/stemma.ts";
import type { Peer, Subject } from "./subject.ts";
import type { Batch, Workload } from "./workloads.ts";

/** Keys of which proofs are made. */
const PROVEN_MAX = 1000;
/** Pairs of commits without witness and with it. */
const WITNESS_TURNS = 5;

/** How a workload is run. */
export interface RunOptions {
  readonly iterations: number;
  /** Each iteration on a fresh copy of the state, instead of one after another. */
  readonly isIsolated: boolean;
  /** Folder for stores. */
  readonly directory: string;
  log(text: string): void;
}

/** What only our store tells, an iteration. */
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

/** One store's part in a report. */
export interface Row {
  readonly peer: string;
  readonly version: string;
  /** Why there are no numbers, if so. */
  readonly absent?: string;
  readonly isDurable: boolean;
  readonly isAuthenticated: boolean;
  readonly lacks: string;
  /** Milliseconds of each iteration. */
  readonly readTimes: readonly number[];
  readonly commitTimes: readonly number[];
  /** Milliseconds of a last checkpoint, where there is one. */
  readonly settleTime: number;
  /** Operations an iteration. */
  readonly operations: number;
  readonly details?: Details;
}

/** What a workload gave. */
export interface Report {
  readonly workload: string;
  readonly note?: string;
  readonly rows: readonly Row[];
  /** Peak memory of the process so far, with all stores in it; bytes. */
  readonly peakRss: number;
}

interface Runner {
  readonly peer: Peer;
  readonly home: string;
  readonly readTimes: number[];
  readonly commitTimes: number[];
  subject: Subject;
  settleTime: number;
  details?: Details;
}

async function load(subject: Subject, work: Workload): Promise<void> {
  for (const batch of work.load()) await subject.commit(batch);
  await subject.settle?.();
}

/** Opens the store of one iteration in isolation. */
async function openCopy(
  { peer, home }: Runner,
  work: Workload,
): Promise<Subject> {
  const copy = `${home}-copy`;
  if (peer.isDurable) await copyFolder(home, copy);
  const subject = await peer.open(copy);
  if (!peer.isDurable) await load(subject, work);
  return subject;
}

async function iterate(runner: Runner, batch: Batch): Promise<void> {
  const { subject, readTimes, commitTimes } = runner;
  readTimes.push(await clock(() => subject.read(batch)));
  const isReading = batch.keys.length === 0;
  commitTimes.push(isReading ? 0 : await clock(() => subject.commit(batch)));
}

async function start(
  peer: Peer,
  work: Workload,
  options: RunOptions,
): Promise<Runner> {
  options.log(`loading ${work.name}: ${peer.name}`);
  const home = await Deno.makeTempDir({ dir: options.directory });
  const subject = await peer.open(home);
  await load(subject, work);
  const times = { readTimes: [], commitTimes: [], settleTime: 0 };
  return { peer, home, subject, ...times };
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

function milliseconds(run: () => void): number {
  const from = performance.now();
  run();
  return performance.now() - from;
}

async function commitTime(
  subject: StemmaSubject,
  batch: Batch,
  witness: boolean,
): Promise<number> {
  if (batch.keys.length === 0) return 0;
  return await clock(() => subject.commit(batch, witness));
}

/** Counts of our store over the measured iterations, and what proofs cost. */
async function detail(
  subject: StemmaSubject,
  counts: ReturnType<typeof countsOf>,
  batches: Generator<Batch, never>,
  iterations: number,
): Promise<Details> {
  const now = countsOf(subject);
  const each = (name: keyof typeof now): number =>
    (now[name] - counts[name]) / iterations;
  const extra: number[] = [];
  for (let turn = 0; turn < WITNESS_TURNS; turn++) {
    const plain = await commitTime(subject, batches.next().value, false);
    extra.push(await commitTime(subject, batches.next().value, true) - plain);
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
    ...proving(subject, batches.next().value),
  };
}

function countsOf({ db }: StemmaSubject) {
  const { hashes, pageReads, pageWrites, logBytes, pageFileBytes, flushes } = db
    .metrics();
  return { hashes, pageReads, pageWrites, logBytes, pageFileBytes, flushes };
}

function proving(subject: StemmaSubject, { reads, keys }: Batch) {
  const { db } = subject, scheme = schemeByName(db.scheme.name)!;
  const wanted = [...keys, ...reads].slice(0, PROVEN_MAX);
  using snapshot = db.snapshot();
  const { root } = snapshot;
  let proofs: Uint8Array[] = [], multi: Uint8Array = new Uint8Array(0);
  const prove = (): void => {
    proofs = wanted.map((key) => snapshot.prove(key));
  };
  prove();
  const made = milliseconds(prove);
  const checked = milliseconds(() => {
    for (const [i, key] of wanted.entries()) {
      verifyKey(scheme, root, key, proofs[i]);
    }
  });
  const multiMade = milliseconds(() => {
    multi = snapshot.prove(wanted);
  });
  const multiChecked = milliseconds(() => {
    verify(scheme, root, { keys: wanted }, multi);
  });
  const bytes = proofs.reduce((sum, proof) => sum + proof.length, 0);
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

/** Runs one workload on all peers that take its keys and values. */
export async function run(
  work: Workload,
  peers: readonly Peer[],
  options: RunOptions,
): Promise<Report> {
  const able = peers.filter((peer) => work.isFixed || !peer.needsFixed);
  const runners: Runner[] = [];
  for (const peer of able) runners.push(await start(peer, work, options));
  const batches = work.iterations();
  const operations = await iterations(work, runners, batches, options);
  if (!options.isIsolated) {
    for (const { subject } of runners) await subject.close();
  }
  return {
    workload: work.name,
    note: work.note,
    peakRss: peakRss(),
    rows: runners.map((runner) => ({
      peer: runner.peer.name,
      version: runner.peer.version,
      isDurable: runner.peer.isDurable,
      isAuthenticated: runner.peer.isAuthenticated,
      lacks: runner.peer.lacks,
      readTimes: runner.readTimes,
      commitTimes: runner.commitTimes,
      settleTime: runner.settleTime,
      operations: operations / options.iterations,
      details: runner.details,
    })),
  };
}

/** Runs all iterations; returns the operations in them. */
async function iterations(
  work: Workload,
  runners: readonly Runner[],
  batches: Generator<Batch, never>,
  options: RunOptions,
): Promise<number> {
  if (options.isIsolated) {
    for (const runner of runners) await runner.subject.close();
  }
  options.log(`${options.iterations} iterations of ${work.name}`);
  const before = runners.map(({ subject }) =>
    subject instanceof StemmaSubject && !options.isIsolated
      ? countsOf(subject)
      : undefined
  );
  let operations = 0;
  for (let i = 0; i < options.iterations; i++) {
    const batch = batches.next().value;
    collectGarbage();
    operations += batch.reads.length + batch.keys.length;
    for (const runner of runners) {
      if (options.isIsolated) runner.subject = await openCopy(runner, work);
      await iterate(runner, batch);
      if (!options.isIsolated) continue;
      await runner.subject.close();
      if (runner.peer.isDurable) {
        await Deno.remove(`${runner.home}-copy`, { recursive: true });
      }
    }
  }
  if (options.isIsolated) return operations;
  for (const [i, runner] of runners.entries()) {
    const { subject } = runner;
    runner.settleTime = await clock(() => subject.settle?.());
    const counts = before[i];
    if (!(subject instanceof StemmaSubject) || counts === undefined) continue;
    const { iterations } = options;
    runner.details = await detail(subject, counts, batches, iterations);
  }
  return operations;
}
