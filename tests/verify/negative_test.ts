// Forged proofs, one test for each class of docs/proofs.md: build an honest
// tree, craft the proof, expect a refusal or the truth. EIP-7864's own
// forgeries are in eip7864_forgery_test.ts, witnesses in witness_test.ts.

import { assertEquals } from "@std/assert";
import { decodePartial, verify, verifyKey } from "@stemma/verify";
import { encodeProof } from "./_prove.ts";
import { random } from "../_amount.ts";
import { ModelTree } from "./_model_tree.ts";
import {
  assemble,
  branch,
  disassemble,
  EMPTY,
  hashOf,
  leaf,
  type Pruned,
  rootOf,
  tagsAndPayload,
  treeBytes,
  variants,
} from "./_pruned.ts";
import {
  flip,
  joined,
  neverFalse,
  neverFalseTree,
  refused,
  refuses,
} from "./_refuse.ts";
import { cheapHash, cheapScheme, cheapSchemes } from "./_support.ts";
import { each, preimages, probes, proofOf, someTree } from "./_forging.ts";

// --- Node confusion ---------------------------------------------------------

Deno.test(
  "verify() refuses an inner hash, or its 64-byte preimage, offered as a value",
  each((tree, source) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      const offers = [...preimages(tree)].flatMap(([hash, bytes]) => [
        Uint8Array.fromHex(hash),
        bytes,
        bytes.subarray(0, 32),
        bytes.subarray(32),
      ]);
      for (const value of offers.slice(0, 60)) {
        for (
          const forged of variants(honest, function* (node) {
            if (node.kind === "leaf" || node.kind === "slot") {
              yield { ...node, value };
            }
          })
        ) neverFalseTree(tree, forged, [key]);
        const wrong = tree.scheme.valueBytes ? 32 : value.length;
        const under = leaf(key, value.slice(0, wrong));
        neverFalseTree(tree, under, probes(tree, source));
      }
    }
  }),
);

Deno.test(
  "verify() refuses a path that is one level longer, through a leaf",
  each((tree, source) => {
    const bytes = preimages(tree);
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind !== "leaf" && node.kind !== "stem") return;
          const message = bytes.get(rootOf(tree.scheme, node).toHex());
          const halves = message && message.length >= 64
            ? [message.slice(0, 32), message.slice(-32)]
            : [key.slice(0, 32), cheapHash(key)];
          const [left, right] = halves.map(hashOf);
          yield branch(left, right, []);
          yield branch(EMPTY, node, []);
          yield branch(node, EMPTY, []);
          yield branch(node, hashOf(halves[1]), []);
          yield branch(hashOf(halves[0]), EMPTY, []);
        })
      ) neverFalseTree(tree, forged, probes(tree, source));
    }
  }),
);

Deno.test(
  "verify() refuses a path that is one level shorter",
  each((tree, source) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind === "branch") {
            yield node.left;
            yield node.right;
          }
        })
      ) neverFalseTree(tree, forged, probes(tree, source));
    }
  }),
);

Deno.test(
  "verify() refuses a left sibling equal to the current hash (CVE-2012-2459)",
  each((tree, source) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind !== "branch") return;
          const { left, right } = node;
          yield { ...node, left: right };
          yield { ...node, right: left };
          const [l, r] = [left, right].map((n) => rootOf(tree.scheme, n));
          if (left.kind !== "empty") yield { ...node, right: hashOf(l) };
          if (right.kind !== "empty") yield { ...node, left: hashOf(r) };
        })
      ) neverFalseTree(tree, forged, probes(tree, source));
    }
  }),
);

Deno.test("verify() refuses a terminator hash as the sibling of a lone leaf", () => {
  for (const family of ["nomt", "jam"]) {
    const source = random("lone leaf");
    const scheme = cheapScheme(family);
    const key = source.bytes(scheme.keyBytesMax);
    const value = source.bytes(32);
    const tree = new ModelTree(scheme, [[key, value]]);
    const lone = leaf(key, value);
    for (const padding of [EMPTY, hashOf(new Uint8Array(32))]) {
      for (const forged of [branch(lone, padding), branch(padding, lone)]) {
        // Even against the root that such a tree would have.
        const root = rootOf(scheme, forged);
        const proof = assemble(scheme, forged);
        refused(() => decodePartial(scheme, root, proof));
        refuses(tree, { keys: [key] }, proof);
      }
    }
  }
});

