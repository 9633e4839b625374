// This module is browser compatible.

// The stateless update: a verified partial tree and a set of writes give the
// root of the next version. Every node that a write moves must be known by
// kind; a bare hash that would have to move is refused. Bottom up, over the
// rows of the tree read anew with the writes as items; iterative.

import { compareBytes, copyBytes, fail } from "./_bytes.ts";
import type { Node } from "./_fold.ts";
import { foldNodes, hashNode, joinBits } from "./_fold.ts";
import {
  AT,
  BITS,
  BRANCH,
  DEPTH,
  EMPTY,
  FROM,
  HASH,
  Parser,
  ROW,
  SIZE,
  TERMINAL,
  TO,
} from "./_tree.ts";
import { passes } from "./_prefixed.ts";
import { hidesStem } from "./_stems.ts";
import { keyAt, type PartialTree } from "./partial_tree.ts";
import { type Item, pointItem } from "./query.ts";
import { copyKey } from "./query.ts";
import { packBits, ZERO } from "./scheme.ts";

/** One change of a version: a value under a key, or `undefined` to delete. */
export interface Write {
  /** A key of the scheme. */
  readonly key: Uint8Array;
  /** The new value; `undefined`: the key is absent afterwards. */
  readonly value: Uint8Array | undefined;
}

/** What becomes of a node. */
interface Part {
  /** Kind afterwards; `HASH` where it is not known. */
  readonly kind: number;
  /** Hash afterwards, at the place of the node. */
  readonly hash: Uint8Array;
  /** Whether a terminal below was open before. */
  readonly shown: boolean;
  /** Key of a terminal. */
  readonly key?: Uint8Array;
  /** EIP-8297: what a branch is hashed from. */
  readonly left?: Uint8Array;
  readonly right?: Uint8Array;
  readonly prefix?: Uint8Array;
  readonly bits?: number;
}

const NOTHING: Part = { kind: EMPTY, hash: ZERO, shown: false };

/**
 * The root after `writes` to the version that `tree` is a part of.
 *
 * @param tree A verified partial tree that covers every key written, and the
 * sibling of every node that a delete leaves alone.
 * @param writes The changes, in any order; a key at most once.
 * @returns The new root, 32 fresh bytes.
 * @throws {ProofError} `not-covered`, `survivor`, `stem-as-branch`: the tree
 * does not show enough; `duplicate`, `key`, `value`, `prefix-key`: the writes
 * cannot be.
 *
 * @example The first entry of an empty tree
 * ```ts
 * import { applyWrites, decodePartial, nomtBlake3 } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const tree = decodePartial(
 *   nomtBlake3,
 *   new Uint8Array(32),
 *   new Uint8Array([1, 1, 0, 0, 0, 1, 0]),
 * );
 * const key = new Uint8Array(32);
 * const value = new Uint8Array([1]);
 * const root = applyWrites(tree, [{ key, value }]);
 * assertEquals(root, nomtBlake3.terminal(key, value, false));
 * ```
 */
export function applyWrites(
  tree: PartialTree,
  writes: readonly Write[],
): Uint8Array {
  return updateTree(tree, sortWrites(tree, writes)).root.slice();
}

/** Copies, checks and sorts writes. Internal. */
export function sortWrites(
  { scheme }: PartialTree,
  writes: readonly Write[],
): Write[] {
  const out = writes.map(({ key, value }) => {
    const bytes = value && copyBytes(value, 2 ** 29, 0, "value");
    if (bytes && bytes.length !== (scheme.valueBytes ?? bytes.length)) {
      fail("value");
    }
    return { key: copyKey(scheme, key), value: bytes };
  });
  out.sort((a, b) => compareBytes(a.key, b.key));
  for (let i = 1; i < out.length; i++) {
    if (!compareBytes(out[i - 1].key, out[i].key)) {
      fail("duplicate");
    }
  }
  return out;
}

/**
 * The new root, and a 1 for each node whose kind the writes need. `writes` are
 * sorted and distinct. Internal.
 */
export function updateTree(
  tree: PartialTree,
  writes: readonly Write[],
): { root: Uint8Array; needs: Uint8Array } {
  const items = writes.map(({ key }) => pointItem(key, false));
  const update = new Update(tree, writes, items);
  return { root: update.run(), needs: update.needs };
}

class Update {
  readonly rows: Int32Array;
  readonly parts: Part[];
  readonly needs: Uint8Array;
  readonly family: string;

