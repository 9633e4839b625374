// Every honest proof verifies and says what the tree says: all families, all
// slots, depths 0 to the maximum, 1 to 1,000 keys, empty and huge values.

import { assert, assertEquals } from "@std/assert";
import type { Present, Query, Scheme } from "@stemma/verify";
import {
  decodePartial,
  entries,
  schemes,
  verify,
  verifyKey,
  verifyWitness,
} from "@stemma/verify";
import { encodeProof, encodeWitness } from "./_prove.ts";
import { amount, type Random, random } from "../_amount.ts";
import { compare, type Entry, ModelTree } from "./_model_tree.ts";
import { flip } from "./_refuse.ts";
import {
  afterWrites,
  cheapScheme,
  cheapSchemes,
  randomEntries,
  randomKey,
  randomQuery,
  randomWrites,
} from "./_support.ts";

/** Checks a proof of `query` against the entries of the tree. */
function checkQuery(tree: ModelTree, query: Query): void {
  const { scheme, rootHash, entries: all } = tree;
  const values = new Map(all.map(([key, value]) => [key.toHex(), value]));
  const proof = encodeProof(tree, query);
  const partial = verify(scheme, rootHash, query, proof);
  for (const key of query.keys ?? []) {
    const verdict = partial.get(key);
    const value = values.get(key.toHex());
    assertEquals(verdict.status, value ? "present" : "absent");
    if (verdict.status !== "present") continue;
    assert(verdict.matches(value!));
    if (value!.length <= 1024) assertEquals(verdict.value, value);
    else assertEquals(verdict.valueHash, scheme.hash(value!));
  }
  for (const range of query.ranges ?? []) {
    const { gte, lt } = range;
    const inRange = all.filter(([key]) =>
      (!gte || compare(key, gte) >= 0) && (!lt || compare(key, lt) < 0)
    );
    const found = entries(partial, range);
    assertEquals(found.map(([key]) => key), inRange.map(([key]) => key));
    found.forEach(([, { matches }]: [Uint8Array, Present], i) =>
      assert(matches(inRange[i][1]))
    );
  }
  assertEquals(decodePartial(scheme, rootHash, proof).hashes[0], rootHash);
}

function checkStep(random: Random, tree: ModelTree): void {
  const { scheme, rootHash } = tree;
  const writes = randomWrites(random, tree);
  const { keys: reads, ranges } = randomQuery(random, tree);
  const next = afterWrites(tree, writes);
  const access = { reads, ranges, writes };
  const witness = encodeWitness(tree, next.rootHash, access);
  const step = verifyWitness(scheme, rootHash, witness);
  assertEquals(step.root, next.rootHash);
  assertEquals(step.previousRoot, rootHash);
  assertEquals(step.writes.length, writes.length);
  const values = new Map(tree.entries.map(([k, value]) => [k.toHex(), value]));
  for (const key of step.reads) {
    const status = values.has(key.toHex()) ? "present" : "absent";
    assertEquals(step.tree.get(key).status, status);
  }
}

Deno.test("verify() accepts every honest proof of random trees", () => {
  const source = random("completeness");
  for (const scheme of cheapSchemes) {
    for (let i = 0; i < amount(400); i++) {
      const count = source.pick([0, 1, 2, 3, 8, 30]);
      const tree = new ModelTree(scheme, randomEntries(source, scheme, count));
      checkQuery(tree, randomQuery(source, tree));
    }
  }
});

Deno.test("verifyWitness() accepts every honest step of random trees", () => {
  const source = random("completeness of witnesses");
  for (const scheme of cheapSchemes) {
    for (let i = 0; i < amount(500); i++) {
      const count = source.pick([0, 1, 2, 3, 4, 8, 30]);
      const tree = new ModelTree(scheme, randomEntries(source, scheme, count));
      checkStep(source, tree);
    }
  }
});

Deno.test("verify() accepts proofs of the real schemes", () => {
  const source = random("real schemes");
  for (const scheme of schemes) {
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 40));
    for (let i = 0; i < 5; i++) {
      checkQuery(tree, randomQuery(source, tree));
      checkStep(source, tree);
    }
  }
});

Deno.test("verify() accepts each of 256 slots of a stem, full or alone", () => {
  const source = random("slots");
  const scheme = cheapScheme("eip7864");
  const stem = source.bytes(32);
  const key = (slot: number): Uint8Array => {
    const bytes = stem.slice();
    bytes[31] = slot;
    return bytes;
  };
  const all = Array.from({ length: 256 }, (_, slot) => key(slot));
  const value = (): Uint8Array => source.bytes(32);
  const full = new ModelTree(scheme, all.map((k): Entry => [k, value()]));
  checkQuery(full, { keys: all });
  checkQuery(full, { ranges: [{ gte: key(3), lt: key(200) }] });
  for (const slot of all) {
    checkQuery(full, { keys: [slot] });
    const alone = new ModelTree(scheme, [[slot, value()]]);
    checkQuery(alone, { keys: [slot] });
    checkQuery(alone, { keys: [all[(slot[31] + 1) % 256]] });
  }
});

