// Runs a program with one failing call on storage, and looks at what is left of
// the store: P6 of the reliability promises and decisions.md, point 13.

import { assert, assertInstanceOf, assertRejects } from "@std/assert";
import { StemmaError } from "@stemma/verify";
import { IoError, StorageFullError } from "../../backends/errors.ts";
import {
  simulated,
  type SimulatedCall,
  type SimulatedFailure,
} from "../../backends/simulated.ts";
import { PoisonedError } from "../../mod.ts";
import { compareEntries, inspect } from "./_inspect.ts";
import { Run, stateOf, type StoreOptions } from "./_run.ts";
import type { NamedWorkload } from "./_workloads.ts";

/** How storage fails. */
export type Kind = SimulatedFailure["kind"];

/** A failure of one call of a program. */
export interface Failing {
  readonly work: NamedWorkload;
  readonly options: StoreOptions;
  readonly seed: number;
  /** Which call fails, counted from 1 over the whole program. */
  readonly at: number;
  readonly kind: Kind;
  readonly sticky: boolean;
}

/** Calls of a program without failures. */
export async function countCalls(
  { work, options, seed }: Pick<Failing, "work" | "options" | "seed">,
): Promise<number> {
  const run = new Run(simulated({ seed }), options, seed);
  let calls = 0;
  run.onCall = () => calls++;
  await work.program(run);
  return calls;
}

/** Runs the program with the failure; throws when a promise is not kept. */
export async function survive(failing: Failing): Promise<void> {
  const { at, kind, seed, options, work } = failing;
  const backend = simulated({
    seed,
    asyncFlush: at % 2 === 1,
    backgroundFlush: at % 4 === 2,
  });
  const run = new Run(backend, options, seed);
  const failed = failAt(run, failing);
  const error = await thrownBy(() => work.program(run));
  run.onCall = undefined;
  if (error !== undefined) assertTyped(error, kind);
  if (kind.startsWith("short")) assert(error === undefined, `${error}`);
  if (run.isOpen) {
    // What goes on in the background comes to its end.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertPoison(run, failed(), failing);
    await useAfter(run, kind);
    await losePower(run, at, kind === "full" ? 16 : 4);
    await run.close();
  }
  run.backend.heal();
  await run.open();
  await inspect(run.db, run.head, { pick: at, old: true, byBytes: true });
  await run.goOn(1);
  await run.close();
}

/**
 * Makes the failure happen; the backend counts anew when the program kills its
 * process. Returns which call failed.
 */
function failAt(
  run: Run,
  { at, kind, sticky }: Failing,
): () => SimulatedCall | undefined {
  let calls = 0;
  let failed: SimulatedCall | undefined;
  run.onCall = ({ backend }, call) => {
    if (++calls !== at) return;
    failed = call;
    backend.fail({ at: backend.calls, kind, sticky });
  };
  return () => failed;
}

async function thrownBy(act: () => Promise<void>): Promise<unknown> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The errors that a failure may come out as. */
function assertTyped(error: unknown, kind: Kind): void {
  assertInstanceOf(error, StemmaError, `foreign: ${error}`);
  const full = error instanceof StorageFullError;
  const poisoned = error instanceof PoisonedError;
  assert(full || poisoned || error instanceof IoError, `${error}`);
  assert(full || poisoned || kind !== "full", `${error}`);
  if (error instanceof IoError) assert(error.operation.length > 0);
}

/** A failed write or flush turns writing off; a lack of room does not. */
function assertPoison(
  run: Run,
  call: SimulatedCall | undefined,
  { kind, sticky }: Failing,
): void {
  if (call === undefined || sticky) return;
  const { operation } = call;
  const isWrite = operation === "write" || operation === "truncate";
  const isFlush = operation === "flush";
  const { isPoisoned } = run.db.metrics();
  if (kind === "io" && (isWrite || isFlush)) assert(isPoisoned, "not poisoned");
  if (kind !== "short-read" && kind !== "short-write" && isFlush) {
    assert(isPoisoned, "a failed flush was trusted");
  }
  const isLog = call.file === "log.stemma";
  if (kind === "full" && isWrite && isLog) assert(!isPoisoned, "poisoned");
}

/** Reads go on after a failure, and so does writing unless it is poisoned. */
async function useAfter(run: Run, kind: Kind): Promise<void> {
  const { db } = run;
  if (kind !== "io") compareEntries(db.entries(), run.head.entries, "at once");
  run.backend.heal();
  const state = stateOf(db, [run.states[db.head.sequence]]);
  await inspect(db, state, { pick: 3, byBytes: true });
  if (!db.metrics().isPoisoned) {
    await run.goOn(2);
    return;
  }
  await assertRejects(() => db.checkpoint(), PoisonedError);
  await assertRejects(() => db.rollback(1), StemmaError);
  await assertRejects(async () => {
    using session = db.begin();
    session.set(run.key(3), run.value(9));
    await session.prepare().commit();
  }, PoisonedError);
  compareEntries(db.entries(), state.entries, "after refusals");
}

async function losePower(
  run: Run,
  seed: number,
  count: number,
): Promise<void> {
  for (const image of run.backend.images({ seed, count })) {
    const other = new Run(image.open(), run.options, seed);
    other.expect(run);
    await other.open();
    await inspect(other.db, other.head, { pick: seed, byBytes: true });
    await other.db.abandon();
  }
}
