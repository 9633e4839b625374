// One tour through a store under one scheme, measured: genesis, proofs, a
// forged proof, a block with its witness, reopening, an older root, rollback.

import { ProofError, schemeByName, verifyKey } from "@stemma/verify";
import { type Present, verifyWitness } from "@stemma/verify";
import { denoFs } from "../backends/deno_fs.ts";
import { open, type Stemma } from "../mod.ts";
import {
  type Account,
  accountEntries,
  unpackBasicData,
} from "../src/layers/ethereum.ts";
import { keysOf } from "./_keys.ts";
import { drawTransfers, transfer } from "./_block.ts";
import { bad, bold, ether, good, grouped, line, short } from "./_print.ts";
import { chapter, size, time } from "./_print.ts";

/** What the comparison shows of a run: bytes and milliseconds. */
export interface Report {
  readonly genesisRoot: Uint8Array;
  loadMs: number;
  storeBytes: number;
  proofBytes: number;
  absenceBytes: number;
  verifyMs: number;
  blockMs: number;
  witnessBytes: number;
  witnessMs: number;
  openMs: number;
}

/** What a run works on. */
export interface Tour {
  readonly schemeName: string;
  readonly directory: string;
  readonly accounts: readonly Account[];
  /** An address outside the allocation. */
  readonly stranger: Uint8Array;
}

const TRANSFERS = 1000;

/** Runs the tour, printing as it goes. */
export async function tour(about: Tour): Promise<Report> {
  const report = await firstVisit(about);
  await secondVisit(about, report);
  return report;
}

async function firstVisit(about: Tour): Promise<Report> {
  await using db = await openStore(about, "must");
  const report = await loadGenesis(db, about);
  proveBalance(db, about, report);
  proveAbsence(db, about, report);
  await executeBlock(db, about, report);
  return report;
}

async function secondVisit(about: Tour, report: Report): Promise<void> {
  const start = performance.now();
  await using db = await openStore(about, "never");
  report.openMs = performance.now() - start;
  chapter("Closed and opened again");
  line("open", time(report.openMs));
  line("head", `${short(db.root)}, block ${blockOf(db)}`);

  const key = keysOf(db).basicData(richest(about).address);
  using older = db.snapshot(report.genesisRoot);
  const proof = older.prove(key);
  const verdict = verifyKey(db.scheme, report.genesisRoot, key, proof);
  if (verdict.status !== "present") throw new Error("Lost a balance");
  const now = unpackBasicData(db.get(key)!).balance;
  line("older root", `proves ${balanceOf(verdict)} as it was at genesis`);
  line("", `(now ${ether(now)}), ${size(proof.length)}`);

  await db.rollback(1);
  const same = db.root.toHex() === report.genesisRoot.toHex();
  if (!same) throw new Error("Rollback gave another root");
  line("rollback", `${good("genesis root again")}, block ${blockOf(db)}`);
}

function openStore(about: Tour, create: "must" | "never"): Promise<Stemma> {
  const scheme = schemeByName(about.schemeName);
  if (scheme === undefined) throw new Error(`No scheme ${about.schemeName}`);
  return open(denoFs(about.directory), { scheme, create });
}

async function loadGenesis(db: Stemma, about: Tour): Promise<Report> {
  const start = performance.now();
  const keys = keysOf(db);
  using session = db.begin();
  for (const account of about.accounts) {
    for (const entry of accountEntries(keys, account)) session.set(...entry);
  }
  const derived = performance.now();
  await session.prepare().commit({ meta: blockNumber(0) });
  const loaded = performance.now();
  await db.checkpoint();
  const { pageFileSize, logSize, hashes, hasher } = db.metrics();
  const bytes = pageFileSize + logSize;

  chapter(`Genesis of Ethereum mainnet under ${about.schemeName}`);
  line("accounts", grouped(about.accounts.length));
  line("root", bold(db.root.toHex()));
  line("keys", `derived in ${time(derived - start)}`);
  line(
    "commit",
    `${time(loaded - derived)}, ${grouped(hashes)} hashes (${hasher})`,
  );
  line("on disk", size(bytes));
  return {
    genesisRoot: db.root,
    loadMs: loaded - derived,
    storeBytes: bytes,
    ...{ proofBytes: 0, absenceBytes: 0, verifyMs: 0, blockMs: 0 },
    ...{ witnessBytes: 0, witnessMs: 0, openMs: 0 },
  };
}

