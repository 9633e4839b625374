// This module is browser compatible.

// The way in: bytes from a stranger, a root that the caller trusts, and what
// was asked. Every byte is checked; anything wrong is a `ProofError`, and for
// one root and one question exactly one string of bytes is right.
// Format and rules: docs/proofs.md.

import { compareBytes, copyBytes, fail } from "./_bytes.ts";
import { checkCanonical } from "./_canonical.ts";
import {
  lookUp,
  type PartialTree,
  readTree,
  type Verdict,
} from "./partial_tree.ts";
import { type Item, type Query, queryItems } from "./query.ts";
import type { Scheme } from "./scheme.ts";

/** First byte of a proof: kind 0, format version 1. */
export const PROOF_VERSION = 1;

/** Bounds on what the verifier takes on, checked before any work. */
export interface Limits {
  /**
   * Most bytes of a proof or witness.
   *
   * @default {16777216}
   */
  readonly bytesMax?: number;
}

/**
 * Verifies a proof of everything in `query` against `root`.
 *
 * @param scheme How the tree is hashed.
 * @param root Root of the tree, 32 bytes, from a source that is trusted.
 * @param query Exactly the keys and ranges that the proof was made for.
 * @param proof The proof; copied once.
 * @param limits Bounds on what is taken on.
 * @returns The partial tree; every key of the query is covered by it.
 * @throws {ProofError} When anything is wrong, with a stable code.
 *
 * @example Verify a proof for two keys
 * ```ts
 * import { nomtBlake3, verify } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const keys = [new Uint8Array(32), new Uint8Array(32).fill(1)];
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]); // of the empty tree
 * const tree = verify(nomtBlake3, new Uint8Array(32), { keys }, proof);
 * assertEquals(tree.get(keys[1]), { status: "absent" });
 * ```
 */
export function verify(
  scheme: Scheme,
  root: Uint8Array,
  query: Query,
  proof: Uint8Array,
  limits?: Limits,
): PartialTree {
  const items = queryItems(scheme, query);
  const tree = load(scheme, root, items, proof, limits);
  checkCanonical(tree);
  return tree;
}

/**
 * Verifies a proof of one key.
 *
 * @param scheme How the tree is hashed.
 * @param root Root of the tree, 32 bytes, from a source that is trusted.
 * @param key The key that the proof was made for.
 * @param proof The proof; copied once.
 * @param limits Bounds on what is taken on.
 * @returns `present` with the value, or `absent`; never anything else.
 * @throws {ProofError} When anything is wrong, with a stable code.
 *
 * @example Verify that a key is absent from the empty tree
 * ```ts
 * import { nomtSha256, verifyKey } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 2, 0, 0, 0, 1, 0]);
 * const key = new Uint8Array(32).fill(7);
 * const verdict = verifyKey(nomtSha256, new Uint8Array(32), key, proof);
 * assertEquals(verdict, { status: "absent" });
 * ```
 */
export function verifyKey(
  scheme: Scheme,
  root: Uint8Array,
  key: Uint8Array,
  proof: Uint8Array,
  limits?: Limits,
): Exclude<Verdict, { status: "not covered" }> {
  const tree = verify(scheme, root, { keys: [key] }, proof, limits);
  return lookUp(tree, tree.items[0].lo) as ReturnType<typeof verifyKey>;
}

/**
 * Reads any well-formed pruned tree with the given root: what it says is true,
 * but other bytes may say the same.
 *
 * @param scheme How the tree is hashed.
 * @param root Root of the tree, 32 bytes, from a source that is trusted.
 * @param proof The pruned tree; copied once.
 * @param limits Bounds on what is taken on.
 * @returns The partial tree.
 * @throws {ProofError} When anything is wrong, with a stable code.
 *
 * @example A tree that shows nothing but its root
 * ```ts
 * import { decodePartial, nomtBlake3 } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const root = new Uint8Array(32).fill(5);
 * const tree = decodePartial(
 *   nomtBlake3,
 *   root,
 *   new Uint8Array([1, 1, 0, 0, 0, 1, 0b01_000000, ...root]),
 * );
 * assertEquals(tree.get(new Uint8Array(32)), { status: "not covered" });
 * ```
 */
export function decodePartial(
  scheme: Scheme,
  root: Uint8Array,
  proof: Uint8Array,
  limits?: Limits,
): PartialTree {
  return load(scheme, root, [], proof, limits);
}

function load(
  scheme: Scheme,
  root: Uint8Array,
  items: Item[],
  proof: Uint8Array,
  limits?: Limits,
): PartialTree {
  const trusted = copyBytes(root, 32, 32, "input");
  const data = copyProof(scheme, proof, PROOF_VERSION, limits);
  return openTree(scheme, trusted, data, 2, items);
}

/** Copies a proof or witness and checks its first two bytes. Internal. */
export function copyProof(
  scheme: Scheme,
  proof: Uint8Array,
  version: number,
  limits?: Limits,
): Uint8Array {
  const data = copyBytes(proof, limits?.bytesMax ?? 0x1000000, 0, "limit");
  if (data[0] !== version) fail("version");
  if (data[1] !== scheme.id) fail("scheme");
  return data;
}

/** Reads the tree at `start` and compares its root. Internal. */
export function openTree(
  scheme: Scheme,
  root: Uint8Array,
  data: Uint8Array,
  start: number,
  items: readonly Item[],
): PartialTree {
  const tree = readTree(scheme, data, start, items);
  if (compareBytes(tree.hashes[0], root)) fail("root");
  return tree;
}
