// Compares an open store with the state that it must hold: everything that can
// be read of it, and what of it can be proven.

import { verifyKey } from "@stemma/verify";
import type { Stemma } from "../../mod.ts";
import type { Entry } from "../oracle/mod.ts";
import { same, type State } from "./_model.ts";
import { Violation } from "./_run.ts";

/** What is compared besides the entries. */
export interface InspectOptions {
  /** Which key is proven. */
  readonly pick: number;
  /** Read the oldest retained state, too. */
  readonly old?: boolean;
  /** Compute every hash anew. */
  readonly check?: boolean;
  /** History is bounded by bytes: it may be shorter than the model's. */
  readonly byBytes?: boolean;
}

/** Throws a {@linkcode Violation} when the store holds anything else. */
export async function inspect(
  db: Stemma,
  state: State,
  options: InspectOptions,
): Promise<void> {
  compareEntries(db.entries(), state.entries, "head");
  if (!same(db.root, state.root)) throw new Violation("root is another one");
  compareHistory(db, state, options.byBytes ?? false);
  proveOne(db, state, options.pick);
  if (options.old) readOldest(db, state);
  if (options.check) await db.check();
}

/** Compares entries in key order with the wanted ones. */
export function compareEntries(
  found: Iterable<readonly [Uint8Array, Uint8Array]>,
  wanted: readonly Entry[],
  what: string,
): void {
  let i = 0;
  for (const [key, value] of found) {
    const entry = wanted[i++];
    const equal = entry !== undefined && same(key, entry[0]) &&
      same(value, entry[1]);
    if (!equal) throw new Violation(`${what}: entry ${i} is another one`);
  }
  if (i !== wanted.length) throw new Violation(`${what}: entries are missing`);
}

function compareHistory(db: Stemma, state: State, byBytes: boolean): void {
  const found = db.history(), wanted = state.history;
  const least = byBytes ? 1 : wanted.length;
  if (found.length > wanted.length || found.length < least) {
    throw new Violation(
      `history has ${found.length} states: must have ${wanted.length}`,
    );
  }
  for (let i = 0; i < found.length; i++) {
    const other = wanted[wanted.length - 1 - i];
    const equal = found[i].sequence === other.sequence &&
      same(found[i].root, other.root);
    if (!equal) throw new Violation(`history: state ${i} is another one`);
  }
}

function proveOne(db: Stemma, state: State, pick: number): void {
  const { entries } = state;
  const entry = entries[pick % (entries.length + 1)];
  const key = entry?.[0] ?? new Uint8Array(db.scheme.keyBytesMin).fill(0xee);
  using snapshot = db.snapshot();
  const verdict = verifyKey(db.scheme, state.root, key, snapshot.prove(key));
  const isPresent = verdict.status === "present";
  const good = entry === undefined
    ? !isPresent
    : isPresent && verdict.matches(entry[1]);
  if (!good) throw new Violation("a proof shows something else");
}

function readOldest(db: Stemma, state: State): void {
  const found = db.history();
  const { root, sequence } = found[found.length - 1];
  const wanted = state.history.find((one) => one.sequence === sequence);
  using snapshot = db.snapshot(root);
  // Of several states with one root the most recent is opened: same entries.
  compareEntries(snapshot.entries(), wanted!.entries, "oldest state");
}