Deno.test("verify() refuses a NOMT terminal hash with an empty sibling", () => {
  const scheme = cheapScheme("nomt");
  const terminal = scheme.terminal(
    new Uint8Array(32),
    new Uint8Array(0),
    false,
  );
  for (
    const forged of [
      branch(hashOf(terminal), EMPTY),
      branch(EMPTY, hashOf(terminal)),
    ]
  ) {
    const proof = assemble(scheme, forged);
    const root = rootOf(scheme, forged);
    refused(() => decodePartial(scheme, root, proof), "lone");
  }
});

Deno.test("verifyKey() tells absent from a stored value of 32 zero bytes", () => {
  for (const scheme of cheapSchemes) {
    const source = random("zero value");
    const zero = new Uint8Array(32);
    const { entries } = someTree(scheme, source, 4);
    const tree = new ModelTree(scheme, [
      [entries[0][0], zero],
      ...entries.slice(1),
    ]);
    const key = entries[0][0];
    const verdict = verifyKey(scheme, tree.rootHash, key, proofOf(tree, key));
    assertEquals(verdict.status === "present" && verdict.value, zero);
    const honest = disassemble(scheme, proofOf(tree, key));
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind === "leaf" || node.kind === "slot") yield EMPTY;
        if (node.kind === "stem") yield EMPTY;
      })
    ) neverFalseTree(tree, forged, [key]);
    const without = new ModelTree(scheme, entries.slice(1));
    const absent = disassemble(scheme, proofOf(without, key));
    for (
      const forged of variants(absent, function* (node) {
        if (node.kind !== "empty") return;
        yield scheme.family === "eip7864"
          ? {
            kind: "stem",
            stem: key.slice(0, 31),
            slots: hashOf(cheapHash(zero)),
          }
          : leaf(key, zero);
        yield { kind: "slot", value: zero };
      })
    ) neverFalseTree(without, forged, [key]);
  }
});

// --- Too short --------------------------------------------------------------

Deno.test("verify() refuses an empty proof with the value's hash as root", () => {
  for (const scheme of cheapSchemes) {
    const key = new Uint8Array(scheme.keyBytesMin).fill(3);
    const value = new Uint8Array(32).fill(9);
    const root = cheapHash(value);
    const bare = [
      new Uint8Array(0),
      new Uint8Array([1, scheme.id]),
      new Uint8Array([1, scheme.id, 0, 0, 0, 0]),
      joined([1, scheme.id, 0, 0, 0, 0], value),
      assemble(scheme, { kind: "slot", value }),
    ];
    for (const proof of bare) {
      refused(() => verifyKey(scheme, root, key, proof));
    }
  }
});

Deno.test(
  "verify() refuses an empty proof as absence",
  each((tree) => {
    const [key] = tree.entries[0];
    const { scheme } = tree;
    refuses(tree, { keys: [key] }, assemble(scheme, EMPTY), "root");
    refuses(tree, { keys: [key] }, new Uint8Array([1, scheme.id]), "truncated");
    refuses(tree, { keys: [key] }, new Uint8Array(0), "version");
    refuses(tree, { keys: [key] }, new Uint8Array([1]), "scheme");
    refuses(
      tree,
      { keys: [key] },
      new Uint8Array([1, scheme.id, 0, 0, 0, 0]),
      "tags",
    );
  }),
);

Deno.test(
  "verify() refuses a terminal replaced by its parent's hash, at every depth",
  each((tree, source) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind !== "hash" && node.kind !== "empty") {
            yield hashOf(rootOf(tree.scheme, node));
          }
        })
      ) {
        const proof = assemble(tree.scheme, forged);
        refuses(tree, { keys: [key] }, proof);
        neverFalse(tree, proof, probes(tree, source));
      }
    }
  }),
);

Deno.test(
  "verifyKey() refuses absence of every present key, for every end at every depth (Dragonberry)",
  each((tree, source) => {
    const other = tree.entries.map(([k]) =>
      disassemble(tree.scheme, proofOf(tree, k))
    );
    const ends: Pruned[] = [EMPTY];
    const collect = (node: Pruned): void => {
      if (node.kind === "leaf" || node.kind === "stem") ends.push(node);
      if (node.kind === "branch") [node.left, node.right].forEach(collect);
    };
    other.forEach(collect);
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind !== "hash") yield* ends;
        })
      ) neverFalseTree(tree, forged, [key]);
    }
    neverFalseTree(tree, EMPTY, probes(tree, source));
  }),
);

