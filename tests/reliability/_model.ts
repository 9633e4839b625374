// What a store must hold after each commit: one immutable state a commit, with
// the root computed straight from the entries by the slow oracle.

import type { Scheme } from "@stemma/verify";
import {
  type Entry,
  inOrder,
  oracleRoot,
  type OracleScheme,
  SCHEME_NAMES,
} from "../oracle/mod.ts";

/** Keys in hex and their values; `undefined` deletes. */
export type Writes = readonly (readonly [Uint8Array, Uint8Array | undefined])[];

/** The state that one commit or rollback made. */
export interface State {
  readonly sequence: number;
  readonly root: Uint8Array;
  readonly meta: Uint8Array;
  /** In key order. */
  readonly entries: readonly Entry[];
  /** States that can be gone back to, oldest first, this one last. */
  readonly history: readonly State[];
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Makes states. */
export class Model {
  readonly #scheme: string | OracleScheme;
  readonly #commits: number;

  /** @param commits How many commits the history holds. */
  constructor(scheme: Scheme, commits: number) {
    const { name, family, hash } = scheme;
    // A real scheme is hashed by the oracle's own functions.
    this.#scheme = SCHEME_NAMES.includes(name) ? name : { family, hash };
    this.#commits = commits;
  }

  /** The state of a new store. */
  empty(): State {
    const root = new Uint8Array(32);
    const none = { sequence: 0, root, meta: NO_BYTES, entries: [] };
    return withHistory(none, [], this.#commits);
  }

  /** The state after a commit of `writes`; a later write of a key wins. */
  commit(below: State, writes: Writes, meta: Uint8Array = NO_BYTES): State {
    const map = new Map<string, Entry>();
    for (const entry of below.entries) map.set(entry[0].toHex(), entry);
    for (const [key, value] of writes) {
      if (value === undefined) map.delete(key.toHex());
      else map.set(key.toHex(), [key.slice(), value.slice()]);
    }
    const entries = inOrder([...map.values()]);
    const root = oracleRoot(this.#scheme, entries);
    const sequence = below.sequence + 1;
    const state = { sequence, root, meta: meta.slice(), entries };
    return withHistory(state, below.history, this.#commits);
  }

  /** The state after going back `steps` states. */
  rollback(from: State, steps: number): State {
    const { history } = from;
    const target = history[history.length - 1 - steps];
    const state = { ...target, sequence: from.sequence + 1 };
    const below = history.slice(0, history.length - 1 - steps);
    return withHistory(state, below, this.#commits);
  }
}

function withHistory(
  state: Omit<State, "history">,
  below: readonly State[],
  commits: number,
): State {
  const made: { -readonly [K in keyof State]: State[K] } = {
    ...state,
    history: [],
  };
  made.history = [...below.slice(Math.max(0, below.length - commits)), made];
  return made;
}

/** Whether two byte strings are equal. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
