// Pruned trees as plain objects, to build proofs that no honest prover makes.
// Encoder, decoder and hash are written anew here, straight from docs/proofs.md,
// and share nothing with the verifier but the scheme.

import type { Scheme } from "@stemma/verify";
import { ZERO } from "@stemma/verify";

/** One node of a pruned tree. */
export type Pruned =
  | { kind: "empty" }
  | { kind: "hash"; hash: Uint8Array }
  | { kind: "branch"; prefix?: number[]; left: Pruned; right: Pruned }
  | { kind: "leaf"; key: Uint8Array; value: Uint8Array; hashed: boolean }
  | { kind: "stem"; stem: Uint8Array; slots: Pruned }
  | { kind: "slot"; value: Uint8Array };

/** An empty child. */
export const EMPTY: Pruned = { kind: "empty" };

/** An untouched subtree. */
export function hashOf(hash: Uint8Array): Pruned {
  return { kind: "hash", hash };
}

/** A branch. */
export function branch(left: Pruned, right: Pruned, prefix?: number[]): Pruned {
  return { kind: "branch", left, right, prefix };
}

/** A terminal of `nomt`, `jam` or `eip8297`. */
export function leaf(
  key: Uint8Array,
  value: Uint8Array,
  hashed = false,
): Pruned {
  return { kind: "leaf", key, value, hashed };
}

function packed(bits: readonly number[]): number[] {
  const out = new Array<number>((bits.length + 7) >> 3).fill(0);
  bits.forEach((bit, i) => out[i >> 3] |= bit << (7 - (i & 7)));
  return out;
}

const u16 = (value: number): number[] => [value >> 8, value & 255];

/** Tags and payload of a tree. */
export function tagsAndPayload(
  scheme: Scheme,
  tree: Pruned,
): { tags: number[]; payload: number[] } {
  const tags: number[] = [];
  const payload: number[] = [];
  const prefixed = scheme.family === "eip8297";
  const walk = (node: Pruned): void => {
    if (node.kind === "empty") tags.push(0);
    else if (node.kind === "hash") {
      tags.push(1);
      payload.push(...node.hash);
    } else if (node.kind === "branch") {
      tags.push(2);
      const prefix = node.prefix ?? [];
      if (prefixed) payload.push(...u16(prefix.length), ...packed(prefix));
      walk(node.left);
      walk(node.right);
    } else if (node.kind === "stem") {
      tags.push(3);
      payload.push(...node.stem);
      walk(node.slots);
    } else if (node.kind === "slot") {
      tags.push(3);
      payload.push(...node.value);
    } else {
      tags.push(3);
      const { length } = node.value;
      if (prefixed) payload.push(...u16(node.key.length));
      else {
        const form = node.hashed ? 0 : length === 32 ? 1 : 2;
        tags.push(form);
        if (form === 2) payload.push(...u16(length));
      }
      payload.push(...node.key, ...node.value);
    }
  };
  walk(tree);
  return { tags, payload };
}

/** Bytes from tags and payload: the tree of a proof, from its length on. */
export function treeBytes(tags: number[], payload: number[]): number[] {
  const bytes = new Array<number>((tags.length + 3) >> 2).fill(0);
  tags.forEach((tag, i) => bytes[i >> 2] |= tag << (6 - 2 * (i & 3)));
  const count = bytes.length;
  return [0, 0, count >> 8, count & 255, ...bytes, ...payload];
}

/** A proof from a tree. */
export function assemble(scheme: Scheme, tree: Pruned): Uint8Array {
  const { tags, payload } = tagsAndPayload(scheme, tree);
  return new Uint8Array([1, scheme.id, ...treeBytes(tags, payload)]);
}

/** The tree of a proof, or of a witness whose tree starts at `start`. */
export function disassemble(
  scheme: Scheme,
  proof: Uint8Array,
  start = 2,
): Pruned {
  const tagBytes = proof[start + 2] * 256 + proof[start + 3];
  let at = start + 4 + tagBytes;
  let tag = 4 * (start + 4);
  const take = (count: number): Uint8Array => proof.slice(at, at += count);
  const two = (): number => proof[tag >> 2] >> (6 - 2 * (tag++ & 3)) & 3;
  const { family } = scheme;
  const number = (): number => {
    const [high, low] = take(2);
    return high * 256 + low;
  };
  const walk = (slots: boolean): Pruned => {
    const kind = two();
    if (kind === 0) return EMPTY;
    if (kind === 1) return hashOf(take(32));
    if (kind === 2) {
      if (family !== "eip8297") return branch(walk(slots), walk(slots));
      const bits = number();
      const bytes = take((bits + 7) >> 3);
      const prefix = Array.from(
        { length: bits },
        (_, i) => bytes[i >> 3] >> (7 - (i & 7)) & 1,
      );
      return branch(walk(slots), walk(slots), prefix);
    }
    if (slots) return { kind: "slot", value: take(32) };
    if (family === "eip7864") {
      return { kind: "stem", stem: take(31), slots: walk(true) };
    }
    if (family === "eip8297") return leaf(take(number()), take(32));
    const form = two();
    const size = form === 2 ? number() : 32;
    return leaf(take(scheme.keyBytesMax), take(size), form === 0);
  };
  return walk(false);
}

/** Root of a pruned tree. */
export function rootOf(scheme: Scheme, node: Pruned): Uint8Array {
  switch (node.kind) {
    case "empty":
      return ZERO;
    case "hash":
      return node.hash;
    case "slot":
      return scheme.hash(node.value);
    case "leaf":
      return scheme.terminal(node.key, node.value, node.hashed);
    case "stem":
      return scheme.terminal(node.stem, rootOf(scheme, node.slots), true);
    case "branch": {
      const prefix = node.prefix ?? [];
      return scheme.branch(
        rootOf(scheme, node.left),
        rootOf(scheme, node.right),
        new Uint8Array(packed(prefix)),
        prefix.length,
        0,
      );
    }
  }
}

/** Every tree that differs from `tree` in one node, made by `change`. */
export function* variants(
  tree: Pruned,
  change: (node: Pruned) => Iterable<Pruned>,
): Generator<Pruned> {
  yield* change(tree);
  if (tree.kind === "branch") {
    for (const left of variants(tree.left, change)) yield { ...tree, left };
    for (const right of variants(tree.right, change)) yield { ...tree, right };
  }
  if (tree.kind === "stem") {
    for (const slots of variants(tree.slots, change)) yield { ...tree, slots };
  }
}