function proveBalance(db: Stemma, about: Tour, report: Report): void {
  const { address } = richest(about);
  const key = keysOf(db).basicData(address);
  using snapshot = db.snapshot();
  const proof = snapshot.prove(key);
  const start = performance.now();
  const verdict = verifyKey(db.scheme, report.genesisRoot, key, proof);
  report.verifyMs = performance.now() - start;
  report.proofBytes = proof.length;
  if (verdict.status !== "present") throw new Error("Cannot prove a balance");

  chapter("One balance, proven");
  line("account", `0x${address.toHex()}`);
  line("proof", size(proof.length));
  line(
    "verified",
    `${good(balanceOf(verdict))} in ${time(report.verifyMs)}, root in hand`,
  );
  const forged = proof.slice();
  forged[forged.length >> 1] ^= 1;
  line("one bit off", refusal(db, report.genesisRoot, key, forged));
}

function refusal(
  db: Stemma,
  root: Uint8Array,
  key: Uint8Array,
  forged: Uint8Array,
): string {
  try {
    verifyKey(db.scheme, root, key, forged);
  } catch (error) {
    if (error instanceof ProofError) {
      return `${bad("refused")}: ${error.code}: ${error.message}`;
    }
    throw error;
  }
  throw new Error("A forged proof was accepted");
}

function proveAbsence(db: Stemma, about: Tour, report: Report): void {
  const key = keysOf(db).basicData(about.stranger);
  using snapshot = db.snapshot();
  const proof = snapshot.prove(key);
  const start = performance.now();
  const verdict = verifyKey(db.scheme, report.genesisRoot, key, proof);
  const ms = performance.now() - start;
  report.absenceBytes = proof.length;
  if (verdict.status !== "absent") throw new Error("Cannot prove absence");

  chapter("Another account's absence, proven");
  line("account", `0x${about.stranger.toHex()}`);
  line("proof", size(proof.length));
  line("verified", `${good("absent")} in ${time(ms)}`);
}

async function executeBlock(
  db: Stemma,
  about: Tour,
  report: Report,
): Promise<void> {
  const transfers = drawTransfers(about.accounts, TRANSFERS);
  const start = performance.now();
  using session = db.begin({ witness: true });
  transfer(session, keysOf(db), transfers);
  using next = session.prepare();
  const prepared = performance.now();
  await next.commit({ meta: blockNumber(1) });
  const committed = performance.now();
  const { witness, previousRoot, root } = next;
  if (witness === undefined) throw new Error("No witness");
  const verified = verifyWitness(db.scheme, previousRoot, witness);
  if (verified.root.toHex() !== root.toHex()) throw new Error("Bad witness");
  const checked = performance.now();
  report.blockMs = committed - start;
  report.witnessBytes = witness.length;
  report.witnessMs = checked - committed;

  chapter(`A block of ${grouped(TRANSFERS)} transfers`);
  line(
    "executed",
    `${time(prepared - start)}, durable ${
      time(committed - prepared)
    } later (one flush)`,
  );
  line("root", bold(root.toHex()));
  line(
    "witness",
    `${size(witness.length)}, checked without the store in ${
      time(report.witnessMs)
    }: ${good("same root")}`,
  );
}

function richest(about: Tour): Account {
  return about.accounts.reduce((a, b) => b.balance > a.balance ? b : a);
}

function balanceOf({ value }: Present): string {
  if (value === undefined) throw new Error("Proof without its value");
  return ether(unpackBasicData(value).balance);
}

function blockNumber(block: number): Uint8Array {
  return Uint8Array.of(block);
}

function blockOf(db: Stemma): number {
  return db.head.meta[0];
}
