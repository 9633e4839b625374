// The test vectors: published and cross-checked roots for every scheme. The
// small files lie in tests/vectors (their `what` field names the source); the
// JAM block traces are big and are read from ../shared/vectors when that is
// there. A run without them says so.

import { gunzipSync } from "node:zlib";

/** Key and value. */
export type Entry = readonly [Uint8Array, Uint8Array];

/** Entries and their roots by scheme name; of equal keys the last counts. */
export interface RootVector {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly root: Readonly<Record<string, Uint8Array>>;
}

/** One operation of an EIP-7864 vector; `value` is undefined for a delete. */
export interface Operation {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Operations in order and the roots they lead to. */
export interface OperationsVector {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly root: Readonly<Record<string, Uint8Array>>;
}

/** NOMT: sets, and growing golden states under `nomt-blake3`. */
export interface NomtVectors {
  readonly sets: readonly RootVector[];
  readonly golden: readonly RootVector[];
}

/** Keys that EIP-7864 derives for one address. */
export interface KeyDerivationVector {
  readonly address: Uint8Array;
  readonly hash: "sha256" | "blake3";
  readonly treeIndexOrder: "big" | "little";
  readonly basicData: Uint8Array;
  readonly codeHash: Uint8Array;
  readonly storage: readonly { slot: bigint; key: Uint8Array }[];
  readonly codeChunk: readonly { chunk: number; key: Uint8Array }[];
}

/** Fields of an account and how EIP-7864 packs them. */
export interface BasicDataVector {
  readonly version: number;
  readonly codeSize: number;
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly expected: Uint8Array;
}

/** EIP-7864: trees and the Ethereum layer. */
export interface Eip7864Vectors {
  readonly trees: readonly OperationsVector[];
  readonly keyDerivation: readonly KeyDerivationVector[];
  readonly basicData: readonly BasicDataVector[];
  readonly chunkify: readonly { code: Uint8Array; chunks: Uint8Array[] }[];
  readonly gethGenesis: RootVector;
}

/** One block of a JAM trace. */
export interface JamBlock {
  readonly set: readonly Entry[];
  readonly delete: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** A JAM chain of 100 blocks with the state roots that it published. */
export interface JamTrace {
  readonly name: string;
  readonly genesis: readonly Entry[];
  readonly genesisRoot: Uint8Array;
  readonly blocks: readonly JamBlock[];
}

/** Names of the JAM traces. */
export const JAM_TRACES: readonly string[] = [
  "fallback",
  "safrole",
  "preimages",
  "preimages_light",
  "storage",
  "storage_light",
];

/** NOMT's golden states and sets. */
export function nomtVectors(): NomtVectors {
  const file = load<NomtFile>("nomt");
  const thousand = hex("e803000000000000");
  const keys = file.goldenKeys.map(hex);
  return {
    sets: file.sets.map((set) => ({
      name: set.name,
      entries: set.entries.map(entry),
      root: hexValues(set.root),
    })),
    golden: Object.entries(file.goldenRoots).map(([count, root]) => ({
      name: `golden-${count}`,
      entries: keys.slice(0, Number(count)).map((key) => [key, thousand]),
      root: { "nomt-blake3": hex(root) },
    })),
  };
}

/** EIP-7864's trees and the derivations of the Ethereum layer. */
export function eip7864Vectors(): Eip7864Vectors {
  const file = load<Eip7864File>("eip7864");
  return {
    trees: file.trees.map((tree) => ({
      name: tree.name,
      operations: tree.ops.map(([op, key, value]) => ({
        key: hex(key),
        value: op === "set" ? hex(value!) : undefined,
      })),
      root: hexValues(tree.root),
    })),
    keyDerivation: file.keyDerivation.vectors.map(derivation),
    basicData: file.basicData.map((data) => ({
      version: data.version,
      codeSize: data.codeSize,
      nonce: BigInt(data.nonce),
      balance: BigInt(data.balance),
      expected: hex(data.expected),
    })),
    chunkify: file.chunkify.vectors.map(({ code, chunks }) => ({
      code: hex(code),
      chunks: chunks.map(hex),
    })),
    gethGenesis: {
      name: "gethGenesis",
      entries: Object.entries(file.gethGenesis.entries).map(entry),
      root: { "eip7864-sha256": hex(file.gethGenesis.root) },
    },
  };
}

/** EIP-8297's sets. */
export function eip8297Vectors(): RootVector[] {
  const file = load<Eip8297File>("eip8297");
  return [...file.executionSpecs, ...file.reference].map((set) => ({
    name: set.name,
    entries: set.entries.map(({ key, value }) => entry([key, value])),
    root: { "eip8297-blake3": hex(set.root) },
  }));
}

/** Sets of JAM state Merklization. */
export function jamTrieVectors(): RootVector[] {
  return load<JamTrieFile>("jam-trie").sets.map((set) => ({
    name: set.name,
    entries: set.entries.map(entry),
    root: { "jam-blake2b": hex(set.root) },
  }));
}

/** A JAM trace, which {@linkcode hasJamTrace} has found. */
export function jamTrace(name: string): JamTrace {
  const file: JamTraceFile = parse(Deno.readFileSync(traceUrl(name)));
  return {
    name: file.name,
    genesis: file.genesis.map(entry),
    genesisRoot: hex(file.genesisRoot),
    blocks: file.blocks.map((block) => ({
      set: block.set.map(entry),
      delete: block.delete.map(hex),
      root: hex(block.root),
    })),
  };
}

/** Is the trace on this machine? Says so when not: for `ignore` of tests. */
export function hasJamTrace(name: string): boolean {
  const url = traceUrl(name);
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`${url.pathname} is not there: its tests are skipped`);
    return false;
  }
}

