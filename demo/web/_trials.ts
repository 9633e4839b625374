// This module is browser compatible.
//
// The panel of trials: ends the worker in the middle of a commit and opens the
// store again, goes back, forks.

/// <reference lib="dom" />

import { StemmaError } from "@stemma/verify/core";
import type { GenesisAccount } from "./_accounts.ts";
import { prepareBlock } from "./_blocks.ts";
import { announce, element, make } from "./_dom.ts";
import type { DemoStore } from "./_store.ts";
import { grouped, short, time } from "./_text.ts";

const PLUG_TRANSFERS = 1500;

/** Shows the outcome of a trial. */
function note(
  id: string,
  headline: string,
  detail: string,
  isGood = true,
): void {
  element(id).replaceChildren(
    make("span", headline, isGood ? "good" : "bad"),
    ` ${detail}`,
  );
  announce(`${headline} ${detail}`);
}

/** Ends the worker within a commit; the store must come back whole. */
export async function pullPlug(
  store: DemoStore,
  accounts: readonly GenesisAccount[],
): Promise<void> {
  const acknowledged = (await store.db.head()).sequence;
  const { next } = await prepareBlock(
    store.db,
    accounts,
    PLUG_TRANSFERS,
    false,
  );
  let isAcknowledged = false;
  next.commit().then(() => {
    isAcknowledged = true;
  }, () => {});
  await new Promise((go) => setTimeout(go, Math.random() * 6));
  store.pullPlug();
  const wasAcknowledged = isAcknowledged;
  element("break-plug-note").textContent = "worker ended, opening again …";
  await new Promise((go) => setTimeout(go, 400));
  const ms = await store.start();
  const { root, sequence } = await store.db.head();
  await store.db.check();
  const least = acknowledged + (wasAcknowledged ? 1 : 0);
  const isGood = sequence >= least && sequence <= acknowledged + 1;
  const cameThrough = short(root) === short(next.root);
  note(
    "break-plug-note",
    isGood ? "Whole." : "Broken!",
    `Open again in ${time(ms)} at height ${
      grouped(sequence)
    }: the commit under ` +
      `way ${
        cameThrough ? "had become durable" : "left no trace"
      }. Every page ` +
      "was read and every hash computed anew.",
    isGood,
  );
}

/** Goes back one commit, or to a height's root. */
export async function rollBack(
  store: DemoStore,
  to: Uint8Array | undefined,
): Promise<void> {
  const began = performance.now();
  try {
    if (to === undefined) await store.db.rollback();
    else await store.db.rollbackTo(to);
    const ms = performance.now() - began;
    const { root } = await store.db.head();
    note("break-back-note", "Done", `in ${time(ms)}: root ${short(root)}.`);
  } catch (error) {
    if (!(error instanceof StemmaError)) throw error;
    note("break-back-note", "Not possible:", error.message, false);
  }
  await store.refresh();
}

/** Two versions on one parent, of which the second is committed. */
export async function fork(
  store: DemoStore,
  accounts: readonly GenesisAccount[],
): Promise<void> {
  const [one, two] = await Promise.all([
    prepareBlock(store.db, accounts, 20, false),
    prepareBlock(store.db, accounts, 20, false),
  ]);
  await two.next.commit();
  let refusal = "was committed as well!";
  try {
    await one.next.commit();
  } catch (error) {
    if (!(error instanceof StemmaError)) throw error;
    refusal = `is refused (${error.code})`;
  }
  note(
    "break-fork-note",
    `${short(two.next.root)} is the head;`,
    `its rival ${short(one.next.root)} ${refusal}.`,
  );
  await store.refresh();
}
