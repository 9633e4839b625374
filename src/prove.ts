// This module is browser compatible.

// Proofs from a version of a tree, in the one canonical encoding that
// `@stemma/verify` accepts. Format and rules: docs/proofs.md.

import type { Query } from "@stemma/verify";
import { PROOF_VERSION, queryItems } from "@stemma/verify/encoding";
import { TreeEncoder } from "./prove/encoder.ts";
import type { ProvableTree } from "./prove/tree.ts";
import { ProofWriter } from "./prove/writer.ts";

export type { ProvableTree } from "./prove/tree.ts";

const writer = /* @__PURE__ */ new ProofWriter();

/**
 * Proves everything in `query` against the root of `tree`.
 *
 * @param tree The version to prove from.
 * @param query Keys and ranges, in any order.
 * @returns The proof, fresh bytes; `verify` accepts these and no others.
 * @throws {ProofError} `key` or `query` when the query does not fit the scheme.
 */
export function encodeProof(tree: ProvableTree, query: Query): Uint8Array {
  writer.reset();
  new TreeEncoder(tree, queryItems(tree.scheme, query), writer).run();
  return writer.finish([PROOF_VERSION, tree.scheme.id]);
}
