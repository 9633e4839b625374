// Updates: the checker of a step takes the honest witness and no other, and
// `applyWrites` gives the root of a full recomputation or a refusal.

import { assert, assertEquals } from "@std/assert";
import {
  applyWrites,
  decodePartial,
  type Scheme,
  verifyWitness,
  type Write,
} from "@stemma/verify";
import { encodeProof, encodeWitness } from "./_prove.ts";
import { amount, type Random, random } from "../_amount.ts";
import { arePrefixFree, ModelTree } from "./_model_tree.ts";
import {
  assemble,
  disassemble,
  hashOf,
  type Pruned,
  rootOf,
  variants,
} from "./_pruned.ts";
import { attempt, flip, joined, refused } from "./_refuse.ts";
import {
  afterWrites,
  cheapScheme,
  cheapSchemes,
  entriesAfter,
  randomEntries,
  randomQuery,
  randomWrites,
} from "./_support.ts";

interface Step {
  tree: ModelTree;
  next: ModelTree;
  writes: Write[];
  witness: Uint8Array;
}

/** A step that overwrites, deletes, inserts and reads. */
function someStep(scheme: Scheme, source: Random): Step {
  for (;;) {
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 8));
    const writes = randomWrites(source, tree);
    const changed = writes.some(({ value }) => !value) &&
      writes.some(({ value }) => value);
    if (!changed) continue;
    const next = afterWrites(tree, writes);
    const reads = [tree.entries[0][0]];
    const access = { reads, writes };
    const witness = encodeWitness(tree, next.rootHash, access);
    return { tree, next, writes, witness };
  }
}

function each(run: (step: Step, source: Random) => void): () => void {
  return () => {
    for (const scheme of cheapSchemes) {
      const source = random(`witness ${scheme.name}`);
      for (let i = 0; i < 5; i++) run(someStep(scheme, source), source);
    }
  };
}

/** Offset of the tree in a witness. */
function treeStart({ tree: { scheme, entries }, writes }: Step): number {
  const length = scheme.family === "eip8297" ? 2 : 0;
  return writes.reduce(
    (at, { key, value }) => at + length + key.length + 4 + (value?.length ?? 0),
    78 + length + entries[0][0].length,
  );
}

/** The witness with another tree. */
function withTree(step: Step, pruned: Pruned): Uint8Array {
  const head = step.witness.subarray(0, treeStart(step));
  return joined(head, assemble(step.tree.scheme, pruned).subarray(2));
}

function refusesWitness(step: Step, witness: Uint8Array, code?: string): void {
  const { scheme, rootHash } = step.tree;
  refused(() => verifyWitness(scheme, rootHash, witness), code);
}

Deno.test(
  "verifyWitness() refuses a witness that is used a second time",
  each((step) => {
    const { scheme, rootHash } = step.tree;
    verifyWitness(scheme, rootHash, step.witness);
    const stale = step.next.rootHash;
    if (stale.toHex() === rootHash.toHex()) return;
    refused(() => verifyWitness(scheme, stale, step.witness), "root");
  }),
);

Deno.test(
  "verifyWitness() refuses another new root",
  each((step, source) => {
    for (const root of [source.bytes(32), new Uint8Array(32)]) {
      if (root.toHex() === step.next.rootHash.toHex()) continue;
      const witness = step.witness.slice();
      witness.set(root, 34);
      refusesWitness(step, witness, "new-root");
    }
  }),
);

Deno.test(
  "verifyWitness() refuses a new value, key or kind of write",
  each((step, source) => {
    const { tree, next } = step;
    step.writes.forEach((write, i) => {
      const value = write.value ? undefined : source.bytes(32);
      for (const change of [{ ...write, value }, undefined]) {
        const writes = step.writes.flatMap((w, j) =>
          i !== j ? [w] : change ? [change] : []
        );
        const reads = [tree.entries[0][0]];
        const witness = encodeWitness(tree, next.rootHash, { reads, writes });
        const after = entriesAfter(tree, writes);
        if (!arePrefixFree(after.map(([key]) => key))) {
          refusesWitness(step, witness, "prefix-key");
          continue;
        }
        const { rootHash } = new ModelTree(tree.scheme, after);
        if (rootHash.toHex() === next.rootHash.toHex()) continue;
        refusesWitness(step, witness, "new-root");
      }
    });
  }),
);

Deno.test(
  "verifyWitness() refuses a write outside its tree",
  each((step, source) => {
    const { tree, next, writes } = step;
    const { scheme, rootHash } = tree;
    const partial = encodeProof(tree, { keys: [tree.entries[0][0]] });
    const small = decodePartial(scheme, rootHash, partial);
    for (const write of writes) {
      if (small.get(write.key).status !== "not covered") continue;
      refused(() => applyWrites(small, [write]), "not-covered");
    }
    const far = tree.entries[tree.entries.length - 1][0];
    const reads = [tree.entries[0][0]];
    const more = [
      ...writes.filter(({ key }) => key.toHex() !== far.toHex()),
      { key: far, value: source.bytes(32) },
    ];
    const witness = encodeWitness(tree, next.rootHash, { reads, writes: more });
    const head = witness.subarray(0, treeStart({ ...step, writes: more }));
    const mixed = joined(head, step.witness.subarray(treeStart(step)));
    if (mixed.toHex() !== witness.toHex()) refusesWitness(step, mixed);
  }),
);

