// This module is browser compatible.
//
// The panel of blocks: transfers between accounts, committed by the worker, and
// each step from root to root checked here by its witness.

/// <reference lib="dom" />

import { verifyWitness } from "@stemma/verify/core";
import { nomtBlake3 } from "../../verify/nomt_blake3.ts";
import type { RemotePrepared, RemoteStore } from "../../src/client/mod.ts";
import {
  decodeAccount,
  encodeAccount,
  type GenesisAccount,
  keyOf,
} from "./_accounts.ts";
import type { BlockChart } from "./_chart.ts";
import { button, drawn, element, make, say } from "./_dom.ts";
import { type DemoStore, showHead } from "./_store.ts";
import { grouped, short, size, time } from "./_text.ts";

const TRANSFERS = 100;
const ROWS_MAX = 8;

/** A block that was committed. */
interface Block {
  readonly height: number;
  readonly root: Uint8Array;
  readonly commitMs: number;
  readonly allMs: number;
  readonly writes: number;
  readonly witnessBytes: number;
  readonly checkMs: number;
}

/** Reads pairs of accounts and moves a thousandth of what the first has. */
export async function prepareBlock(
  db: RemoteStore,
  accounts: readonly GenesisAccount[],
  transfers: number,
  witness: boolean,
): Promise<{ readonly next: RemotePrepared; readonly writes: number }> {
  const picked = new Map<number, Uint8Array>();
  while (picked.size < Math.min(2 * transfers, accounts.length & ~1)) {
    const i = Math.floor(Math.random() * accounts.length);
    picked.set(i, keyOf(accounts[i].address));
  }
  const keys = [...picked.values()];
  using session = db.begin({ witness });
  const values = await session.getMany(keys);
  for (let i = 0; i < keys.length; i += 2) {
    const from = decodeAccount(values[i]!), to = decodeAccount(values[i + 1]!);
    const wei = from.balance / 1000n;
    session.set(
      keys[i],
      encodeAccount({ nonce: from.nonce + 1n, balance: from.balance - wei }),
    );
    const paid = { nonce: to.nonce, balance: to.balance + wei };
    session.set(keys[i + 1], encodeAccount(paid));
  }
  return { next: await session.prepare(), writes: keys.length };
}

/** The panel. */
export class BlockPanel {
  readonly #store: DemoStore;
  readonly #chart: BlockChart;
  #isRunning = false;
  #isEmpty = true;
  /** The loop, while it runs. */
  #done: Promise<void> = Promise.resolve();

  constructor(store: DemoStore, chart: BlockChart) {
    this.#store = store;
    this.#chart = chart;
  }

  /** Whether blocks follow each other. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Runs blocks until {@linkcode stop}. */
  run(accounts: readonly GenesisAccount[]): Promise<void> {
    this.#isRunning = true;
    button("blocks-run").textContent = "Stop";
    // One that is about to end goes on instead, and leaves nothing to this one.
    this.#done = this.#done.catch(() => {}).then(() => this.#loop(accounts));
    return this.#done;
  }

  /** Lets the block under way be the last; waits for it. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done.catch(() => {});
  }

  /** One block: prepared, committed, checked, shown. */
  async one(accounts: readonly GenesisAccount[]): Promise<void> {
    const { db } = this.#store, began = performance.now();
    const { next, writes } = await prepareBlock(db, accounts, TRANSFERS, true);
    const prepared = performance.now();
    await next.commit();
    const committed = performance.now();
    const { previousRoot, root, witness } = next;
    const step = verifyWitness(nomtBlake3, previousRoot, witness!);
    if (short(step.root) !== short(root)) throw new Error("Roots differ");
    const { sequence } = await db.head();
    this.#show({
      height: sequence,
      root,
      commitMs: committed - prepared,
      allMs: committed - began,
      writes,
      witnessBytes: witness!.length,
      checkMs: performance.now() - committed,
    });
  }

  /** Forgets what is shown. */
  clear(): void {
    const row = make("tr"), cell = make("td", "no block yet", "empty");
    cell.setAttribute("colspan", "5");
    row.append(cell);
    element("blocks-list").replaceChildren(row);
    this.#isEmpty = true;
    this.#chart.clear();
    say("blocks-rate", "");
  }

  async #loop(accounts: readonly GenesisAccount[]): Promise<void> {
    try {
      while (this.#isRunning) {
        await this.one(accounts);
        await drawn();
      }
    } finally {
      this.#isRunning = false;
      button("blocks-run").textContent = "Run blocks";
    }
    await this.#store.refresh();
  }

  #show(block: Block): void {
    const { height, root, commitMs, allMs, writes, witnessBytes, checkMs } =
      block;
    showHead(root, height);
    const rate = writes / allMs * 1000;
    say("blocks-rate", `${grouped(rate)} writes a second`);
    this.#chart.add(height, commitMs, rate);
    const row = make("tr");
    row.append(
      make("td", grouped(height)),
      make("td", short(root), "mono"),
      make("td", time(commitMs), "number"),
      make("td", size(witnessBytes), "number"),
      make("td", `✓ in ${time(checkMs)}`, "good"),
    );
    const list = element("blocks-list");
    if (this.#isEmpty) list.replaceChildren();
    this.#isEmpty = false;
    list.prepend(row);
    while (list.children.length > ROWS_MAX) list.lastElementChild!.remove();
  }
}
