// The forgeries that EIP-7864's untagged nodes allow a verifier written straight
// from the text, by name (docs/proofs.md, R1 to R5). Each is built against the
// root of a real tree: the hashes match, and only the rule stands in its way.

import { assert, assertEquals } from "@std/assert";
import {
  applyWrites,
  bitAt,
  decodePartial,
  entries,
  type Scheme,
  verify,
  verifyKey,
  verifyWitness,
  type Write,
} from "@stemma/verify";
import { encodeProof, encodeWitness } from "./_prove.ts";
import { type Random, random } from "../_amount.ts";
import { type Entry, ModelTree } from "./_model_tree.ts";
import {
  assemble,
  branch,
  disassemble,
  EMPTY,
  hashOf,
  type Pruned,
  rootOf,
  variants,
} from "./_pruned.ts";
import { flip, neverFalse, refused } from "./_refuse.ts";
import { cheapScheme } from "./_support.ts";

const scheme: Scheme = cheapScheme("eip7864");

/** stem ‖ 00, the left half of a stem node. */
function stemHalf(key: Uint8Array): Uint8Array {
  const half = key.slice();
  half[31] = 0;
  return half;
}

/** The stem node of `key` in an honest proof, read as something else. */
function reread(
  tree: ModelTree,
  key: Uint8Array,
  change: (stem: Pruned & { kind: "stem" }) => Pruned,
): Uint8Array {
  const honest = disassemble(scheme, encodeProof(tree, { keys: [key] }));
  const [forged] = variants(honest, function* (node) {
    if (node.kind === "stem") yield change(node);
  });
  assertEquals(rootOf(scheme, forged), tree.rootHash);
  return assemble(scheme, forged);
}

/** Two stems that part at bit `depth`, with slots in the lower half only. */
function twoStems(
  source: Random,
  depth: number,
): { tree: ModelTree; a: Uint8Array; b: Uint8Array } {
  const a = source.bytes(32);
  a[31] &= 0x7f;
  const b = flip(a, depth);
  const tree = new ModelTree(scheme, [
    [a, source.bytes(32)],
    [b, source.bytes(32)],
  ]);
  return { tree, a, b };
}

Deno.test("R1: a stem node read as a branch does not prove its own stem absent", () => {
  const source = random("R1");
  let tried = 0;
  while (tried < 20) {
    const { tree, a } = twoStems(source, 3);
    // Below depth 3 the stem must go right, into S, and right again: empty.
    if (bitAt(a, 4) !== 1 || bitAt(a, 5) !== 1) continue;
    tried++;
    const forged = reread(tree, a, ({ slots }) => {
      assert(slots.kind === "branch" && slots.right.kind === "empty");
      const inner = branch(hashOf(rootOf(scheme, slots.left)), EMPTY);
      return branch(hashOf(stemHalf(a)), inner);
    });
    const partial = decodePartial(scheme, tree.rootHash, forged);
    refused(() => partial.get(a), "stem-as-branch");
    refused(() => verifyKey(scheme, tree.rootHash, a, forged));
    refused(() => applyWrites(partial, [{ key: a, value: a }]));
    neverFalse(tree, forged, tree.entries.map(([key]) => key));
  }
});

Deno.test("R1: a stem node read as a branch does not hide its stem from a range", () => {
  const source = random("R1 ranges");
  let tried = 0;
  while (tried < 20) {
    const { tree, a } = twoStems(source, 3);
    if (bitAt(a, 4) !== 1 || bitAt(a, 5) !== 1) continue;
    tried++;
    const forged = reread(tree, a, ({ slots }) => {
      assert(slots.kind === "branch");
      const inner = branch(hashOf(rootOf(scheme, slots.left)), EMPTY);
      return branch(hashOf(stemHalf(a)), inner);
    });
    const gte = stemHalf(a);
    const lt = a.slice();
    lt[31] = 0xff;
    refused(
      () => verify(scheme, tree.rootHash, { ranges: [{ gte, lt }] }, forged),
      "stem-as-branch",
    );
    const partial = decodePartial(scheme, tree.rootHash, forged);
    refused(() => entries(partial, { gte, lt }), "stem-as-branch");
  }
});

