// This module is browser compatible.

// Rules of the EIP-8297 family: keys of many lengths, and branches that hold
// the run of bits that their keys share, so that nothing below the root is
// empty. Nodes are tagged in their hashes.

import { compareBytes, fail } from "./_bytes.ts";
import type { Rules } from "./_rules.ts";
import { AT, BITS, BRANCH, DEPTH, EMPTY, SIZE } from "./_tree.ts";
import { type PartialTree, stepRow } from "./partial_tree.ts";
import { setBit } from "./query.ts";
import { bitAt, packBits } from "./scheme.ts";

/** Rules of EIP-8297. */
export const prefixRules: Rules = {
  embedMax: -1,
  leaf(_parser, row, kind) {
    if (row && kind === EMPTY) fail("empty");
  },
  branch(parser, row) {
    const { rows, path, data, depth } = parser;
    const bits = rows[row + BITS] = parser.u16();
    const bytes = (bits + 7) >> 3;
    const at = rows[row + AT] = parser.take(bytes);
    if (depth + bits > 8 * path.length) fail("depth");
    const prefix = data.subarray(at, at + bytes);
    for (let i = 0; i < 8 * bytes; i++) {
      const bit = bitAt(prefix, i);
      if (i < bits) setBit(path, depth + i, bit);
      else if (bit) fail("padding");
    }
    rows[row + DEPTH] = parser.depth += bits;
  },
  terminal(parser, row) {
    const length = parser.u16();
    if (!length || length > parser.path.length) fail("key");
    parser.key(row, length);
    parser.take(parser.rows[row + SIZE] = 32);
    return true;
  },
  step: (tree, row, key) =>
    tree.rows[row] !== BRANCH || passes(tree, row, key)
      ? stepRow(tree, row, key)
      : -1,
};

/** Whether `key` shares the prefix of the branch at `row` and outlasts it. */
export function passes(
  { rows, data }: PartialTree,
  row: number,
  key: Uint8Array,
): boolean {
  const [bits, depth, at] = [
    rows[row + BITS],
    rows[row + DEPTH],
    rows[row + AT],
  ];
  const prefix = data.subarray(at, at + ((bits + 7) >> 3));
  return 8 * key.length > depth &&
    !compareBytes(packBits(key, depth - bits, bits), prefix);
}
