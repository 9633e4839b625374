// A tree in memory for tests of proofs: slow, plain, and apart from the engine.
// Objects, recursion and the scheme's pure functions; every hash is computed
// when it is asked for and kept.

import type { Scheme } from "@stemma/verify";
import { bitAt, ZERO } from "@stemma/verify";
import type { ProvableTree } from "../../src/prove.ts";

/** One entry of a tree. */
export type Entry = readonly [key: Uint8Array, value: Uint8Array];

interface Node {
  depth: number;
  parent: number;
  key: Uint8Array;
  value: Uint8Array;
  children: number[];
  hash?: Uint8Array;
}

/** Builds a tree from entries with prefix-free keys, in any order. */
export class ModelTree implements ProvableTree {
  readonly #nodes: Node[] = [];
  readonly #root: number;
  readonly entries: Entry[];

  constructor(readonly scheme: Scheme, entries: readonly Entry[]) {
    this.entries = entries.toSorted((a, b) => compare(a[0], b[0]));
    if (!arePrefixFree(this.entries.map(([key]) => key))) {
      throw new TypeError("A key is a prefix of another");
    }
    this.#root = this.#build(this.entries, -1);
  }

  #build(entries: readonly Entry[], parent: number): number {
    if (entries.length === 0) return 0;
    const [key, value] = entries[0];
    if (entries.length === 1) {
      return this.#nodes.push({ depth: -1, parent, key, value, children: [] });
    }
    const last = entries[entries.length - 1][0];
    let depth = 0;
    while (bitAt(key, depth) === bitAt(last, depth)) depth++;
    const middle = entries.findIndex(([other]) => bitAt(other, depth) === 1);
    return this.#nodes.push({
      depth,
      parent,
      key,
      value,
      children: [
        this.#build(entries.slice(0, middle), depth),
        this.#build(entries.slice(middle), depth),
      ],
    });
  }

  /** Root hash. */
  get rootHash(): Uint8Array {
    return this.#root ? this.#hash(this.#root) : ZERO;
  }

  #hash(handle: number): Uint8Array {
    const node = this.#nodes[handle - 1];
    return node.hash ??= this.#compute(node);
  }

  #compute(node: Node): Uint8Array {
    const { scheme } = this;
    const { key, value, depth, parent, children } = node;
    const top = parent + 1;
    const [left, right] = children.map((child) => this.#hash(child));
    if (scheme.family !== "eip7864") {
      return depth < 0
        ? scheme.terminal(key, value, false)
        : scheme.branch(left, right, key, depth, top);
    }
    if (depth >= 0 && depth < 248) {
      return scheme.branch(left, right, key, depth, top);
    }
    const slotTop = Math.max(top, 248);
    const slot = depth < 0
      ? scheme.lift(scheme.hash(value), key, 256, slotTop)
      : scheme.branch(left, right, key, depth, slotTop);
    return parent >= 248 ? slot : scheme.terminal(key, slot, true);
  }

  root(): number {
    return this.#root;
  }

  depth(node: number): number {
    return this.#nodes[node - 1].depth;
  }

  child(node: number, side: 0 | 1): number {
    return this.#nodes[node - 1].children[side];
  }

  hash(node: number, out: Uint8Array, at: number): void {
    out.set(this.#hash(node), at);
  }

  key(node: number): Uint8Array {
    return this.#nodes[node - 1].key;
  }

  someKey(node: number): Uint8Array {
    return this.#nodes[node - 1].key;
  }

  valueLength(node: number): number {
    return this.#nodes[node - 1].value.length;
  }

  value(node: number): Uint8Array {
    return this.#nodes[node - 1].value;
  }

  valueHash(node: number): Uint8Array {
    return this.scheme.hash(this.#nodes[node - 1].value);
  }
}

/** Byte order, a prefix first. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** Whether none of the keys is a prefix of another, nor stands twice. */
export function arePrefixFree(keys: readonly Uint8Array[]): boolean {
  const sorted = keys.toSorted(compare);
  return sorted.every((key, i) =>
    i === 0 ||
    compare(key.subarray(0, sorted[i - 1].length), sorted[i - 1]) !== 0
  );
}
