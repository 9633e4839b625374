// This module is browser compatible.
//
// The history window: which states can be gone back to. The list of entries is
// read from the log when it is first needed (a rollback, an old root, the first
// commit after opening) and kept up to date from then on; entries that fall out of
// the bounds let go of their part of the log.

import type { KeyRule } from "../tree/keys.ts";
import { emptyEntry, type HistoryEntry } from "./history.ts";
import type { CommitLog } from "./log.ts";
import { readRecordHeader } from "./record.ts";

/** Bounds of the history. */
export interface HistoryBounds {
  /** Commits that can be undone. */
  readonly commits: number;
  /** Bytes of log kept for it. */
  readonly bytes: number;
}

/** A state of the history with the application's data. */
export interface HistoryState {
  readonly entry: HistoryEntry;
  readonly meta: Uint8Array;
}

/** The states between the head and the oldest one that can be restored. */
export class HistoryWindow {
  readonly #log: CommitLog;
  readonly #rule: KeyRule;
  readonly #bounds: HistoryBounds;
  #head: HistoryState;
  /** Oldest first, the head last; empty when not read yet. */
  #states: HistoryState[] = [];
  #start: number;
  /** Commits that could be undone when the header was written. */
  readonly #count: number;
  #isCut = false;

  constructor(
    log: CommitLog,
    rule: KeyRule,
    bounds: HistoryBounds,
    head: HistoryState,
    kept: { readonly start: number; readonly count: number },
  ) {
    this.#log = log;
    this.#rule = rule;
    this.#bounds = bounds;
    this.#head = head;
    this.#start = kept.start;
    this.#count = Math.min(kept.count, bounds.commits);
  }

  /** The head. */
  get head(): HistoryState {
    return this.#head;
  }

  /** Log position from which on records are needed. */
  get start(): number {
    return this.#start;
  }

  /** Every state that can be restored, oldest first, the head last. */
  states(): readonly HistoryState[] {
    if (this.#states.length === 0) this.#load();
    return this.#states;
  }

  /** Whether a record of the history could not be read. */
  get isCut(): boolean {
    this.states();
    return this.#isCut;
  }

  /** A commit made a new head. */
  push(head: HistoryState, logEnd: number): void {
    this.states();
    this.#states.push(head);
    this.#head = head;
    this.#prune(logEnd);
  }

  /** A rollback went back to a state; `head` is its entry under a new record. */
  replace(head: HistoryState, steps: number, logEnd: number): void {
    this.states();
    this.#states.length -= steps + 1;
    this.#states.push(head);
    this.#head = head;
    this.#prune(logEnd);
  }

  #prune(logEnd: number): void {
    const states = this.#states, { commits, bytes } = this.#bounds;
    while (states.length > 1) {
      const tooMany = states.length - 1 > commits;
      if (!tooMany && logEnd - neededFrom(states[1].entry) <= bytes) break;
      states.shift();
    }
    // The next commit will be undone to the head, whose record is needed then.
    this.#start = states.length > 1
      ? neededFrom(states[1].entry)
      : this.#head.entry.position;
  }

  /** Walks down from the head. */
  #load(): void {
    const states = [this.#head];
    const bytesMax = Number.MAX_SAFE_INTEGER;
    for (let below: HistoryState | undefined = this.#head;;) {
      const { entry }: HistoryState = below;
      if (states.length > this.#count || !this.#canUndo(entry)) break;
      if (entry.undoTo === 0) {
        below = { entry: emptyEntry(), meta: new Uint8Array(0) };
      } else {
        below = readRecordHeader(
          this.#log,
          this.#rule,
          entry.undoToPosition,
          bytesMax,
        );
      }
      if (below === undefined || below.entry.sequence !== entry.undoTo) break;
      states.push(below);
      if (below.entry.sequence === 0) break;
    }
    this.#isCut = states.length <= this.#count;
    this.#states = states.reverse();
  }

  #canUndo(entry: HistoryEntry): boolean {
    return entry.deltaPosition > 0 && neededFrom(entry) >= this.#start;
  }
}

/** Log position that undoing an entry needs at the least. */
function neededFrom(entry: HistoryEntry): number {
  return entry.undoTo === 0 ? entry.deltaPosition : entry.undoToPosition;
}
