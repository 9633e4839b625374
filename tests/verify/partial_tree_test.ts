// What can be done with a verified partial tree besides asking for keys: paths
// for other verifiers, ranges, merging, boundary nodes of JAM.

import { assert, assertEquals } from "@std/assert";
import {
  bitAt,
  boundaryNodes,
  decodePartial,
  entries,
  mergeTrees,
  type Scheme,
  schemes,
  toPath,
  verify,
} from "@stemma/verify";
import { encodeProof } from "./_prove.ts";
import { random } from "../_amount.ts";
import { compare, ModelTree } from "./_model_tree.ts";
import { assemble, branch, hashOf } from "./_pruned.ts";
import { flip, refused } from "./_refuse.ts";
import {
  cheapHash,
  cheapScheme,
  cheapSchemes,
  randomEntries,
  randomQuery,
} from "./_support.ts";

/** The root from a path of siblings, the classic way. */
function foldPath(
  scheme: Scheme,
  key: Uint8Array,
  { steps, end }: ReturnType<typeof toPath>,
): Uint8Array {
  let hash = end;
  for (let i = steps.length; i--;) {
    const { depth, side, sibling } = steps[i];
    assertEquals(side, bitAt(key, depth));
    const stemAbove = scheme.family === "eip7864" && depth >= 248 &&
      (i === 0 || steps[i - 1].depth < 248);
    const top = scheme.family === "eip8297"
      ? i ? steps[i - 1].depth + 1 : 0
      : depth;
    const pair = side ? [sibling, hash] : [hash, sibling];
    hash = scheme.branch(pair[0], pair[1], key, depth, top);
    if (stemAbove) hash = scheme.terminal(key, hash, true);
  }
  return hash;
}

Deno.test("toPath() gives the siblings from which the root follows", () => {
  for (const scheme of [...cheapSchemes, ...schemes]) {
    const source = random(`path ${scheme.name}`);
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 12));
    for (const [key] of tree.entries) {
      const proof = encodeProof(tree, { keys: [key] });
      const partial = decodePartial(scheme, tree.rootHash, proof);
      assertEquals(foldPath(scheme, key, toPath(partial, key)), tree.rootHash);
    }
  }
});

Deno.test("toPath() ends with zeros, or another terminal, for an absent key", () => {
  for (const scheme of cheapSchemes) {
    const source = random("absent path");
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 12));
    const key = flip(tree.entries[3][0], 3);
    const proof = encodeProof(tree, { keys: [key] });
    const partial = verify(scheme, tree.rootHash, { keys: [key] }, proof);
    const path = toPath(partial, key);
    assertEquals(path.end.length, 32);
    for (const { side, depth } of path.steps) {
      assertEquals(side, bitAt(key, depth));
    }
  }
});

Deno.test("toPath() and get() refuse what the tree does not cover", () => {
  for (const scheme of cheapSchemes) {
    const source = random("not covered");
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 12));
    const [first] = tree.entries[0];
    const [last] = tree.entries[tree.entries.length - 1];
    const proof = encodeProof(tree, { keys: [first] });
    const partial = decodePartial(scheme, tree.rootHash, proof);
    assertEquals(partial.get(last), { status: "not covered" });
    refused(() => toPath(partial, last), "not-covered");
    refused(() => entries(partial), "not-covered");
    refused(() => entries(partial, { gte: last }), "not-covered");
  }
});

Deno.test("mergeTrees() covers what either tree covers, and decodes again", () => {
  const source = random("merge");
  for (const scheme of cheapSchemes) {
    for (let i = 0; i < 60; i++) {
      const count = source.pick([0, 1, 2, 5, 12, 40]);
      const tree = new ModelTree(scheme, randomEntries(source, scheme, count));
      const queries = [randomQuery(source, tree), randomQuery(source, tree)];
      const [a, b] = queries.map((query) =>
        verify(scheme, tree.rootHash, query, encodeProof(tree, query))
      );
      const merged = mergeTrees(a, b);
      assertEquals(merged.hashes[0], tree.rootHash);
      const again = decodePartial(scheme, tree.rootHash, merged.data);
      for (const key of queries.flatMap(({ keys }) => keys)) {
        const entry = tree.entries.find(([k]) => !compare(k, key));
        for (const verdict of [merged.get(key), again.get(key)]) {
          assertEquals(verdict.status, entry ? "present" : "absent");
          if (verdict.status === "present" && entry![1].length <= 1024) {
            assertEquals(verdict.value, entry![1]);
          }
        }
      }
      for (const range of queries.flatMap(({ ranges }) => ranges)) {
        const side = queries[0].ranges.includes(range) ? a : b;
        assertEquals(
          entries(merged, range).map(([key]) => key),
          entries(side, range).map(([key]) => key),
        );
      }
      assertEquals(mergeTrees(b, a).data, merged.data);
    }
  }
});