function traceUrl(name: string): URL {
  const path = `../../shared/vectors/jam-trace-${name}.json.gz`;
  return new URL(path, import.meta.url);
}

/** Bytes of a hex string. */
export function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}

type Pair = [string, string];

interface NomtFile {
  goldenRoots: Record<string, string>;
  goldenKeys: string[];
  sets: { name: string; entries: Pair[]; root: Record<string, string> }[];
}

interface DerivationFile {
  address: string;
  hash: "sha256" | "blake3";
  treeIndexOrder: "big" | "little";
  basicData: string;
  codeHash: string;
  storage: Record<string, string>;
  codeChunk: Record<string, string>;
}

interface Eip7864File {
  trees: {
    name: string;
    ops: [string, string, string?][];
    root: Record<string, string>;
  }[];
  keyDerivation: { vectors: DerivationFile[] };
  basicData: {
    version: number;
    codeSize: number;
    nonce: string;
    balance: string;
    expected: string;
  }[];
  chunkify: { vectors: { code: string; chunks: string[] }[] };
  gethGenesis: { entries: Record<string, string>; root: string };
}

interface Eip8297Set {
  name: string;
  entries: { key: string; value: string }[];
  root: string;
}

interface Eip8297File {
  executionSpecs: Eip8297Set[];
  reference: Eip8297Set[];
}

interface JamTrieFile {
  sets: { name: string; entries: Pair[]; root: string }[];
}

interface JamTraceFile {
  name: string;
  genesis: Pair[];
  genesisRoot: string;
  blocks: { set: Pair[]; delete: string[]; root: string }[];
}

function load<T>(name: string): T {
  const url = new URL(`vectors/${name}.json.gz`, import.meta.url);
  return parse(Deno.readFileSync(url));
}

function parse<T>(gzipped: Uint8Array<ArrayBuffer>): T {
  return JSON.parse(new TextDecoder().decode(gunzipSync(gzipped)));
}

function entry([key, value]: readonly [string, string]): Entry {
  return [hex(key), hex(value)];
}

function hexValues(
  texts: Readonly<Record<string, string>>,
): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, hex(text)]),
  );
}

function derivation(file: DerivationFile): KeyDerivationVector {
  return {
    ...file,
    address: hex(file.address),
    basicData: hex(file.basicData),
    codeHash: hex(file.codeHash),
    storage: Object.entries(file.storage).map(([slot, key]) => ({
      slot: BigInt(slot),
      key: hex(key),
    })),
    codeChunk: Object.entries(file.codeChunk).map(([chunk, key]) => ({
      chunk: Number(chunk),
      key: hex(key),
    })),
  };
}