Deno.test(
  "verifyWitness() refuses a wrong old value, opened or hashed",
  each((step, source) => {
    const { scheme } = step.tree;
    const honest = disassemble(scheme, step.witness, treeStart(step));
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind === "leaf" || node.kind === "slot") {
          yield { ...node, value: source.bytes(node.value.length || 32) };
        }
      })
    ) {
      if (
        assemble(scheme, forged).toHex() === assemble(scheme, honest).toHex()
      ) {
        continue;
      }
      refusesWitness(step, withTree(step, forged), "root");
    }
  }),
);

Deno.test(
  "verifyWitness() refuses any node closed, and any node opened beside",
  each((step) => {
    const { tree: { scheme, entries } } = step;
    const honest = disassemble(scheme, step.witness, treeStart(step));
    assertEquals(withTree(step, honest), step.witness);
    const full = disassemble(
      scheme,
      encodeProof(step.tree, { keys: entries.map(([key]) => key) }),
    );
    const opened = new Map<string, Pruned>();
    [...variants(full, (node) => {
      opened.set(rootOf(scheme, node).toHex(), node);
      return [];
    })];
    for (
      const other of variants(honest, function* (node) {
        const hash = rootOf(scheme, node);
        if (node.kind === "hash") {
          const open = opened.get(hash.toHex());
          if (open) yield open;
        } else if (node.kind !== "empty") yield hashOf(hash);
      })
    ) refusesWitness(step, withTree(step, other));
  }),
);

Deno.test("applyWrites() refuses a delete whose sibling is not opened", () => {
  for (const family of ["jam", "eip7864", "eip8297"]) {
    const scheme = cheapScheme(family);
    const source = random(`delete ${family}`);
    for (let i = 0; i < 20; i++) {
      const tree = new ModelTree(scheme, randomEntries(source, scheme, 6));
      const [key] = source.pick(tree.entries);
      const writes = [{ key, value: undefined }];
      const next = afterWrites(tree, writes);
      const witness = encodeWitness(tree, next.rootHash, { writes });
      verifyWitness(scheme, tree.rootHash, witness);
      // A proof of the key alone leaves the sibling as a hash: refused unless
      // nothing has to move.
      const proof = encodeProof(tree, { keys: [key] });
      const partial = decodePartial(scheme, tree.rootHash, proof);
      const root = attempt(() => applyWrites(partial, writes));
      if (root) assertEquals(root, next.rootHash);
    }
  }
});

Deno.test("applyWrites() needs no opened sibling in NOMT: the top bit tells", () => {
  const scheme = cheapScheme("nomt");
  const source = random("delete nomt");
  for (let i = 0; i < 50; i++) {
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 6));
    const [key] = source.pick(tree.entries);
    const writes = [{ key, value: undefined }];
    const proof = encodeProof(tree, { keys: [key] });
    const partial = decodePartial(scheme, tree.rootHash, proof);
    assertEquals(
      applyWrites(partial, writes),
      afterWrites(tree, writes).rootHash,
    );
  }
});

Deno.test("applyWrites() gives the root of a full recomputation, or refuses", () => {
  const source = random("apply");
  let applied = 0;
  for (const scheme of cheapSchemes) {
    for (let i = 0; i < amount(300); i++) {
      const count = source.pick([0, 1, 2, 4, 8, 20]);
      const tree = new ModelTree(scheme, randomEntries(source, scheme, count));
      const writes = randomWrites(source, tree);
      const { keys, ranges } = randomQuery(source, tree);
      const all = [...keys, ...writes.map(({ key }) => key)];
      const proof = encodeProof(tree, { keys: all, ranges });
      const partial = decodePartial(scheme, tree.rootHash, proof);
      const root = attempt(() => applyWrites(partial, writes));
      if (!root) continue;
      applied++;
      assertEquals(root, afterWrites(tree, writes).rootHash);
    }
  }
  assert(applied > amount(300));
});

Deno.test("applyWrites() refuses values, keys and sets of writes that cannot be", () => {
  for (const scheme of cheapSchemes) {
    const empty = new ModelTree(scheme, []);
    const proof = encodeProof(empty, { keys: [] });
    const tree = decodePartial(scheme, empty.rootHash, proof);
    const key = new Uint8Array(scheme.keyBytesMin).fill(1);
    const value = new Uint8Array(32);
    const write = { key, value };
    refused(() => applyWrites(tree, [write, write]), "duplicate");
    const wrong = scheme.keyBytesMin > 1 ? key.slice(1) : new Uint8Array(0);
    refused(() => applyWrites(tree, [{ key: wrong, value }]), "key");
    if (scheme.valueBytes) {
      const short = value.slice(1);
      refused(() => applyWrites(tree, [{ key, value: short }]), "value");
    }
    const text = "value" as unknown as Uint8Array;
    refused(() => applyWrites(tree, [{ key, value: text }]), "input");
    if (scheme.family === "eip8297") {
      const longer = { key: joined(key, [0]), value };
      refused(() => applyWrites(tree, [write, longer]), "prefix-key");
    }
  }
});