Deno.test("mergeTrees() refuses trees that do not belong together", () => {
  const source = random("merge refused");
  const [one, two] = cheapSchemes.map((scheme) => {
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 4));
    return decodePartial(scheme, tree.rootHash, encodeProof(tree, {}));
  });
  refused(() => mergeTrees(one, two), "scheme");
  const { scheme } = one;
  const other = new ModelTree(scheme, randomEntries(source, scheme, 4));
  const proof = encodeProof(other, {});
  const third = decodePartial(scheme, other.rootHash, proof);
  refused(() => mergeTrees(one, third), "root");
});

Deno.test("mergeTrees() refuses trees that read one node in two ways", () => {
  // A stem node and a branch of its two halves have one hash in EIP-7864.
  const scheme = cheapScheme("eip7864");
  const key = random("conflict").bytes(32);
  const tree = new ModelTree(scheme, [[key, key]]);
  const proof = encodeProof(tree, { keys: [key] });
  const honest = decodePartial(scheme, tree.rootHash, proof);
  const slots = honest.hashes[1];
  const half = key.slice();
  half[31] = 0;
  const halves = assemble(scheme, branch(hashOf(half), hashOf(slots)));
  const forged = decodePartial(scheme, tree.rootHash, halves);
  refused(() => mergeTrees(honest, forged), "conflict");
});

Deno.test("boundaryNodes() gives the nodes from the root to both ends of a range", () => {
  for (const scheme of [cheapScheme("jam"), schemes[2]]) {
    const source = random("boundary");
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 30));
    const [first, last] = [tree.entries[4][0], tree.entries[20][0]];
    const long = tree.entries.findIndex(([, value]) => value.length > 32);
    const query = { keys: [first, last, tree.entries[long][0]] };
    const proof = encodeProof(tree, query);
    const partial = verify(scheme, tree.rootHash, query, proof);
    const nodes = boundaryNodes(partial, first, last);
    assert(nodes.every((node) => node.length === 64));
    assertEquals(scheme.hash(nodes[0]), tree.rootHash);
    const above = new Set<string>();
    for (const [i, node] of nodes.entries()) {
      // Every node but the first is a child of one before it.
      const hash = scheme.hash(node);
      hash[0] &= 0x7f;
      assert(i === 0 || above.has(hash.toHex()));
      if (node[0] < 0x80) {
        const right = node.slice(32);
        right[0] &= 0x7f;
        above.add(node.slice(0, 32).toHex()).add(right.toHex());
      }
    }
    const leaves = nodes.filter((node) => node[0] >= 0x80);
    assertEquals(leaves.map((node) => node.slice(1, 32)), [first, last]);
    assertEquals(
      boundaryNodes(partial, first, first).length < nodes.length,
      true,
    );
    refused(
      () =>
        boundaryNodes(partial, first, tree.entries[tree.entries.length - 1][0]),
      "not-covered",
    );
    const [longKey] = tree.entries[long];
    const [leafNode] = boundaryNodes(partial, longKey, longKey).slice(-1);
    assertEquals(scheme.hash(leafNode).length, 32);
  }
});

Deno.test("boundaryNodes() holds a long value by its hash, absent keys, other schemes refused", () => {
  const scheme = cheapScheme("jam");
  const key = new Uint8Array(31).fill(9);
  const value = new Uint8Array(40);
  const tree = new ModelTree(scheme, [[key, value]]);
  const absent = flip(key, 0);
  const proof = encodeProof(tree, { keys: [absent] });
  const partial = verify(scheme, tree.rootHash, { keys: [absent] }, proof);
  const [node] = boundaryNodes(partial, absent, absent);
  assertEquals(node[0], 0xc0);
  assertEquals(node.slice(32), cheapHash(value));
  const nomt = cheapScheme("nomt");
  const empty = new ModelTree(nomt, []);
  const other = decodePartial(nomt, empty.rootHash, encodeProof(empty, {}));
  const bytes = new Uint8Array(32);
  refused(() => boundaryNodes(other, bytes, bytes), "scheme");
});