/** A tree whose root has a left hash that reads as a stem in the right half. */
function treeWithStemLikeHash(source: Random): ModelTree {
  for (;;) {
    const list = Array.from({ length: 3 }, (_, i): Entry => {
      const key = source.bytes(32);
      key[0] = key[0] & 0x7f | (i === 2 ? 0x80 : 0);
      return [key, source.bytes(32)];
    });
    const tree = new ModelTree(scheme, list);
    const hash = new Uint8Array(32);
    tree.hash(tree.child(tree.root(), 0), hash, 0);
    if (hash[31] === 0 && hash[0] & 0x80) return tree;
  }
}

Deno.test("R1: an honest range proof opens a left child that reads as a stem in it", () => {
  const source = random("R1 honest");
  for (let i = 0; i < 3; i++) {
    const tree = treeWithStemLikeHash(source);
    const gte = new Uint8Array(32);
    gte[0] = 0x80;
    const query = { ranges: [{ gte }] };
    const proof = encodeProof(tree, query);
    const partial = verify(scheme, tree.rootHash, query, proof);
    assertEquals(entries(partial, { gte }).length, 1);
    const opened = disassemble(scheme, proof);
    assert(opened.kind === "branch" && opened.left.kind !== "hash");
    const closed = branch(hashOf(rootOf(scheme, opened.left)), opened.right);
    const short = assemble(scheme, closed);
    refused(
      () => verify(scheme, tree.rootHash, query, short),
      "stem-as-branch",
    );
    const [key] = tree.entries[2];
    refused(
      () => verify(scheme, tree.rootHash, { keys: [key] }, proof),
      "unasked",
    );
  }
});

Deno.test("R1: an honest range proof opens such a child in a run of one-child levels too", () => {
  const source = random("R1 run");
  const gte = new Uint8Array(32);
  gte[0] = 0x80;
  const query = { ranges: [{ gte }] };
  for (let opened = 0; opened < 2;) {
    const tree = new ModelTree(
      scheme,
      [0, 1].map((bit): Entry => {
        const key = source.bytes(32);
        key[0] = key[0] & 0x3f | bit << 6;
        return [key, source.bytes(32)];
      }),
    );
    const proof = encodeProof(tree, query);
    const partial = verify(scheme, tree.rootHash, query, proof);
    assertEquals(entries(partial, { gte }), []);
    const root = disassemble(scheme, proof);
    assert(root.kind === "branch" && root.right.kind === "empty");
    if (root.left.kind === "branch") opened++;
  }
});

Deno.test("R2: an inner node read as a stem does not prove other keys absent", () => {
  const source = random("R2");
  let tried = 0;
  while (tried < 8) {
    // Grind one value until an inner node's left hash ends with 00.
    const tree = new ModelTree(
      scheme,
      Array.from({ length: 4 }, (_, i): Entry => {
        const key = source.bytes(32);
        key[0] = i << 6;
        return [key, source.bytes(32)];
      }),
    );
    const [left, right] = [new Uint8Array(32), new Uint8Array(32)];
    const root = tree.root();
    tree.hash(tree.child(root, 0), left, 0);
    tree.hash(tree.child(root, 1), right, 0);
    if (left[31] !== 0) continue;
    tried++;
    const stem = left.slice(0, 31);
    const below = disassemble(
      scheme,
      encodeProof(tree, { keys: [tree.entries[3][0]] }),
    );
    assert(below.kind === "branch");
    const slotTrees: Pruned[] = [
      hashOf(right),
      below.right,
      branch(hashOf(right), EMPTY),
      { kind: "slot", value: right },
    ];
    for (const slots of slotTrees) {
      const forged = assemble(scheme, { kind: "stem", stem, slots });
      neverFalse(tree, forged, [
        ...tree.entries.map(([key]) => key),
        new Uint8Array([...stem, 0]),
        source.bytes(32),
      ]);
      refused(() => decodePartial(scheme, tree.rootHash, forged));
    }
  }
});

Deno.test("R2: another stem, or another slot, must open its lowest present slot", () => {
  const source = random("R2 lowest");
  const stem = source.bytes(32);
  const slot = (number: number): Uint8Array => {
    const key = stem.slice();
    key[31] = number;
    return key;
  };
  const tree = new ModelTree(
    scheme,
    [5, 9, 200].map((n) => [slot(n), source.bytes(32)]),
  );
  const other = flip(stem, 100);
  for (const absent of [slot(7), slot(255), slot(0), other]) {
    const honest = encodeProof(tree, { keys: [absent] });
    const verdict = verifyKey(scheme, tree.rootHash, absent, honest);
    assertEquals(verdict.status, "absent");
    // The absent slot with 9 or 200 opened in place of 5, or with both.
    for (const open of [[9], [200], [5, 9], [5, 9, 200]]) {
      const keys = [absent, ...open.map(slot)];
      const proof = encodeProof(tree, { keys });
      refused(() => verifyKey(scheme, tree.rootHash, absent, proof), "unasked");
    }
    const none = disassemble(scheme, honest);
    for (
      const forged of variants(none, function* (node) {
        if (node.kind === "slot") yield hashOf(rootOf(scheme, node));
      })
    ) {
      const proof = assemble(scheme, forged);
      refused(
        () => decodePartial(scheme, tree.rootHash, proof),
        "stem-unopened",
      );
    }
  }
});