Deno.test("applyWrites() refuses an EIP-8297 key that prefixes, or is prefixed by, a covered key", () => {
  const scheme = cheapScheme("eip8297");
  const value = new Uint8Array(32);
  const keys = [[1, 2, 3], [1, 2, 4], [9]].map((key) => new Uint8Array(key));
  const tree = new ModelTree(scheme, keys.map((key) => [key, value]));
  for (const key of [[1], [1, 2], [1, 2, 3, 4], [9, 0]]) {
    const write = { key: new Uint8Array(key), value };
    const proof = encodeProof(tree, { keys: [write.key] });
    const partial = decodePartial(scheme, tree.rootHash, proof);
    assertEquals(partial.get(write.key).status, "absent");
    refused(() => applyWrites(partial, [write]), "prefix-key");
    const remove = [{ key: write.key, value: undefined }];
    assertEquals(applyWrites(partial, remove), tree.rootHash);
  }
  // A prefix may take the place of all that it was a prefix of.
  const writes = [
    { key: keys[0], value: undefined },
    { key: keys[1], value: undefined },
    { key: new Uint8Array([1, 2]), value },
  ];
  const next = afterWrites(tree, writes);
  const witness = encodeWitness(tree, next.rootHash, { writes });
  assertEquals(
    verifyWitness(scheme, tree.rootHash, witness).root,
    next.rootHash,
  );
});

Deno.test(
  "verifyWitness() refuses lists out of order, counts that are wrong, and proofs",
  each((step) => {
    const { scheme, rootHash } = step.tree;
    for (const at of [66, 70, 74]) {
      for (const [i, byte] of [[0, 255], [3, step.witness[at + 3] + 1]]) {
        const witness = step.witness.slice();
        witness[at + i] = byte;
        refusesWitness(step, witness);
      }
    }
    const proof = encodeProof(step.tree, { keys: [] });
    refusesWitness(step, proof, "version");
    refused(() => decodePartial(scheme, rootHash, step.witness), "version");
    for (let end = 0; end < step.witness.length; end += 7) {
      refusesWitness(step, step.witness.slice(0, end));
    }
    refusesWitness(step, joined(step.witness, [0]), "trailing");
  }),
);

Deno.test("verifyWitness() refuses keys twice, descending, or ranges that touch", () => {
  for (const scheme of cheapSchemes) {
    const source = random("lists");
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 6));
    const pair = [0, 1].map((i) =>
      new Uint8Array(scheme.keyBytesMin).fill(7 + i)
    );
    const encoded = (key: Uint8Array): Uint8Array =>
      joined(scheme.keyBytesMax > 32 ? [0, key.length] : [], key);
    const [a, b] = pair.map(encoded);
    const body = (counts: number[], ...lists: (Uint8Array | number[])[]) =>
      joined(
        [0x11, scheme.id],
        tree.rootHash,
        tree.rootHash,
        counts.flatMap((count) => [0, 0, 0, count]),
        ...lists,
        encodeProof(tree, {}).subarray(2),
      );
    const gone = [0, 0, 0, 0];
    const bad = [
      body([2, 0, 0], a, a),
      body([2, 0, 0], b, a),
      body([0, 0, 2], a, gone, a, gone),
      body([0, 0, 2], b, gone, a, gone),
      body([0, 1, 0], [4]),
      body([0, 2, 0], [2], a, [1], a),
      body([0, 2, 0], [2], b, [1], a),
      body([0, 2, 0], [0], [1], a),
      body([0, 2, 0], [2], a, [2], b),
    ];
    for (const witness of bad) {
      refused(() => verifyWitness(scheme, tree.rootHash, witness), "order");
    }
    for (const ranges of [[3, b, a], [3, a, a]] as const) {
      const [ends, gte, lt] = ranges;
      const witness = body([0, 1, 0], [ends], gte, lt);
      refused(() => verifyWitness(scheme, tree.rootHash, witness), "query");
    }
  }
});

Deno.test("verifyWitness() takes a step that did nothing, and one that only read", () => {
  for (const scheme of cheapSchemes) {
    const source = random("idle");
    const tree = new ModelTree(scheme, randomEntries(source, scheme, 6));
    const reads = [flip(tree.entries[0][0], 5)];
    const ranges = [{ gte: tree.entries[2][0] }];
    for (const access of [{}, { reads }, { ranges }, { reads, ranges }]) {
      const witness = encodeWitness(tree, tree.rootHash, access);
      const step = verifyWitness(scheme, tree.rootHash, witness);
      assertEquals(step.root, tree.rootHash);
      assertEquals(
        step.reads.length,
        access === witness ? 0 : step.reads.length,
      );
    }
  }
});