// --- Unbound data -----------------------------------------------------------

Deno.test(
  "verify() refuses the value of terminal B for key A",
  each((tree) => {
    for (const [a] of tree.entries) {
      for (const [b, value] of tree.entries) {
        if (a === b) continue;
        refuses(tree, { keys: [a] }, proofOf(tree, b));
        const honest = disassemble(tree.scheme, proofOf(tree, a));
        for (
          const forged of variants(honest, function* (node) {
            if (node.kind === "leaf" || node.kind === "slot") {
              yield { ...node, value };
            }
            if (node.kind === "leaf") yield { ...node, key: b };
            if (node.kind === "stem") yield { ...node, stem: b.slice(0, 31) };
          })
        ) neverFalseTree(tree, forged, [a, b]);
      }
    }
  }),
);

Deno.test(
  "verify() refuses an element that replaces the running hash",
  each((tree, source) => {
    const root = hashOf(tree.rootHash);
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      for (const forged of variants(honest, () => [root])) {
        const proof = assemble(tree.scheme, forged);
        refuses(tree, { keys: [key] }, proof);
        neverFalse(tree, proof, probes(tree, source));
      }
      neverFalseTree(tree, branch(honest, root, []), [key]);
      neverFalseTree(tree, branch(root, honest, []), [key]);
    }
  }),
);

Deno.test(
  "verify() refuses siblings that are swapped or reordered",
  each((tree, source) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      const hashes: Uint8Array[] = [];
      [...variants(honest, (node) => {
        if (node.kind === "hash") hashes.push(node.hash);
        return [];
      })];
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind === "branch") {
            yield { ...node, left: node.right, right: node.left };
          }
          if (node.kind === "hash") yield* hashes.map(hashOf);
        })
      ) {
        if (
          rootOf(tree.scheme, forged).every((b, i) => b === tree.rootHash[i])
        ) {
          continue;
        }
        const proof = assemble(tree.scheme, forged);
        refuses(tree, { keys: [key] }, proof);
        neverFalse(tree, proof, probes(tree, source));
      }
    }
  }),
);

Deno.test(
  "verify() refuses a key changed in a bit below its depth",
  each((tree) => {
    for (const [key] of tree.entries) {
      const honest = disassemble(tree.scheme, proofOf(tree, key));
      const length = tree.scheme.family === "eip7864" ? 248 : 8 * key.length;
      for (let bit = length - 1; bit >= length - 40; bit--) {
        const wrong = flip(key, bit);
        for (
          const forged of variants(honest, function* (node) {
            if (node.kind === "leaf") yield { ...node, key: wrong };
            if (node.kind === "stem") {
              yield { ...node, stem: wrong.slice(0, 31) };
            }
          })
        ) neverFalseTree(tree, forged, [key, wrong]);
      }
    }
  }),
);

// --- Multi-proofs -----------------------------------------------------------

Deno.test(
  "verify() refuses leftover nodes after the tree is complete",
  each((tree) => {
    const { scheme, entries } = tree;
    const keys = [entries[0][0], entries[1][0]];
    const { tags, payload } = tagsAndPayload(
      scheme,
      disassemble(scheme, encodeProof(tree, { keys })),
    );
    const make = (moreTags: number[], more: number[]): Uint8Array =>
      joined(
        [1, scheme.id],
        treeBytes([...tags, ...moreTags], [...payload, ...more]),
      );
    const hash = [...tree.rootHash];
    for (
      const [moreTags, more] of [
        [[], [0]],
        [[], hash],
        [[1], hash],
        [[1, 1, 1, 1, 1], [hash, hash, hash, hash, hash].flat()],
        [[0, 0, 0, 0], []],
        [[2], []],
      ]
    ) refuses(tree, { keys }, make(moreTags, more));
  }),
);

Deno.test(
  "verify() refuses a key that stands in a tree twice with two values",
  each((tree, source) => {
    const { scheme } = tree;
    for (const [key, value] of tree.entries.slice(0, 4)) {
      const honest = disassemble(scheme, proofOf(tree, key));
      for (
        const forged of variants(honest, function* (node) {
          if (node.kind !== "leaf" && node.kind !== "stem") return;
          const second = node.kind === "leaf"
            ? { ...node, value: source.bytes(32) }
            : { ...node, slots: { kind: "slot", value } as const };
          yield branch(node, second, []);
          yield branch(second, node, []);
        })
      ) neverFalseTree(tree, forged, [key]);
    }
  }),
);

