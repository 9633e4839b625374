// This module is browser compatible.

// Checks one step from a root to the next without the data: a pruned tree of
// everything read or written in the previous version, the writes, both roots.
// Byte table: docs/proofs.md.

import { compareBytes, copyBytes, fail } from "./_bytes.ts";
import { checkCanonical } from "./_canonical.ts";
import { sortWrites, updateTree, type Write } from "./apply_writes.ts";
import type { PartialTree } from "./partial_tree.ts";
import type { KeyRange } from "./query.ts";
import { copyKey, pointItem, rangeItem, sortItems } from "./query.ts";
import type { Scheme } from "./scheme.ts";
import { copyProof, type Limits, openTree } from "./verify.ts";

/** First byte of a witness: kind 1, format version 1. */
export const WITNESS_VERSION = 0x11;

/** A step that was checked. */
export interface VerifiedStep {
  /** Root before, as trusted. */
  readonly previousRoot: Uint8Array;
  /** Root after, recomputed. */
  readonly root: Uint8Array;
  /** Keys that were read, in order. */
  readonly reads: readonly Uint8Array[];
  /** Ranges that were read, in order. */
  readonly ranges: readonly KeyRange[];
  /** What was written, in order of keys. */
  readonly writes: readonly Write[];
  /** What the step saw of the previous version; it covers every read. */
  readonly tree: PartialTree;
}

/**
 * Checks a witness: that its tree is of `previousRoot`, that the writes lead to
 * the new root, and that it holds nothing else.
 *
 * @param scheme How the tree is hashed.
 * @param previousRoot Root before the step, 32 bytes, trusted.
 * @param witness The witness; copied once.
 * @param limits Bounds on what is taken on.
 * @returns The new root, what was read and written, and the tree it was read
 * from.
 * @throws {ProofError} When anything is wrong, with a stable code.
 *
 * @example A step that did nothing to the empty tree
 * ```ts
 * import { nomtBlake3, verifyWitness } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const witness = new Uint8Array(2 + 64 + 12 + 5);
 * witness.set([0x11, 1]);
 * witness[81] = 1; // one byte of tags
 * const step = verifyWitness(nomtBlake3, new Uint8Array(32), witness);
 * assertEquals(step.root, new Uint8Array(32));
 * ```
 */
export function verifyWitness(
  scheme: Scheme,
  previousRoot: Uint8Array,
  witness: Uint8Array,
  limits?: Limits,
): VerifiedStep {
  const previous = copyBytes(previousRoot, 32, 32, "input");
  const data = copyProof(scheme, witness, WITNESS_VERSION, limits);
  const list = new Lists(scheme, data);
  if (compareBytes(list.bytes(32), previous)) {
    fail("root");
  }
  const root = list.bytes(32).slice();
  const counts = [list.u32(), list.u32(), list.u32()];
  if (counts[0] + counts[1] + counts[2] > data.length - list.at) {
    fail("truncated");
  }
  const reads = list.sorted(counts[0], () => list.key(), (key) => key);
  const ranges = list.ranges(counts[1]);
  const writes = list.sorted(counts[2], () => list.write(), ({ key }) => key);
  const tree = openTree(
    scheme,
    previous,
    data,
    list.at,
    sortItems([
      ...reads.map((key) => pointItem(key, true)),
      ...ranges.map((range) => rangeItem(scheme, range)),
      ...writes.map(({ key }) => pointItem(key, false)),
    ]),
  );
  const update = updateTree(tree, sortWrites(tree, writes));
  checkCanonical(tree, update.needs);
  if (compareBytes(update.root, root)) {
    fail("new-root");
  }
  return { previousRoot: previous, root, reads, ranges, writes, tree };
}

/** Reads the lists in front of the tree of a witness. */
class Lists {
  at = 2;

  constructor(readonly scheme: Scheme, readonly data: Uint8Array) {}

  bytes(count: number): Uint8Array {
    const at = this.at;
    this.at += count;
    if (this.at > this.data.length) fail("truncated");
    return this.data.subarray(at, this.at);
  }

  u8(): number {
    return this.bytes(1)[0];
  }

  u32(): number {
    const [a, b, c, d] = this.bytes(4);
    return ((a * 256 + b) * 256 + c) * 256 + d;
  }

  key(): Uint8Array {
    const { keyBytesMin: min, keyBytesMax: max } = this.scheme;
    const length = min < max ? this.u8() * 256 + this.u8() : max;
    return copyKey(this.scheme, this.bytes(length));
  }

  write(): Write {
    const key = this.key();
    const size = this.u32();
    return { key, value: size ? this.bytes(size - 1).slice() : undefined };
  }

  /** Reads `count` entries whose keys must ascend. */
  sorted<T>(
    count: number,
    read: () => T,
    keyOf: (entry: T) => Uint8Array,
  ): T[] {
    const out: T[] = [];
    while (count--) {
      const entry = read();
      if (
        out.length &&
        compareBytes(keyOf(out[out.length - 1]), keyOf(entry)) >= 0
      ) fail("order");
      out.push(entry);
    }
    return out;
  }

  /** Reads ranges, each of which must end before the next one starts. */
  ranges(count: number): KeyRange[] {
    const out: KeyRange[] = [];
    while (count--) {
      const ends = this.u8();
      if (ends > 3) fail("order");
      const gte = ends & 1 ? this.bound() : undefined;
      const lt = ends & 2 ? this.bound() : undefined;
      const last = out.length && (out[out.length - 1].lt ?? out);
      if (
        last &&
        (last === out || !gte || compareBytes(last as Uint8Array, gte) >= 0)
      ) {
        fail("order");
      }
      out.push({ gte, lt });
    }
    return out;
  }

  bound(): Uint8Array {
    const { keyBytesMin: min, keyBytesMax: max } = this.scheme;
    return this.bytes(min < max ? this.u8() * 256 + this.u8() : max).slice();
  }
}
