// Mutation run: bytes of honest proofs and witnesses, changed. None may be
// accepted, and nothing but `ProofError` may come out. Every bit, every byte
// deleted, inserted, and every truncation for those up to 2 KiB, sampled by
// seed for larger ones; at least one proof of each scheme, terminal kind and
// verdict. 300,000 mutants a run, times the scale.

import { assert, assertEquals, fail } from "@std/assert";
import {
  entries,
  type PartialTree,
  ProofError,
  type Query,
  type Scheme,
  schemes,
  type Verdict,
  type VerifiedStep,
  verify,
  verifyWitness,
} from "@stemma/verify";
import { encodeProof, encodeWitness } from "./_prove.ts";
import { amount, type Random, random } from "../_amount.ts";
import { compare, ModelTree } from "./_model_tree.ts";
import { flip } from "./_refuse.ts";
import {
  afterWrites,
  cheapSchemes,
  randomEntries,
  randomKey,
  randomQuery,
  randomWrites,
} from "./_support.ts";

const MUTANTS = 300_000;

/** Honest bytes and the check that takes them. */
interface Specimen {
  readonly bytes: Uint8Array;
  readonly check: (bytes: Uint8Array) => unknown;
}

function proofSpecimen(tree: ModelTree, query: Query): Specimen {
  const { scheme, rootHash } = tree;
  return {
    bytes: encodeProof(tree, query),
    check: (bytes) => {
      const partial = verify(scheme, rootHash, query, bytes);
      if (hidesValue(tree, partial, query)) {
        throw new ProofError("hidden", "A short value stands as its hash");
      }
    },
  };
}

/**
 * Whether a value of at most 1 KiB stands as its hash, which `nomt` and `jam`
 * roots cannot tell from a longer one. It must match nothing then: a claim of
 * its own, the only one that is not refused (docs/proofs.md, "Nodes").
 */
function hidesValue(
  { entries: all }: ModelTree,
  partial: PartialTree,
  { keys = [], ranges = [] }: Query,
): boolean {
  const values = new Map(all.map(([key, value]) => [key.toHex(), value]));
  const verdicts = [
    ...keys.map((key) => [key, partial.get(key)] as const),
    ...ranges.flatMap((range) => entries(partial, range)),
  ];
  return verdicts.some(([key, verdict]) => {
    if (verdict.status !== "present" || verdict.value) return false;
    const value = values.get(key.toHex())!;
    if (value.length > 1024) return false;
    assert(!verdict.matches(value));
    return true;
  });
}

function witnessSpecimen(tree: ModelTree, source: Random): Specimen {
  const { scheme, rootHash } = tree;
  const writes = randomWrites(source, tree);
  const { keys: reads, ranges } = randomQuery(source, tree);
  const { rootHash: next } = afterWrites(tree, writes);
  const bytes = encodeWitness(tree, next, { reads, ranges, writes });
  const claim = (step: VerifiedStep): string =>
    JSON.stringify(
      [step.root, step.reads, step.ranges, step.writes],
      (_, v) => v instanceof Uint8Array ? v.toHex() : v,
    );
  const honest = claim(verifyWitness(scheme, rootHash, bytes));
  return {
    bytes,
    check: (mutant) => {
      const step = verifyWitness(scheme, rootHash, mutant);
      // The lists of a witness are part of its claim. A change there may make
      // another one: it counts as refused when all that it says is true.
      const { tree: partial, reads: keys, ranges } = step;
      if (same(mutant, bytes)) return;
      if (
        claim(step) === honest && !hidesValue(tree, partial, { keys, ranges })
      ) return;
      assertTrue(tree, step);
      throw new ProofError("claim", "Another claim, and a true one");
    },
  };
}

/** Asserts that everything a step says of `tree` is true. */
function assertTrue(tree: ModelTree, step: VerifiedStep): void {
  const { rootHash } = afterWrites(tree, step.writes);
  assertEquals(step.root, rootHash);
  const values = new Map(tree.entries.map(([key, v]) => [key.toHex(), v]));
  const check = (value: Uint8Array | undefined, verdict: Verdict): void => {
    assertEquals(verdict.status, value ? "present" : "absent");
    if (verdict.status !== "present") return;
    if (verdict.value) assertEquals(verdict.value, value);
    else assertEquals(verdict.valueHash, tree.scheme.hash(value!));
  };
  for (const key of step.reads) {
    check(values.get(key.toHex()), step.tree.get(key));
  }
  for (const range of step.ranges) {
    const { gte, lt } = range;
    const found = entries(step.tree, range);
    const inRange = tree.entries.filter(([key]) =>
      (!gte || compare(key, gte) >= 0) && (!lt || compare(key, lt) < 0)
    );
    assertEquals(found.map(([key]) => key), inRange.map(([key]) => key));
    found.forEach(([, verdict], i) => check(inRange[i][1], verdict));
  }
}

