// What the engine's tests share: small stores in memory, batches of writes, a
// cheap hash for schemes of their own, and the roots of the slow oracle.

import { assertEquals } from "@std/assert";
import {
  eip7864Blake3,
  eip7864Sha256,
  eip8297Blake3,
  jamBlake2b,
  nomtBlake3,
  nomtSha256,
  type Scheme,
  verify,
  verifyKey,
} from "@stemma/verify";
import {
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
} from "../../mod.ts";
import { FAULTS } from "../../src/store/faults.ts";
import { cheapHash } from "../../src/testing/cheap_scheme.ts";
import { eip7864Scheme } from "../../verify/_eip7864.ts";
import { eip8297Scheme } from "../../verify/_eip8297.ts";
import { jamScheme } from "../../verify/_jam.ts";
import { nomtScheme } from "../../verify/_nomt.ts";
import type { Entry, OracleScheme } from "../oracle/mod.ts";

/** The six schemes by name. */
export const SCHEMES: Readonly<Record<string, Scheme>> = {
  "nomt-blake3": nomtBlake3,
  "nomt-sha256": nomtSha256,
  "jam-blake2b": jamBlake2b,
  "eip7864-sha256": eip7864Sha256,
  "eip7864-blake3": eip7864Blake3,
  "eip8297-blake3": eip8297Blake3,
};

/** A scheme of each family with the cheap hash. */
export const CHEAP: Readonly<Record<Scheme["family"], Scheme>> = {
  nomt: nomtScheme(0xf0, "test-nomt", "cheap", cheapHash),
  jam: jamScheme(0xf1, "test-jam", "cheap", cheapHash),
  eip7864: eip7864Scheme(0xf2, "test-eip7864", "cheap", cheapHash),
  eip8297: eip8297Scheme(0xf3, "test-eip8297", "cheap", cheapHash),
};

/** The cheap schemes as the oracle takes them. */
export function cheapOracle(family: Scheme["family"]): OracleScheme {
  return { family, hash: cheapHash };
}

/** A name that the oracle's generators of keys and values know. */
export function realName(family: Scheme["family"]): string {
  return Object.keys(SCHEMES).find((name) => SCHEMES[name].family === family)!;
}

/** An option of `open` for a cache that small stores outgrow. */
export const FEW_FRAMES: object = { [FAULTS]: new Set(["few-frames"]) };

/** The same, its pages where those of a cache above 2 GiB lie, a part of them below. */
export const HIGH_FRAMES: object = {
  [FAULTS]: new Set(["few-frames", "high-frames"]),
};

/** A store in memory with a small cache. */
export function openSmall(options: OpenOptions = {}): Promise<Stemma> {
  return open(memoryBackend(), { cacheBytes: 1 << 20, ...options });
}

/** Smallest page size that a scheme takes. */
export function pageBytesMin(scheme: Scheme): number {
  return scheme.family === "eip8297" ? 2048 : 512;
}

/** Key and value; `undefined` deletes. */
export type Write = readonly [Uint8Array, Uint8Array | undefined];

/** One commit of these writes. */
export async function commit(
  db: Stemma,
  writes: Iterable<Write>,
  meta?: Uint8Array,
): Promise<void> {
  using session = db.begin();
  put(session, writes);
  await session.prepare().commit({ meta });
}

/** Writes into a session. */
export function put(
  session: {
    set(key: Uint8Array, value: Uint8Array): void;
    delete(key: Uint8Array): void;
  },
  writes: Iterable<Write>,
): void {
  for (const [key, value] of writes) {
    if (value === undefined) session.delete(key);
    else session.set(key, value);
  }
}

/** A 32-byte key whose first bytes are given. */
export function key32(...bytes: number[]): Uint8Array {
  const key = new Uint8Array(32);
  key.set(bytes);
  return key;
}

/** The UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Every entry of a view as [key hex, value hex]. */
export function contents(
  view: { entries(): Iterable<[Uint8Array, Uint8Array]> },
): [string, string][] {
  return Array.from(view.entries(), ([k, v]) => [k.toHex(), v.toHex()]);
}

/** The same of a state in a map by key hex. */
export function contentsOf(
  state: ReadonlyMap<string, Entry>,
): [string, string][] {
  return [...state.values()]
    .map(([k, v]): [string, string] => [k.toHex(), v.toHex()])
    .sort(([a], [b]) => a < b ? -1 : 1);
}

/** Whether the key lies in the all-zero stem, of which proofs say nothing. */
export function isUnprovable(scheme: Scheme, key: Uint8Array): boolean {
  return scheme.family === "eip7864" &&
    key.subarray(0, 31).every((byte) => byte === 0);
}

/** What can be proven of a version. */
export interface Provable {
  readonly root: Uint8Array;
  prove(query: Uint8Array | readonly Uint8Array[]): Uint8Array;
}

/** Proves each key alone and compares the verdict with the expected value. */
export function assertProofs(
  scheme: Scheme,
  view: Provable,
  keys: Iterable<Uint8Array>,
  expected: (key: Uint8Array) => Uint8Array | undefined,
): void {
  for (const key of keys) {
    if (isUnprovable(scheme, key)) continue;
    const verdict = verifyKey(scheme, view.root, key, view.prove(key));
    assertVerdict(verdict, expected(key), key);
  }
}

/** Proves all keys at once. */
export function assertMultiProof(
  scheme: Scheme,
  view: Provable,
  keys: readonly Uint8Array[],
  expected: (key: Uint8Array) => Uint8Array | undefined,
): void {
  const provable = keys.filter((key) => !isUnprovable(scheme, key));
  const proof = view.prove(provable);
  const tree = verify(scheme, view.root, { keys: provable }, proof);
  for (const key of provable) assertVerdict(tree.get(key), expected(key), key);
}

/** Compares what a proof says of a key with what the store holds. */
export function assertVerdict(
  verdict: ReturnType<typeof verifyKey> | { status: "not covered" },
  value: Uint8Array | undefined,
  key: Uint8Array,
): void {
  const status = value === undefined ? "absent" : "present";
  assertEquals(verdict.status, status, key.toHex());
  if (verdict.status !== "present") return;
  if (verdict.value !== undefined) {
    assertEquals(verdict.value.toHex(), value!.toHex(), key.toHex());
  } else assertEquals(verdict.matches(value!), true, key.toHex());
}
