// Assertions for forged proofs: refused with a `ProofError`, or the truth.

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Query, Scheme } from "@stemma/verify";
import { decodePartial, ProofError, verify, verifyKey } from "@stemma/verify";
import { compare, type ModelTree } from "./_model_tree.ts";
import { assemble, type Pruned } from "./_pruned.ts";

/** Asserts that `run` throws a `ProofError`, with `code` when given. */
export function refused(run: () => unknown, code?: string): void {
  const error = assertThrows(run, ProofError);
  assert(/^[a-z]+(-[a-z]+)*$/.test(error.code), error.code);
  if (code !== undefined) assertEquals(error.code, code);
}

/** The result of `run`, or `undefined` when it throws a `ProofError`. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    assert(error instanceof ProofError, String(error));
    return undefined;
  }
}

/** Asserts that `verify` refuses the bytes for a query. */
export function refuses(
  tree: ModelTree,
  query: Query,
  proof: Uint8Array,
  code?: string,
): void {
  refused(() => verify(tree.scheme, tree.rootHash, query, proof), code);
}

/**
 * Asserts that bytes for one key are refused by `verifyKey`, and that
 * `decodePartial` says nothing false of any of `keys`.
 */
export function neverFalse(
  { scheme, rootHash, entries }: ModelTree,
  proof: Uint8Array,
  keys: readonly Uint8Array[],
): void {
  const tree = attempt(() => decodePartial(scheme, rootHash, proof));
  for (const key of keys) {
    const entry = entries.find(([other]) => compare(key, other) === 0);
    const verdicts = [
      attempt(() => tree?.get(key)),
      attempt(() => verifyKey(scheme, rootHash, key, proof)),
    ];
    for (const verdict of verdicts) {
      if (verdict?.status === "present") {
        assert(entry, `forged inclusion of ${key.toHex()}`);
        assert(verdict.matches(entry[1]) || verdict.value === undefined);
        if (verdict.value) assertEquals(verdict.value, entry[1]);
      }
      assert(
        verdict?.status !== "absent" || !entry,
        `forged absence of ${key.toHex()}`,
      );
    }
  }
}

/** {@linkcode neverFalse} for a tree that was put together by hand. */
export function neverFalseTree(
  tree: ModelTree,
  pruned: Pruned,
  keys: readonly Uint8Array[],
): void {
  neverFalse(tree, assemble(tree.scheme, pruned), keys);
}

/** A copy of `bytes` with one bit flipped. */
export function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3] ^= 0x80 >> (bit & 7);
  return out;
}

/** Bytes put end to end. */
export function joined(...parts: (Uint8Array | number[])[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A scheme under which `verify` is called with its arguments as they are. */
export function anyScheme(scheme: Scheme, id: number): Scheme {
  return { ...scheme, id };
}