/** Two keys that part at `depth`, and one that parts from both just before. */
function pairAt(scheme: Scheme, source: Random, depth: number): Uint8Array[] {
  const bytes = (depth >> 3) + 1;
  const length = Math.max(bytes, scheme.keyBytesMin);
  const one = source.bytes(length);
  one[0] |= 1;
  return depth
    ? [one, flip(one, depth), flip(one, depth - 1)]
    : [one, flip(one, 0)];
}

Deno.test("verify() accepts keys that part at every depth", () => {
  const source = random("depths");
  for (const scheme of cheapSchemes) {
    const last = scheme.keyBytesMax > 32 ? 300 : 8 * scheme.keyBytesMax - 1;
    for (let depth = 0; depth <= last; depth += 1) {
      const [a, b, absent] = pairAt(scheme, source, depth);
      const value = source.bytes(32);
      const tree = new ModelTree(scheme, [[a, value], [b, value]]);
      checkQuery(tree, { keys: [a] });
      checkQuery(tree, { keys: absent ? [a, b, absent] : [a, b] });
      if (absent) {
        const writes = [{ key: a, value: undefined }, { key: absent, value }];
        const next = afterWrites(tree, writes);
        const witness = encodeWitness(tree, next.rootHash, { writes });
        verifyWitness(scheme, tree.rootHash, witness);
      }
    }
  }
});

Deno.test("verifyWitness() accepts stems that come or go beside joins that only reads come to", () => {
  const scheme = cheapScheme("eip7864");
  const value = new Uint8Array(32).fill(7);
  for (const byte of [0x55, 0xaa]) {
    const one = new Uint8Array(32).fill(byte);
    // Joins at bits 10 and 20, with levels of one child above both.
    const stored = [one, flip(one, 10), flip(one, 20)];
    const tree = new ModelTree(scheme, stored.map((key) => [key, value]));
    for (const written of [[4], [5], [4, 5], [10], [4, 10], [5, 10]]) {
      const writes = written.map((bit) => ({
        key: flip(one, bit),
        value: bit === 10 ? undefined : value,
      }));
      const { rootHash } = afterWrites(tree, writes);
      for (const read of [[15], [16], [15, 16], [30], [15, 30], []]) {
        const reads = read.map((bit) => flip(one, bit));
        const witness = encodeWitness(tree, rootHash, { reads, writes });
        const step = verifyWitness(scheme, tree.rootHash, witness);
        assertEquals(step.root, rootHash);
      }
    }
  }
});

Deno.test("verify() accepts EIP-8297 keys of 8192 bytes that share all but a bit", () => {
  const source = random("long keys");
  const scheme = cheapScheme("eip8297");
  const [a, b, c] = pairAt(scheme, source, 65_535);
  const value = source.bytes(32);
  const tree = new ModelTree(scheme, [[a, value], [b, value]]);
  checkQuery(tree, { keys: [a, b, c] });
});

Deno.test("verify() accepts proofs of 1 to 1,000 keys", () => {
  const source = random("many keys");
  for (const scheme of cheapSchemes) {
    const tree = new ModelTree(
      scheme,
      Array.from({ length: 1500 }, (): Entry => [
        scheme.keyBytesMax > 32
          ? source.bytes(32)
          : randomKey(source, scheme, []),
        source.bytes(32),
      ]).filter(([key], i, list) =>
        list.findIndex(([other]) => compare(key, other) === 0) === i
      ),
    );
    for (const count of [1, 2, 10, 100, 1000]) {
      const keys = Array.from(
        { length: count },
        () =>
          source.chance(0.8)
            ? source.pick(tree.entries)[0]
            : scheme.keyBytesMax > 32
            ? source.bytes(32)
            : randomKey(source, scheme, []),
      );
      checkQuery(tree, { keys });
    }
    checkQuery(tree, { ranges: [{}] });
  }
});

Deno.test("verify() accepts empty and huge values", () => {
  const source = random("values");
  for (const family of ["nomt", "jam"]) {
    const scheme = cheapScheme(family);
    const sizes = [0, 1, 31, 32, 33, 255, 256, 1023, 1024, 1025, 1 << 20];
    const tree = new ModelTree(
      scheme,
      sizes.map((size) => [
        source.bytes(scheme.keyBytesMax),
        new Uint8Array(size).fill(7),
      ]),
    );
    for (const [key] of tree.entries) checkQuery(tree, { keys: [key] });
    checkQuery(tree, { ranges: [{}] });
  }
});

Deno.test("verifyKey() says absent for every key of the empty tree", () => {
  for (const scheme of schemes) {
    const tree = new ModelTree(scheme, []);
    const key = new Uint8Array(scheme.keyBytesMin).fill(1);
    const proof = encodeProof(tree, { keys: [key] });
    const verdict = verifyKey(scheme, tree.rootHash, key, proof);
    assertEquals(verdict, { status: "absent" });
  }
});

Deno.test("verify() opens nothing for an empty query", () => {
  const source = random("empty query");
  for (const scheme of cheapSchemes) {
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 3));
    const proof = encodeProof(tree, {});
    const partial = verify(scheme, tree.rootHash, {}, proof);
    const { status } = partial.get(tree.entries[0][0]);
    assertEquals(status, "not covered");
  }
});
