// This module is browser compatible.

// Proofs from a version of a tree, in the one canonical encoding that
// `@stemma/verify` accepts. Format and rules: docs/proofs.md.

import type { KeyRange, Query, Scheme, Write } from "@stemma/verify";
import {
  compareBytes,
  copyKey,
  type Item,
  mergeItems,
  mergeRanges,
  pointItem,
  PROOF_VERSION,
  queryItems,
  rangeItem,
  sortItems,
  WITNESS_VERSION,
} from "@stemma/verify/encoding";
import { TreeEncoder } from "./prove/encoder.ts";
import { NeedsFinder } from "./prove/needs.ts";
import type { ProvableTree } from "./prove/tree.ts";
import { ProofWriter } from "./prove/writer.ts";

export type { ProvableTree } from "./prove/tree.ts";

/** What a session read and wrote. */
export interface Access {
  /** Keys read, in any order. */
  readonly reads?: readonly Uint8Array[];
  /** Ranges read, in any order. */
  readonly ranges?: readonly KeyRange[];
  /** Keys written, in any order, each once; `undefined` deletes. */
  readonly writes?: readonly Write[];
}

/**
 * Proves from versions of trees of one scheme. It serves for many proofs: what is made
 * anew for each may lose its compiled code to the garbage collector in between.
 */
export class TreeProver {
  readonly #scheme: Scheme;
  readonly #encoder: TreeEncoder;
  readonly #needs: NeedsFinder;
  readonly #out: ProofWriter = new ProofWriter();
  /** What stands before the tree of a witness. */
  readonly #head: ProofWriter = new ProofWriter();

  constructor(scheme: Scheme) {
    this.#scheme = scheme;
    this.#encoder = new TreeEncoder(scheme);
    this.#needs = new NeedsFinder(scheme);
  }

  /**
   * Proves everything in `query` against the root of `tree`.
   *
   * @param tree The version to prove from.
   * @param query Keys and ranges, in any order.
   * @returns The proof, fresh bytes; `verify` accepts these and no others.
   * @throws {ProofError} `key` or `query` when the query does not fit the scheme.
   */
  prove(tree: ProvableTree, query: Query): Uint8Array {
    const items = mergeItems(queryItems(this.#scheme, query)), out = this.#out;
    out.reset();
    this.#encoder.run(tree, items, out);
    return out.finish([PROOF_VERSION, this.#scheme.id]);
  }

  /**
   * Makes the witness of one step: everything needed to check, without the data,
   * that `access.writes` lead from the root of `tree` to `newRoot`.
   *
   * @param tree The version before the writes.
   * @param newRoot Root after the writes, 32 bytes.
   * @param access What was read and written; nobody changes its keys meanwhile.
   * @returns The witness, fresh bytes; `verifyWitness` accepts these only.
   * @throws {ProofError} `key` or `query` when the access does not fit the scheme.
   */
  witness(
    tree: ProvableTree,
    newRoot: Uint8Array,
    access: Access,
  ): Uint8Array {
    const scheme = this.#scheme, head = this.#head, out = this.#out;
    const reads = sortedKeys(scheme, access.reads ?? []);
    const ranges = mergeRanges(access.ranges ?? []);
    const writes = (access.writes ?? []).map((
      { key, value },
    ): Item & Write => ({
      lo: checkedKey(scheme, key),
      hi: key,
      point: true,
      wanted: false,
      key,
      value,
      sets: value !== undefined,
    })).sort((a, b) => compareBytes(a.lo, b.lo));
    const items = mergeItems(sortItems([
      ...ranges.map((range) => rangeItem(scheme, range)),
      ...reads.map((key) => pointItem(key, true)),
      ...writes,
    ]));
    const needs = this.#needs.find(tree, items, writes);
    const root = tree.root();
    head.reset();
    head.number(WITNESS_VERSION, 1);
    head.number(scheme.id, 1);
    const at = head.reserve(64);
    head.bytes.fill(0, at, at + 32);
    if (root) tree.hash(root, head.bytes, at);
    head.bytes.set(newRoot, at + 32);
    for (const list of [reads, ranges, writes]) head.number(list.length, 4);
    for (const key of reads) this.#key(key);
    for (const { gte, lt } of ranges) {
      head.number((gte ? 1 : 0) + (lt ? 2 : 0), 1);
      if (gte) this.#key(gte);
      if (lt) this.#key(lt);
    }
    for (const { lo, value } of writes) {
      this.#key(lo);
      head.number(value ? value.length + 1 : 0, 4);
      if (value) head.append(value);
    }
    out.reset();
    this.#encoder.run(tree, items, out, needs);
    return out.finish(head.bytes.subarray(0, head.length));
  }

  /** Writes a key of a list of the witness. */
  #key(key: Uint8Array): void {
    const { keyBytesMin, keyBytesMax } = this.#scheme;
    if (keyBytesMin < keyBytesMax) this.#head.number(key.length, 2);
    this.#head.append(key);
  }
}

/** Sorted keys, each once. */
function sortedKeys(
  scheme: Scheme,
  keys: readonly Uint8Array[],
): Uint8Array[] {
  const items = keys.map((key) => pointItem(checkedKey(scheme, key), true));
  return mergeItems(sortItems(items)).map(({ lo }) => lo);
}

/** A key of the session's own, which nobody changes meanwhile: no copy of it. */
function checkedKey(scheme: Scheme, key: Uint8Array): Uint8Array {
  if (key.length < scheme.keyBytesMin || key.length > scheme.keyBytesMax) {
    return copyKey(scheme, key);
  }
  scheme.rules.key?.(key);
  return key;
}
