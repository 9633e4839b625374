// This module is browser compatible.

// Two verified partial trees of one root made one that covers what either
// covers. Walks both in pre-order; where one is open and the other is a hash,
// the open one is taken. The result is read and hashed like any other.

import { compareBytes, fail } from "./_bytes.ts";
import { AT, BITS, BRANCH, HASH, ROW, SIZE, TERMINAL } from "./_tree.ts";
import { keyAt, type PartialTree, readTree, valueOf } from "./partial_tree.ts";
import { PROOF_VERSION } from "./verify.ts";

/**
 * Merges two partial trees of the same root.
 *
 * @param a A verified partial tree.
 * @param b Another one, of the same scheme and root.
 * @returns A tree that covers every key that `a` or `b` covers; its `data` is
 * a pruned tree that `decodePartial` accepts.
 * @throws {ProofError} `root` or `scheme` when the trees do not belong
 * together; `conflict` when they read one node in two ways.
 *
 * @example Merge a tree with itself
 * ```ts
 * import { decodePartial, mergeTrees, nomtBlake3 } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const proof = new Uint8Array([1, 1, 0, 0, 0, 1, 0]);
 * const tree = decodePartial(nomtBlake3, new Uint8Array(32), proof);
 * assertEquals(mergeTrees(tree, tree).data, proof);
 * ```
 */
export function mergeTrees(a: PartialTree, b: PartialTree): PartialTree {
  if (a.scheme.id !== b.scheme.id) fail("scheme");
  if (compareBytes(a.hashes[0], b.hashes[0])) fail("root");
  const data = new Merger(a, b).run();
  return readTree(a.scheme, data, 2, []);
}

class Merger {
  readonly tags: number[] = [];
  readonly parts: Uint8Array[] = [];

  constructor(readonly a: PartialTree, readonly b: PartialTree) {}

  run(): Uint8Array {
    /** Pairs of rows; -1: the node is open on one side only. */
    const stack = [[0, 0]];
    while (stack.length) {
      const [x, y] = stack.pop()!;
      const [kx, ky] = [this.kind(this.a, x), this.kind(this.b, y)];
      if (kx > HASH && ky > HASH && kx !== ky) fail("conflict");
      const first = kx > ky || kx === ky && this.size(x) >= 0;
      const [tree, row] = first ? [this.a, x] : [this.b, y];
      const kind = tree.rows[row];
      this.emit(tree, row);
      const next = (of: PartialTree, at: number, right: boolean): number =>
        this.kind(of, at) !== kind ? -1 : right ? of.rows[at + SIZE] : at + ROW;
      const isStem = kind === TERMINAL && tree.scheme.rules.isSlot &&
        !tree.scheme.rules.isSlot(tree.rows, row);
      if (kind === BRANCH) {
        stack.push([next(this.a, x, true), next(this.b, y, true)]);
      }
      if (kind === BRANCH || isStem) {
        stack.push([next(this.a, x, false), next(this.b, y, false)]);
      }
    }
    return this.join();
  }

  kind({ rows }: PartialTree, row: number): number {
    return row < 0 ? -1 : rows[row];
  }

  /** Bytes of the value in `a`; -1: its hash. */
  size(row: number): number {
    return this.a.rows[row + SIZE];
  }

  u16(value: number): void {
    this.parts.push(new Uint8Array([value >> 8, value]));
  }

  /** Writes one node without its children. */
  emit(tree: PartialTree, row: number): void {
    const { rows, data, scheme: { family, rules } } = tree;
    const kind = rows[row];
    const [at, bits, size] = [
      rows[row + AT],
      rows[row + BITS],
      rows[row + SIZE],
    ];
    this.tags.push(kind);
    if (kind === HASH) this.parts.push(data.subarray(at, at + 32));
    if (kind === BRANCH && family === "eip8297") {
      this.u16(bits);
      this.parts.push(data.subarray(at, at + ((bits + 7) >> 3)));
    }
    if (kind !== TERMINAL) return;
    if (family === "nomt" || family === "jam") {
      const form = size < 0 ? 0 : size === 32 ? 1 : 2;
      this.tags.push(form);
      if (form === 2) this.u16(size);
    } else if (family === "eip8297") this.u16(bits);
    this.parts.push(keyAt(tree, row));
    if (!rules.isSlot || rules.isSlot(rows, row)) {
      this.parts.push(valueOf(tree, row));
    }
  }

  join(): Uint8Array {
    const { tags, parts, a } = this;
    const tagBytes = (tags.length + 3) >> 2;
    const start = 6 + tagBytes;
    const size = parts.reduce((sum, part) => sum + part.length, start);
    const out = new Uint8Array(size);
    out.set([PROOF_VERSION, a.scheme.id]);
    for (let i = 0; i < 4; i++) out[2 + i] = tagBytes >>> (24 - 8 * i);
    tags.forEach((tag, i) => out[6 + (i >> 2)] |= tag << (6 - 2 * (i & 3)));
    let at = start;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}