  constructor(
    readonly tree: PartialTree,
    readonly writes: readonly Write[],
    readonly items: readonly Item[],
  ) {
    const { scheme, data, start } = tree;
    this.rows = new Parser(scheme, data, start, items).run();
    this.parts = new Array(this.rows.length / ROW);
    this.needs = new Uint8Array(this.parts.length);
    this.family = scheme.family;
  }

  run(): Uint8Array {
    const { rows, parts } = this;
    for (let i = parts.length; i--;) {
      const row = i * ROW;
      const written = rows[row + FROM] < rows[row + TO];
      if (rows[row] === BRANCH) {
        parts[i] = written ? this.branch(row) : this.unchanged(row);
      } else if (this.isSlot(row)) parts[i] = this.slot(row, written);
      else if (written) parts[i] = this.leaf(row);
      else parts[i] = this.unchanged(row);
    }
    return parts[0].hash;
  }

  isSlot(row: number): boolean {
    return !!this.tree.scheme.rules.isSlot?.(this.rows, row);
  }

  /** The node at `row` as it was. */
  unchanged(row: number): Part {
    const { rows, parts, family } = this;
    const { hashes, data } = this.tree;
    const hash = hashes[row / ROW];
    let kind = rows[row];
    if (kind === TERMINAL) {
      return { kind, hash, shown: true, key: keyAt(this.tree, row) };
    }
    if (kind !== BRANCH) {
      if (kind && family === "nomt") kind = hash[0] > 127 ? TERMINAL : BRANCH;
      return { kind, hash, shown: false };
    }
    const left = row / ROW + 1;
    const right = rows[row + SIZE] / ROW;
    const bits = rows[row + BITS];
    const at = rows[row + AT];
    return {
      kind,
      hash,
      shown: parts[left].shown || parts[right].shown,
      left: hashes[left],
      right: hashes[right],
      prefix: data.subarray(at, at + ((bits + 7) >> 3)),
      bits,
    };
  }