Deno.test("R2: slots with 0, 7 or 9 levels of siblings are refused", () => {
  const source = random("R2 levels");
  const key = source.bytes(32);
  const value = source.bytes(32);
  const stem = key.slice(0, 31);
  for (const levels of [0, 1, 7, 9, 10]) {
    let slots: Pruned = { kind: "slot", value };
    for (let i = 0; i < levels; i++) {
      slots = bitAt(key, 255 - i) ? branch(EMPTY, slots) : branch(slots, EMPTY);
    }
    const forged: Pruned = { kind: "stem", stem, slots };
    const root = rootOf(scheme, forged);
    const proof = assemble(scheme, forged);
    refused(() => verifyKey(scheme, root, key, proof), "depth");
  }
});

Deno.test("R2: an empty slot tree is refused, even with its own root", () => {
  const stem = new Uint8Array(31).fill(3);
  const key = new Uint8Array([...stem, 4]);
  for (const slots of [EMPTY, branch(EMPTY, EMPTY), hashOf(key)]) {
    const forged: Pruned = { kind: "stem", stem, slots };
    const root = rootOf(scheme, forged);
    refused(() => verifyKey(scheme, root, key, assemble(scheme, forged)));
  }
});

Deno.test("R3: an empty place with an empty or zero sibling is refused", () => {
  const source = random("R3");
  const absent = source.bytes(32);
  const empty = new ModelTree(scheme, []);
  for (const padding of [EMPTY, hashOf(new Uint8Array(32))]) {
    for (const forged of [branch(EMPTY, padding), branch(padding, EMPTY)]) {
      const proof = assemble(scheme, forged);
      refused(() => verifyKey(scheme, empty.rootHash, absent, proof));
    }
  }
});

Deno.test("R4: the all-zero stem is refused as a key and as a node", () => {
  const source = random("R4");
  const zero = new Uint8Array(32);
  const value = source.bytes(32);
  // Branch(Empty, x) has the bytes of the zero stem's node with S = x.
  const keys = [source.bytes(32), source.bytes(32)];
  keys.forEach((key, i) => key[0] = 0x80 | i << 6);
  const tree = new ModelTree(scheme, keys.map((key) => [key, value]));
  const proof = encodeProof(tree, { keys: [keys[0]] });
  const honest = disassemble(scheme, proof);
  assert(honest.kind === "branch" && honest.left.kind === "empty");
  const forged: Pruned = {
    kind: "stem",
    stem: new Uint8Array(31),
    slots: honest.right,
  };
  assertEquals(rootOf(scheme, forged), tree.rootHash);
  const bytes = assemble(scheme, forged);
  refused(() => decodePartial(scheme, tree.rootHash, bytes), "zero-stem");
  refused(() => verifyKey(scheme, tree.rootHash, zero, proof), "zero-stem");
  const partial = decodePartial(scheme, tree.rootHash, proof);
  refused(() => partial.get(zero), "zero-stem");
  refused(() => applyWrites(partial, [{ key: zero, value }]), "zero-stem");
});

Deno.test("raw-stem forgery: a value chosen to be half a node includes nothing", () => {
  // An attacker who may choose values stores one that reads as slot or stem
  // halves; without raw stems of their choice no node can be built from it.
  const source = random("raw stem");
  const victim = source.bytes(32);
  const value = stemHalf(victim);
  const tree = new ModelTree(scheme, [
    [source.bytes(32), value],
    [source.bytes(32), source.bytes(32)],
  ]);
  for (const [key] of tree.entries) {
    const honest = disassemble(scheme, encodeProof(tree, { keys: [key] }));
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind !== "slot") return;
        yield branch(hashOf(node.value), EMPTY);
        yield branch(hashOf(node.value), { kind: "slot", value: victim });
        yield { kind: "stem", stem: node.value.slice(0, 31), slots: node };
      })
    ) neverFalse(tree, assemble(scheme, forged), [victim, key]);
  }
});

