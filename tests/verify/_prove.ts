// Proofs and witnesses of any tree, with a prover of their own.

import type { Query } from "@stemma/verify";
import { type Access, type ProvableTree, TreeProver } from "../../src/prove.ts";

/** A proof of a query. */
export function encodeProof(tree: ProvableTree, query: Query): Uint8Array {
  return new TreeProver(tree.scheme).prove(tree, query);
}

/** The witness of a step. */
export function encodeWitness(
  tree: ProvableTree,
  newRoot: Uint8Array,
  access: Access,
): Uint8Array {
  return new TreeProver(tree.scheme).witness(tree, newRoot, access);
}
