// This module is browser compatible.
//
// The page: buttons to panels. One thing happens at a time; blocks that run are
// stopped before anything else begins.

/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

import { LockedError } from "../../backends/errors.ts";
import { persist } from "../../backends/opfs.ts";
import {
  encodeAccount,
  fetchGenesis,
  type GenesisAccount,
  keyOf,
} from "./_accounts.ts";
import { BlockPanel } from "./_blocks.ts";
import { BlockChart } from "./_chart.ts";
import { announce, button, drawn, element, say } from "./_dom.ts";
import { ProofPanel } from "./_proof.ts";
import { DemoStore } from "./_store.ts";
import { grouped, hex, time } from "./_text.ts";
import { fork, pullPlug, rollBack } from "./_trials.ts";

/** First used in 2015, after the genesis. */
const STRANGER = "d8da6bf26964af9d7eed9e03e53415d37aa96045";
const PART = 500;

const store = new DemoStore();
const proofs = new ProofPanel(store);
const blocks = new BlockPanel(store, new BlockChart());
const address = element<HTMLInputElement>("account-address");
let accounts: GenesisAccount[] = [];

/** Buttons that need a loaded store; the others are always ready. */
const NEED_GENESIS = [
  "account-look",
  "account-random",
  "account-stranger",
  "blocks-run",
  "blocks-one",
  "break-plug",
  "break-back",
  "break-genesis",
  "break-fork",
];

function setReady(isReady: boolean, isLoaded: boolean): void {
  for (const id of NEED_GENESIS) button(id).disabled = !isReady || !isLoaded;
  button("genesis-load").disabled = !isReady || isLoaded;
  button("genesis-reset").disabled = !isReady;
}

/** Runs one thing with all buttons off; what goes wrong is shown. */
async function alone(act: () => Promise<void>): Promise<void> {
  setReady(false, false);
  await blocks.stop();
  try {
    await act();
  } catch (error) {
    showFailure(error);
    return;
  }
  setReady(true, accounts.length > 0);
}

function showFailure(error: unknown): void {
  const text = error instanceof LockedError
    ? "The store is open in another tab: close that one and reload."
    : error instanceof Error
    ? error.message
    : String(error);
  say("genesis-note", text);
  say("fact-state", "stopped");
  element("facts").dataset.state = "dead";
  announce(text);
  console.error(error);
}

function progress(part: number, text: string): void {
  element<HTMLProgressElement>("genesis-progress").value = part * 100;
  say("genesis-note", text);
}

async function load(): Promise<void> {
  const found = await fetchGenesis((part) =>
    progress(part * 0.3, "fetching addresses and balances")
  );
  const began = performance.now();
  using session = store.db.begin();
  for (let i = 0; i < found.length; i++) {
    const { address, balance } = found[i];
    session.set(keyOf(address), encodeAccount({ nonce: 0n, balance }));
    if (i % PART > 0) continue;
    progress(0.3 + 0.5 * i / found.length, `${grouped(i)} accounts`);
    await drawn();
  }
  progress(0.85, "computing the root");
  const next = await session.prepare();
  progress(0.95, "making it durable");
  await next.commit();
  accounts = found;
  const ms = performance.now() - began;
  showLoaded(`${grouped(found.length)} accounts in ${time(ms)}`);
  await store.refresh();
  await persist();
}

function showLoaded(text: string): void {
  progress(1, text);
  announce(`Loaded ${text}`);
  if (address.value === "") address.value = `0x${hex(richest().address)}`;
}

function richest(): GenesisAccount {
  return accounts.reduce((a, b) => b.balance > a.balance ? b : a);
}

function look(): Promise<void> {
  const text = address.value.trim().replace(/^0x/i, "");
  const isAddress = /^[0-9a-fA-F]{40}$/.test(text);
  address.setCustomValidity(isAddress ? "" : "An address is 40 hex digits");
  if (!address.reportValidity()) return Promise.resolve();
  const bytes = text.match(/../g)!.map((pair) => parseInt(pair, 16));
  return alone(() => proofs.look(Uint8Array.from(bytes)));
}

async function genesisRoot(): Promise<Uint8Array> {
  const history = await store.db.history();
  const first = history.findLast(({ root }) => root.some((byte) => byte > 0));
  return first!.root;
}

function onClick(id: string, act: () => unknown): void {
  button(id).addEventListener("click", () => {
    Promise.resolve(act()).catch(showFailure);
  });
}

function wire(): void {
  onClick("genesis-load", () => alone(load));
  onClick("genesis-reset", () =>
    alone(async () => {
      await store.remove();
      globalThis.location.reload();
    }));
  element("account-form").addEventListener("submit", (event) => {
    event.preventDefault();
    look().catch(showFailure);
  });
  address.addEventListener("input", () => address.setCustomValidity(""));
  onClick("account-random", () => {
    const { address: bytes } =
      accounts[Math.floor(Math.random() * accounts.length)];
    address.value = `0x${hex(bytes)}`;
    return look();
  });
  onClick("account-stranger", () => {
    address.value = `0x${STRANGER}`;
    return look();
  });
  onClick(
    "blocks-run",
    () => blocks.isRunning ? blocks.stop() : blocks.run(accounts),
  );
  onClick("blocks-one", () =>
    alone(async () => {
      await blocks.one(accounts);
      await store.refresh();
    }));
  onClick("break-plug", () => alone(() => pullPlug(store, accounts)));
  onClick("break-back", () => alone(() => rollBack(store, undefined)));
  onClick(
    "break-genesis",
    () => alone(async () => rollBack(store, await genesisRoot())),
  );
  onClick("break-fork", () => alone(() => fork(store, accounts)));
}

async function begin(): Promise<void> {
  wire();
  await store.start();
  const { sequence } = await store.db.head();
  if (sequence === 0) return;
  accounts = await fetchGenesis(() => {});
  showLoaded(`${grouped(accounts.length)} accounts, kept from your last visit`);
}

await alone(begin);
document.documentElement.dataset.ready = "true";
