// Runs a workload on several stores that take turns, iteration by iteration, so
// that whatever else the machine does falls on all of them.

import {
  type Details,
  type Introduction,
  type Setup,
  StoreProcess,
} from "./store_process.ts";
import { workload } from "./workloads.ts";

/** How a workload is run, on every store. */
export interface RunOptions extends Omit<Setup, "peer"> {
  readonly peers: readonly string[];
  readonly iterations: number;
  log(text: string): void;
}

/** One store's part in a report. */
export interface Row {
  readonly peer: string;
  readonly version: string;
  readonly isDurable: boolean;
  readonly isAuthenticated: boolean;
  readonly lacks: string;
  /** Milliseconds of each iteration. */
  readonly readTimes: readonly number[];
  readonly commitTimes: readonly number[];
  /** Milliseconds of a last checkpoint, where there is one. */
  readonly settleTime: number;
  /** Operations of all iterations. */
  readonly operations: number;
  /** Peak memory of the store's process, in bytes. */
  readonly peakRss: number;
  readonly details?: Details;
}

/** What a workload gave. */
export interface Report {
  readonly workload: string;
  readonly note?: string;
  readonly rows: readonly Row[];
  /** Stores that are not there, and why. */
  readonly absent: Readonly<Record<string, string>>;
}

interface Runner {
  readonly process: StoreProcess;
  readonly store: Exclude<Introduction, { absent: string }>;
  readonly readTimes: number[];
  readonly commitTimes: number[];
  operations: number;
}

async function start(
  peer: string,
  options: RunOptions,
): Promise<Runner | string> {
  const { workload, isIsolated } = options;
  const directory = await Deno.makeTempDir({ dir: options.directory });
  const setup = { peer, workload, options: options.options };
  const process = new StoreProcess({ ...setup, directory, isIsolated });
  const store = await process.introduction();
  if ("absent" in store) {
    await process.end();
    return store.absent;
  }
  options.log(`loading ${workload}: ${peer}`);
  await process.load();
  return { process, store, readTimes: [], commitTimes: [], operations: 0 };
}

async function finish(runner: Runner): Promise<Row> {
  const { name, version, isDurable, isAuthenticated, lacks } = runner.store;
  const { settle, peakRss, details } = await runner.process.finish();
  await runner.process.end();
  return {
    peer: name,
    version,
    isDurable,
    isAuthenticated,
    lacks,
    readTimes: runner.readTimes,
    commitTimes: runner.commitTimes,
    settleTime: settle,
    operations: runner.operations,
    peakRss,
    details,
  };
}

/** Runs one workload on all stores that are there. */
export async function run(options: RunOptions): Promise<Report> {
  const { note } = workload(options.workload, options.options);
  const runners: Runner[] = [];
  const absent: Record<string, string> = {};
  for (const peer of options.peers) {
    const runner = await start(peer, options);
    if (typeof runner !== "string") runners.push(runner);
    else {
      absent[peer] = runner;
      options.log(`${peer} is absent: ${runner}`);
    }
  }
  options.log(`${options.iterations} iterations of ${options.workload}`);
  for (let i = 0; i < options.iterations; i++) {
    for (const runner of runners) {
      const { read, commit, operations } = await runner.process.iterate();
      runner.readTimes.push(read);
      runner.commitTimes.push(commit);
      runner.operations += operations;
    }
  }
  const rows: Row[] = [];
  for (const runner of runners) rows.push(await finish(runner));
  return { workload: options.workload, note, rows, absent };
}