  /** A slot leaf, or an unopened part of a slot tree. */
  slot(row: number, written: boolean): Part {
    const { rows, writes, tree } = this;
    const { scheme, hashes } = tree;
    const kind = rows[row];
    const shown = kind === TERMINAL;
    if (!written) {
      return { kind: kind && BRANCH, hash: hashes[row / ROW], shown };
    }
    if (kind === HASH) fail("not-covered");
    const nodes: Node[] = [];
    for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
      const { key, value } = writes[i];
      if (value) nodes.push({ key, depth: 256, hash: scheme.hash(value) });
    }
    if (!nodes.length) return { ...NOTHING, shown };
    const top = Math.min(rows[row + DEPTH], 256);
    const hash = hashNode(scheme, foldNodes(scheme, nodes), top);
    return { kind: BRANCH, hash, shown };
  }

  /** A terminal or an empty place that writes reach. */
  leaf(row: number): Part {
    const { rows, parts, tree, family } = this;
    const kind = rows[row];
    if (kind === HASH) fail("not-covered");
    const key = kind ? keyAt(tree, row) : undefined;
    let old: Node | undefined;
    if (key && family === "eip7864") {
      const { hash, kind } = parts[row / ROW + 1];
      const stem = new Uint8Array(32);
      stem.set(key);
      if (kind) {
        const terminal = tree.scheme.terminal(stem, hash, true);
        old = { key: stem, depth: -1, hash: terminal };
      }
    } else if (key) {
      old = { key, depth: -1, hash: tree.hashes[row / ROW] };
    }
    return this.gather(row, rows[row + DEPTH], old, key, kind === TERMINAL);
  }

  /** What stands at `top`: `old`, unless written over, and what is written. */
  gather(
    row: number,
    top: number,
    old: Node | undefined,
    oldKey: Uint8Array | undefined,
    shown: boolean,
  ): Part {
    const { rows, writes, tree } = this;
    const { scheme } = tree;
    const nodes: Node[] = [];
    for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
      const { key, value } = writes[i];
      if (rows[row] === BRANCH && passes(tree, row, key)) continue;
      if (scheme.valueBytes && this.family === "eip7864") {
        const stem = key.subarray(0, 31);
        if (oldKey && !compareBytes(stem, oldKey)) continue;
        i = this.stem(i, rows[row + TO], stem, nodes);
      } else {
        if (oldKey && !compareBytes(key, oldKey)) old = undefined;
        if (value) {
          const hash = scheme.terminal(key, value, false);
          nodes.push({ key, depth: -1, hash });
        }
      }
    }
    if (old) nodes.push(old);
    if (!nodes.length) return { ...NOTHING, shown };
    nodes.sort((a, b) => compareBytes(a.key, b.key));
    return this.part(foldNodes(scheme, nodes), top, shown);
  }

  /** Adds a new stem from the writes at `i`; the last of its writes. */
  stem(i: number, to: number, stem: Uint8Array, nodes: Node[]): number {
    const { writes, tree: { scheme } } = this;
    const slots: Node[] = [];
    const { key } = writes[i];
    let last = i;
    for (; i < to; i++) {
      const { key, value } = writes[i];
      if (compareBytes(key.subarray(0, 31), stem)) break;
      last = i;
      if (value) slots.push({ key, depth: 256, hash: scheme.hash(value) });
    }
    if (slots.length) {
      const root = hashNode(scheme, foldNodes(scheme, slots), 248);
      nodes.push({ key, depth: -1, hash: scheme.terminal(key, root, true) });
    }
    return last;
  }

  part(node: Node, top: number, shown: boolean): Part {
    const { key, depth, left, right } = node;
    const hash = hashNode(this.tree.scheme, node, top);
    if (depth < 0) return { kind: TERMINAL, hash, shown, key };
    const bits = depth - top;
    const prefix = packBits(key, top, bits);
    return { kind: BRANCH, hash, shown, left, right, prefix, bits };
  }

  /** A branch that writes reach. */
  branch(row: number): Part {
    const { rows, parts, tree, family } = this;
    const index = row / ROW;
    const right = rows[row + SIZE] / ROW;
    const [l, r] = [parts[index + 1], parts[right]];
    if (family === "eip7864" && rows[row + ROW] === HASH) this.checkLeft(row);
    this.need(index + 1, right, row);
    this.need(right, index + 1, row);
    const { hashes } = tree;
    let part = l.hash === hashes[index + 1] && r.hash === hashes[right]
      ? this.unchanged(row)
      : this.joined(row, l, r);
    if (family === "eip8297") part = this.beside(row, part);
    return part;
  }

  /** Rule R1 for the keys written below the branch at `row`. */
  checkLeft(row: number): void {
    const { rows, writes, tree } = this;
    for (let i = rows[row + FROM]; i < rows[row + TO]; i++) {
      if (hidesStem(tree, row, writes[i].key, writes[i].key)) {
        fail("stem-as-branch");
      }
    }
  }

  /**
   * Whether the kind of node `i` matters because its sibling went away, or (in
   * a tree without tags) came to be; then it must be known.
   */
  need(i: number, sibling: number, row: number): void {
    const { rows, parts, family } = this;
    const stems = family === "eip7864";
    if (
      !rows[i * ROW] || !parts[i].kind || family === "nomt" ||
      this.isSlot(row) || !rows[sibling * ROW] === !parts[sibling].kind ||
      parts[sibling].kind && !stems
    ) return;
    if (stems ? !parts[i].shown : parts[i].kind === HASH) {
      fail("survivor");
    }
    this.needs[i] = 1;
  }

  /** The branch at `row` with new children. */
  joined(row: number, l: Part, r: Part): Part {
    const { scheme } = this.tree;
    const shown = l.shown || r.shown;
    const only = l.kind ? r.kind ? undefined : l : r;
    if (only && only.kind !== BRANCH) return { ...only, shown };
    let { prefix = ZERO, bits = 0 } = this.unchanged(row);
    let [left, right] = [l.hash, r.hash];
    if (only && this.family === "eip8297") {
      [prefix, bits] = joinBits(prefix, bits, +(only === r), only);
      [left, right] = [only.left!, only.right!];
    }
    const hash = scheme.branch(left, right, prefix, bits, 0);
    return { kind: BRANCH, hash, shown, left, right, prefix, bits };
  }

  /** EIP-8297: writes that part from the prefix of the branch at `row`. */
  beside(row: number, part: Part): Part {
    const { rows, writes } = this;
    const top = rows[row + DEPTH] - rows[row + BITS];
    const path = writes[rows[row + FROM]].key;
    let old: Node | undefined;
    if (part.kind === TERMINAL) {
      old = { key: part.key!, depth: -1, hash: part.hash };
    } else if (part.kind) {
      const { left, right, prefix, bits } = part;
      const key = packBits(path, 0, top);
      const [all, depth] = joinBits(key, top, -1, { prefix, bits });
      old = { key: all, depth, hash: part.hash, left, right };
    }
    return this.gather(row, top, old, undefined, part.shown);
  }
}
