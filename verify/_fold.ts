// This module is browser compatible.

// Builds the canonical subtree over a run of sorted nodes: terminals, slot
// leaves and branches that stay whole. Iterative; each node is joined once.

import { fail } from "./_bytes.ts";
import { setBit } from "./query.ts";
import type { Scheme } from "./scheme.ts";
import { bitAt } from "./scheme.ts";

/** A node of the path-compressed tree. */
export interface Node {
  /** A key below it; of a branch its first `depth` bits count. */
  readonly key: Uint8Array;
  /** Depth where its children part; 256: a slot leaf; -1: a terminal. */
  readonly depth: number;
  /** Hash of a terminal or slot leaf. */
  readonly hash?: Uint8Array;
  /** Hash of the left child of a branch, at one below `depth`. */
  readonly left?: Uint8Array;
  /** Hash of the right child. */
  readonly right?: Uint8Array;
}

/** Hash of `node` as seen from depth `top`. */
export function hashNode(
  scheme: Scheme,
  { key, depth, hash, left, right }: Node,
  top: number,
): Uint8Array {
  if (depth < 0) return hash!;
  return left
    ? scheme.branch(left, right!, key, depth, top)
    : scheme.lift(hash!, key, depth, top);
}

/** The topmost node over `nodes`, which are sorted by key; at least one. */
export function foldNodes(scheme: Scheme, nodes: readonly Node[]): Node {
  const stack: { node: Node; split: number }[] = [];
  for (let i = 0; i < nodes.length; i++) {
    let node = nodes[i];
    const split = i + 1 < nodes.length ? parting(node, nodes[i + 1]) : -1;
    while (stack.length && stack[stack.length - 1].split > split) {
      const { node: before, split: depth } = stack.pop()!;
      node = {
        key: node.key,
        depth,
        left: hashNode(scheme, before, depth + 1),
        right: hashNode(scheme, node, depth + 1),
      };
    }
    stack.push({ node, split });
  }
  return stack[0].node;
}

/** First bit where two nodes differ. */
function parting(a: Node, b: Node): number {
  const end = Math.min(bitCount(a), bitCount(b));
  let bit = 0;
  while (bit < end && bitAt(a.key, bit) === bitAt(b.key, bit)) bit++;
  if (bit === end) fail("prefix-key");
  return bit;
}

function bitCount({ key, depth }: Node): number {
  return depth < 0 ? 8 * key.length : depth;
}

/** Joins two runs of bits, with bit `turn` between them unless it is -1. */
export function joinBits(
  a: Uint8Array,
  aBits: number,
  turn: number,
  b: { prefix?: Uint8Array; bits?: number },
): [Uint8Array, number] {
  const { prefix, bits } = b as { prefix: Uint8Array; bits: number };
  const start = aBits + +(turn >= 0);
  const out = new Uint8Array((start + bits + 7) >> 3);
  out.set(a);
  if (turn > 0) setBit(out, aBits, 1);
  for (let i = 0; i < bits; i++) setBit(out, start + i, bitAt(prefix, i));
  return [out, start + bits];
}
