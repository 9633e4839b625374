// What the suites of forged proofs share: honest trees, proofs of them, keys to
// ask for, and every message that was hashed on the way to a root.

import type { Scheme } from "@stemma/verify";
import { encodeProof } from "./_prove.ts";
import { type Random, random } from "../_amount.ts";
import { ModelTree } from "./_model_tree.ts";
import { flip } from "./_refuse.ts";
import { cheapHash, cheapSchemes, withHash } from "./_support.ts";

/** Keys that share their first bits in pairs, quads and so on. */
export function someTree(
  scheme: Scheme,
  source: Random,
  count = 12,
): ModelTree {
  const first = source.bytes(32);
  return new ModelTree(
    scheme,
    Array.from({ length: count }, (_, i) => {
      const key = source.bytes(Math.min(32, scheme.keyBytesMax));
      if (i % 3) key[0] = first[0];
      if (i % 3 > 1) key.set(first.subarray(0, 3));
      key[4] = i;
      return [key, source.bytes(32)] as const;
    }),
  );
}

export function proofOf(tree: ModelTree, ...keys: Uint8Array[]): Uint8Array {
  return encodeProof(tree, { keys });
}

/** Present keys, and absent ones near them. */
export function probes(tree: ModelTree, source: Random): Uint8Array[] {
  const present = tree.entries.map(([key]) => key);
  return [
    ...present,
    ...present.map((key) => flip(key, source.int(8 * key.length))),
  ];
}

export function each(
  run: (tree: ModelTree, source: Random) => void,
): () => void {
  return () => {
    for (const scheme of cheapSchemes) {
      const source = random(`negative ${scheme.name}`);
      run(someTree(scheme, source), source);
    }
  };
}

/** Preimages of every node of a tree, by hash. */
export function preimages(tree: ModelTree): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const hash = (message: Uint8Array): Uint8Array => {
    const out = cheapHash(message);
    found.set(out.toHex(), message.slice());
    return out;
  };
  new ModelTree(withHash(tree.scheme, hash), tree.entries).rootHash;
  return found;
}
