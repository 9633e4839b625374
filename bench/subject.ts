// What the benchmark measures: a store behind the few calls that a workload needs.
// Ours and the peers' are alike to the runner.

import type { Batch } from "./workloads.ts";

/** An open store. */
export interface Subject {
  /** Reads what the batch reads; returns how many keys were there. */
  read(batch: Batch): number | Promise<number>;
  /** Commits what the batch writes, as durably as the store can. */
  commit(batch: Batch): Promise<void>;
  /** Writes what the store put off. */
  settle?(): Promise<void>;
  close(): Promise<void>;
}

/** A kind of store, as it is installed here. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** Whether a commit survives a power loss. */
  readonly isDurable: boolean;
  /** Whether it has a root; plain stores have none. */
  readonly isAuthenticated: boolean;
  /** Whether keys and values must be of 32 bytes. */
  readonly needsFixed: boolean;
  /** What it does not do, in a few words. */
  readonly lacks: string;
  /** Opens the store in a directory, made when missing. */
  open(directory: string): Promise<Subject>;
}
