// The model that the engine is run against: immutable states in maps, versions
// that hang on each other, and the stack of states that can be gone back to. It
// knows the rules of sessions and versions and nothing of pages or files.

import { type Entry, oracleRoot, type OracleScheme } from "../oracle/mod.ts";
import type { Prepared, Session, Snapshot } from "../../mod.ts";

/** Entries by the hex of their keys; never changed. */
export type Entries = ReadonlyMap<string, Entry>;

/** One state with its root, as the oracle computes it. */
export interface State {
  readonly entries: Entries;
  readonly root: Uint8Array;
}

/** The state of no entries. */
export const EMPTY: State = { entries: new Map(), root: new Uint8Array(32) };

/** A state with the root that the oracle gives it. */
export function stateOf(
  scheme: string | OracleScheme,
  entries: Entries,
): State {
  return { entries, root: oracleRoot(scheme, entries.values()) };
}

/** A version as the model sees it. */
export class ModelVersion {
  readonly state: State;
  /** The version below, until this one is committed. */
  parent: ModelVersion | undefined;
  readonly children: Set<ModelVersion> = new Set();
  isStale = false;
  /** Made by `prepare()`, not by a snapshot of an older root. */
  readonly isPrepared: boolean;
  /** Begun when the version below was no longer the head. */
  readonly isLate: boolean;

  constructor(
    state: State,
    parent?: ModelVersion,
    isPrepared = false,
    isLate = false,
  ) {
    this.state = state;
    this.parent = parent;
    this.isPrepared = isPrepared;
    this.isLate = isLate || (parent?.isLate ?? false);
    parent?.children.add(this);
  }
}

/** A state that can be gone back to. */
export interface Past {
  readonly state: State;
  readonly sequence: number;
  readonly meta: Uint8Array;
}

/** A session beside what it should hold. */
export interface ModelSession {
  readonly session: Session;
  readonly base: ModelVersion;
  readonly entries: Map<string, Entry>;
  readonly withWitness: boolean;
  readonly reads: Map<string, Uint8Array>;
  readonly written: Set<string>;
}

/** A prepared version beside what it should hold. */
export interface ModelPrepared {
  readonly prepared: Prepared;
  readonly version: ModelVersion;
  isDiscarded: boolean;
}

/** A snapshot beside what it should hold. */
export interface ModelSnapshot {
  readonly snapshot: Snapshot;
  readonly version: ModelVersion;
}

/** What a commit must come to. */
export type CommitVerdict =
  | "ok"
  | "used-up"
  | "stale-session"
  | "uncommitted-parent";

/** The store as the model sees it. */
export class Model {
  head: ModelVersion = new ModelVersion(EMPTY);
  sequence = 0;
  meta: Uint8Array = new Uint8Array(0);
  /** The stack of states, oldest first, the head last. */
  stack: Past[] = [{ state: EMPTY, sequence: 0, meta: new Uint8Array(0) }];
  /** How many of its last states can be gone back to, the head included. */
  reach = 1;
  /** The stack as it was after each commit and rollback. */
  readonly after: Map<number, readonly Past[]> = new Map();
  readonly #most: number;

  constructor(historyCommits: number) {
    this.#most = historyCommits + 1;
    this.after.set(0, this.stack.slice());
  }

  /** What can be gone back to, oldest first, the head last. */
  get past(): readonly Past[] {
    return this.stack.slice(-this.reach);
  }

  /** What `commit()` of a prepared version has to come to. */
  verdict({ version, isDiscarded }: ModelPrepared): CommitVerdict {
    if (version.isStale) return "stale-session";
    if (isDiscarded) return "used-up";
    const { parent } = version;
    if (parent === this.head) return "ok";
    if (parent?.isPrepared && parent !== this.head && parent.parent) {
      return "uncommitted-parent";
    }
    return "stale-session";
  }

  /** The stack after a commit of a state. */
  pushed(state: State, meta: Uint8Array): Past[] {
    return [...this.stack, { state, meta, sequence: this.sequence + 1 }];
  }

  /** The stack after going back. */
  popped(steps: number): Past[] {
    const stack = this.stack.slice(0, this.stack.length - steps);
    const sequence = this.sequence + 1;
    return [...stack.slice(0, -1), { ...stack[stack.length - 1], sequence }];
  }

  /** A version has become the head. */
  publish(version: ModelVersion, stack: Past[]): void {
    const old = this.head;
    version.parent = undefined;
    old.children.delete(version);
    const queue = [...old.children];
    for (let v = queue.pop(); v !== undefined; v = queue.pop()) {
      v.isStale = true;
      queue.push(...v.children);
    }
    this.head = version;
    this.reach += stack.length - this.stack.length;
    if (this.reach > this.#most) this.reach = this.#most;
    this.#adopt(stack);
  }

  /**
   * Nothing but the stack is left: after opening again.
   *
   * @param reach How many states the store says it can go back to; states that
   *   had fallen out of its bounds may be back in reach after a rollback.
   */
  reopen(stack: readonly Past[], reach: number): void {
    const least = stack === this.stack ? this.reach : 1;
    if (reach < least || reach > Math.min(this.#most, stack.length)) {
      throw new RangeError(`The store reaches ${reach} states, not ${least}`);
    }
    this.reach = reach;
    this.#adopt(stack.slice());
    this.head = new ModelVersion(stack[stack.length - 1].state);
  }

  #adopt(stack: Past[]): void {
    const { sequence, meta } = stack[stack.length - 1];
    this.stack = stack;
    this.sequence = sequence;
    this.meta = meta;
    this.after.set(sequence, stack.slice());
  }
}