/** A witness whose tree is `forged` in place of the honest one. */
function forgedWitness(
  tree: ModelTree,
  newRoot: Uint8Array,
  writes: Write[],
  forge: (honest: Pruned) => Pruned,
): Uint8Array {
  const honest = encodeWitness(tree, newRoot, { writes });
  const size = writes.reduce((n, { value }) => n + 36 + (value ? 32 : 0), 0);
  const start = 78 + size;
  const pruned = forge(disassemble(scheme, honest, start));
  return new Uint8Array([
    ...honest.subarray(0, start),
    ...assemble(scheme, pruned).subarray(2),
  ]);
}

Deno.test("R5: a delete does not take a sibling stem for a branch of two bare hashes", () => {
  const source = random("R5");
  for (let i = 0; i < 20; i++) {
    const { tree, a, b } = twoStems(source, source.int(100));
    const writes = [{ key: a, value: undefined }];
    // The forger shows b's stem node as Branch(Hash(stem ‖ 00), Hash(S)).
    const forged = reread(tree, a, (stem) => stem);
    const slots = disassemble(scheme, encodeProof(tree, { keys: [b] }));
    let s: Uint8Array | undefined;
    [...variants(slots, (node) => {
      if (node.kind === "stem") s = rootOf(scheme, node.slots);
      return [];
    })];
    const bare = branch(hashOf(stemHalf(b)), hashOf(s!));
    const swap = (node: Pruned): Pruned => {
      const bHash = rootOf(scheme, bare).toHex();
      const [found] = variants(node, function* (inner) {
        if (
          inner.kind !== "branch" && rootOf(scheme, inner).toHex() === bHash
        ) {
          yield bare;
        }
      });
      return found;
    };
    const pruned = swap(disassemble(scheme, forged));
    const proof = assemble(scheme, pruned);
    const partial = decodePartial(scheme, tree.rootHash, proof);
    refused(() => applyWrites(partial, writes), "survivor");
    // What a trusting checker would compute: the "branch" stays where it was.
    const wrong = rootOf(scheme, bareAlone(pruned, a, bare));
    const right = new ModelTree(scheme, [
      tree.entries.find(([k]) => k.toHex() === b.toHex())!,
    ]);
    assert(wrong.toHex() !== right.rootHash.toHex());
    for (const root of [wrong, right.rootHash]) {
      const witness = forgedWitness(tree, root, writes, swap);
      refused(() => verifyWitness(scheme, tree.rootHash, witness), "survivor");
    }
    const honest = encodeWitness(tree, right.rootHash, { writes });
    verifyWitness(scheme, tree.rootHash, honest);
  }
});

/** `tree` with the terminal of `a` taken out and `kept` left in its place. */
function bareAlone(tree: Pruned, a: Uint8Array, kept: Pruned): Pruned {
  if (tree === kept) return kept;
  if (tree.kind !== "branch") return tree.kind === "stem" ? EMPTY : tree;
  return branch(bareAlone(tree.left, a, kept), bareAlone(tree.right, a, kept));
}

Deno.test("R5: an insert at an empty place does not take a sibling stem for a branch", () => {
  // The node of stem s, read as Branch(Hash(s ‖ 00), S = Branch(x, Empty)): a
  // new key that goes right twice would be put inside the slot tree of s. R1
  // does not help: the key is not of stem s.
  const source = random("R5 insert");
  let tried = 0;
  while (tried < 20) {
    const { tree, a } = twoStems(source, 3);
    const key = source.bytes(32);
    key[0] = a[0];
    if (bitAt(key, 4) !== 1 || bitAt(key, 5) !== 1) continue;
    tried++;
    const forged = reread(tree, a, ({ slots }) => {
      assert(slots.kind === "branch" && slots.right.kind === "empty");
      const inner = branch(hashOf(rootOf(scheme, slots.left)), EMPTY);
      return branch(hashOf(stemHalf(a)), inner);
    });
    const partial = decodePartial(scheme, tree.rootHash, forged);
    assertEquals(partial.get(key).status, "absent"); // and it is
    const write = { key, value: source.bytes(32) };
    refused(() => applyWrites(partial, [write]), "survivor");
    const honest = encodeProof(tree, { keys: [key] });
    const next = new ModelTree(scheme, [...tree.entries, [key, write.value]]);
    const true_ = decodePartial(scheme, tree.rootHash, honest);
    assertEquals(applyWrites(true_, [write]), next.rootHash);
  }
});