function specimens(
  source: Random,
  scheme: Scheme,
  count: number,
): Specimen[] {
  const tree = new ModelTree(scheme, randomEntries(source, scheme, count));
  const present = tree.entries.map(([key]) => key);
  const absent = randomKey(source, scheme, present);
  return [
    ...present.slice(0, 2).map((key) => proofSpecimen(tree, { keys: [key] })),
    proofSpecimen(tree, { keys: [absent] }),
    proofSpecimen(tree, { keys: [...present.slice(-2), absent] }),
    proofSpecimen(tree, randomQuery(source, tree)),
    witnessSpecimen(tree, source),
  ];
}

/** `bytes` with `remove` bytes at `at` replaced. */
function spliced(
  bytes: Uint8Array,
  at: number,
  remove: number,
  ...added: number[]
): Uint8Array {
  const out = new Uint8Array(bytes.length - remove + added.length);
  out.set(bytes.subarray(0, at));
  out.set(added, at);
  out.set(bytes.subarray(at + remove), at + added.length);
  return out;
}

/** Every bit, deletion, truncation, and insertions at every place. */
function* everyChange(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) yield flip(bytes, bit);
  for (let at = 0; at < bytes.length; at++) {
    yield spliced(bytes, at, 1);
    yield bytes.subarray(0, at);
  }
  for (let at = 0; at <= bytes.length; at++) {
    for (const byte of [0, 0xff]) yield spliced(bytes, at, 0, byte);
  }
}

/** One random change: bits, blocks, splices with another specimen. */
function someChange(
  source: Random,
  bytes: Uint8Array,
  other: Uint8Array,
): Uint8Array {
  const at = source.int(bytes.length);
  const size = Math.min(source.pick([1, 2, 4, 31, 32, 33]), bytes.length - at);
  const from = source.int(bytes.length);
  const block = bytes.subarray(from, from + size);
  switch (source.int(8)) {
    case 0:
      return flip(flip(bytes, 8 * at), source.int(8 * bytes.length));
    case 1:
      return spliced(bytes, at, size);
    case 2:
      return spliced(bytes, at, 0, ...block);
    case 3:
      return spliced(bytes, at, block.length, ...block);
    case 4:
      return spliced(bytes, at, size, ...new Uint8Array(size));
    case 5:
      return spliced(bytes, at, size, ...source.bytes(size));
    case 6:
      return spliced(bytes, at, bytes.length - at, ...other.subarray(at));
    default:
      return flip(bytes, source.int(8 * bytes.length));
  }
}

/** Runs mutants; counts them and how they were refused. */
class Run {
  mutants = 0;
  readonly codes = new Map<string, number>();

  refuses({ bytes, check }: Specimen, mutant: Uint8Array): void {
    if (same(mutant, bytes)) return;
    this.mutants++;
    try {
      check(mutant);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
      return;
    }
    fail(`accepted ${mutant.toHex()} for ${bytes.toHex()}`);
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

Deno.test("verify() and verifyWitness() accept no mutant", () => {
  const source = random("mutation");
  const run = new Run();
  const corpus: Specimen[] = [];
  for (const scheme of [...cheapSchemes, ...schemes]) {
    for (const specimen of specimens(source, scheme, 2)) {
      specimen.check(specimen.bytes);
      corpus.push(specimen);
      if (specimen.bytes.length > 2048) continue;
      for (const mutant of everyChange(specimen.bytes)) {
        run.refuses(specimen, mutant);
      }
    }
  }
  for (const scheme of cheapSchemes) {
    for (const count of [0, 1, 3, 8, 30, 100]) {
      corpus.push(...specimens(source, scheme, count));
    }
  }
  while (run.mutants < amount(MUTANTS)) {
    const specimen = source.pick(corpus);
    const { bytes } = source.pick(corpus);
    run.refuses(specimen, someChange(source, specimen.bytes, bytes));
  }
  console.log(`${run.mutants} mutants, 0 accepted`);
  for (const code of ["root", "truncated", "trailing", "tags", "scheme"]) {
    assert(run.codes.has(code), `no mutant was refused with ${code}`);
  }
});