Deno.test(
  "verify() refuses terminals that are out of the order of their keys",
  each((tree) => {
    const { scheme, entries } = tree;
    const keys = entries.slice(0, 6).map(([key]) => key);
    const honest = disassemble(scheme, encodeProof(tree, { keys }));
    const terminals: Pruned[] = [];
    [...variants(honest, (node) => {
      if (node.kind === "leaf" || node.kind === "stem") terminals.push(node);
      return [];
    })];
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind === "leaf" || node.kind === "stem") {
          yield* terminals.filter((other) => other !== node);
        }
      })
    ) {
      refuses(tree, { keys }, assemble(scheme, forged));
      neverFalseTree(tree, forged, keys);
    }
  }),
);

Deno.test("verify() takes keys in any order, and twice", () => {
  for (const scheme of cheapSchemes) {
    const tree = someTree(scheme, random("order"));
    const keys = tree.entries.map(([key]) => key);
    const proof = encodeProof(tree, { keys });
    const shuffled = [...keys.toReversed(), keys[2], keys[2]];
    verify(scheme, tree.rootHash, { keys: shuffled }, proof);
    assertEquals(encodeProof(tree, { keys: shuffled }), proof);
  }
});

Deno.test("verify() refuses a tree where one path is a prefix of another", () => {
  const scheme = cheapScheme("eip8297");
  const value = new Uint8Array(32).fill(1);
  const [short, long] = [new Uint8Array([7]), new Uint8Array([7, 0])];
  for (const at of [0, 1]) {
    const pair = [leaf(short, value), leaf(long, value)];
    const bits = [0, 0, 0, 0, 0, 1, 1, 1];
    const forged = branch(pair[at], pair[1 - at], bits);
    const root = rootOf(scheme, forged);
    const proof = assemble(scheme, forged);
    refused(() => decodePartial(scheme, root, proof), "path");
  }
});

Deno.test(
  "verify() refuses a tree with a terminal at depth 1 (CVE-2023-34459)",
  each((tree, source) => {
    const { scheme } = tree;
    for (const [key, value] of tree.entries.slice(0, 4)) {
      const terminal: Pruned = scheme.family === "eip7864"
        ? {
          kind: "stem",
          stem: key.slice(0, 31),
          slots: { kind: "slot", value },
        }
        : leaf(key, value);
      for (const sibling of [hashOf(tree.rootHash), EMPTY, terminal]) {
        for (
          const forged of [
            terminal,
            branch(terminal, sibling, []),
            branch(sibling, terminal, []),
          ]
        ) neverFalseTree(tree, forged, probes(tree, source));
      }
    }
  }),
);

Deno.test(
  "verify() refuses an unrelated node, opened or added",
  each((tree, source) => {
    const { scheme, entries } = tree;
    const [a, b] = [entries[0][0], entries[entries.length - 1][0]];
    refuses(tree, { keys: [a] }, proofOf(tree, a, b));
    refuses(tree, { keys: [a, b] }, proofOf(tree, a));
    refuses(tree, { keys: [a, b] }, proofOf(tree, b));
    refuses(tree, { keys: [a] }, encodeProof(tree, { ranges: [{}] }));
    refuses(tree, { ranges: [{}] }, proofOf(tree, a, b), "unopened");
    refuses(tree, {}, proofOf(tree, a), "unasked");
    // True all the same: the general reader takes it.
    decodePartial(scheme, tree.rootHash, proofOf(tree, a, b));
    neverFalse(tree, proofOf(tree, a, b), probes(tree, source));
  }),
);

Deno.test(
  "verify() refuses a node that is written twice",
  each((tree) => {
    const { scheme, entries } = tree;
    const keys = entries.slice(0, 3).map(([key]) => key);
    const honest = disassemble(scheme, encodeProof(tree, { keys }));
    for (
      const forged of variants(honest, function* (node) {
        yield branch(node, node, []);
        if (node.kind === "branch") {
          yield { ...node, left: node };
          yield { ...node, right: node };
        }
      })
    ) {
      refuses(tree, { keys }, assemble(scheme, forged));
      neverFalseTree(tree, forged, keys);
    }
  }),
);
