// Forged proofs, one test for each class of docs/proofs.md: build an honest
// tree, craft the proof, expect a refusal or the truth. EIP-7864's own
// forgeries are in eip7864_forgery_test.ts, witnesses in witness_test.ts.

import { assertEquals } from "@std/assert";
import type { Scheme } from "@stemma/verify";
import { bitAt, decodePartial, verify, verifyKey } from "@stemma/verify";
import { encodeProof } from "../../src/prove.ts";
import { type Random, random } from "../_amount.ts";
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
import { cheapHash, cheapScheme, cheapSchemes, withHash } from "./_support.ts";

/** Keys that share their first bits in pairs, quads and so on. */
function someTree(scheme: Scheme, source: Random, count = 12): ModelTree {
  const first = source.bytes(32);
  return new ModelTree(
    scheme,
    Array.from({ length: count }, (_, i) => {
      const key = source.bytes(Math.min(32, scheme.keyBytesMax));
      if (i % 3) key[0] = first[0];
      if (i % 3 > 1) key.set(first.subarray(0, 3));
      key[4] = i;
      return [key, source.bytes(32)] as const;
    }),
  );
}

function proofOf(tree: ModelTree, ...keys: Uint8Array[]): Uint8Array {
  return encodeProof(tree, { keys });
}

/** Present keys, and absent ones near them. */
function probes(tree: ModelTree, source: Random): Uint8Array[] {
  const present = tree.entries.map(([key]) => key);
  return [
    ...present,
    ...present.map((key) => flip(key, source.int(8 * key.length))),
  ];
}

function each(run: (tree: ModelTree, source: Random) => void): () => void {
  return () => {
    for (const scheme of cheapSchemes) {
      const source = random(`negative ${scheme.name}`);
      run(someTree(scheme, source), source);
    }
  };
}

/** Preimages of every node of a tree, by hash. */
function preimages(tree: ModelTree): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const hash = (message: Uint8Array): Uint8Array => {
    const out = cheapHash(message);
    found.set(out.toHex(), message.slice());
    return out;
  };
  new ModelTree(withHash(tree.scheme, hash), tree.entries).rootHash;
  return found;
}

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

// --- Malleability -----------------------------------------------------------

Deno.test(
  "verify() accepts one string of bytes for a claim: any other shape is refused",
  each((tree, source) => {
    const { scheme, entries } = tree;
    const keys = [entries[1][0], flip(entries[2][0], 60)];
    const proof = encodeProof(tree, { keys });
    const honest = disassemble(scheme, proof);
    assertEquals(assemble(scheme, honest), proof);
    const full = disassemble(scheme, encodeProof(tree, { ranges: [{}] }));
    const opened = new Map<string, Pruned>();
    [...variants(full, (node) => {
      opened.set(rootOf(scheme, node).toHex(), node);
      return [];
    })];
    let shapes = 0;
    for (
      const other of variants(honest, function* (node) {
        const hash = rootOf(scheme, node);
        if (node.kind === "hash") {
          const open = opened.get(hash.toHex());
          if (open) yield open;
        } else if (node.kind !== "empty") yield hashOf(hash);
        if (node.kind === "leaf" && !scheme.valueBytes) {
          const { value, hashed } = node;
          if (!hashed) {
            yield { ...node, value: scheme.hash(value), hashed: true };
          }
        }
      })
    ) {
      shapes++;
      if (isHashForm(other, keys)) continue;
      refuses(tree, { keys }, assemble(scheme, other));
      neverFalseTree(tree, other, probes(tree, source));
    }
    assertEquals(shapes > 3, true);
  }),
);

/** Whether a wanted value stands as its hash: the one claim of its own. */
function isHashForm(tree: Pruned, keys: readonly Uint8Array[]): boolean {
  const found = [...variants(tree, function* (node) {
    if (node.kind === "leaf" && node.hashed) {
      if (keys.some((key) => key.toHex() === node.key.toHex())) yield node;
    }
  })];
  return found.length > 0;
}

Deno.test("get() gives no value that matches when a short value stands as its hash", () => {
  for (const family of ["nomt", "jam"]) {
    const scheme = cheapScheme(family);
    const tree = someTree(scheme, random("hash form"));
    const key = tree.entries[0][0];
    const value = new Uint8Array(500).fill(4);
    const long = new ModelTree(scheme, [
      [key, value],
      ...tree.entries.slice(1),
    ]);
    const honest = disassemble(scheme, proofOf(long, key));
    const [forged] = variants(honest, function* (node) {
      if (node.kind === "leaf") {
        yield { ...node, value: scheme.hash(value), hashed: true };
      }
    });
    const proof = assemble(scheme, forged);
    const verdict = verifyKey(scheme, long.rootHash, key, proof);
    assertEquals(verdict.status === "present" && verdict.matches(value), false);
    const partial = decodePartial(scheme, long.rootHash, proof).get(key);
    assertEquals(partial.status === "present" && partial.matches(value), true);
  }
});

Deno.test(
  "verify() refuses a count of tags that is off by one, or overlong",
  each((tree) => {
    const keys = [tree.entries[0][0]];
    const proof = encodeProof(tree, { keys });
    for (const delta of [-1, 1]) {
      const wrong = proof.slice();
      wrong[5] += delta;
      refuses(tree, { keys }, wrong);
    }
    const head = proof.subarray(0, 6);
    const tags = proof.subarray(6, 6 + proof[5]);
    const payload = proof.subarray(6 + proof[5]);
    const longer = joined(head, tags, [0], payload);
    longer[5]++;
    refuses(tree, { keys }, longer, "trailing");
    for (const at of [2, 3, 4]) {
      const huge = proof.slice();
      huge[at] = 0xff;
      refuses(tree, { keys }, huge, at < 4 ? "limit" : undefined);
    }
  }),
);

Deno.test(
  "verify() refuses bits after the last tag",
  each((tree) => {
    for (const [key] of tree.entries) {
      const proof = proofOf(tree, key);
      const { tags } = tagsAndPayload(
        tree.scheme,
        disassemble(tree.scheme, proof),
      );
      const used = 2 * tags.length;
      const end = 8 * proof[5];
      for (let bit = used; bit < end; bit++) {
        refuses(tree, { keys: [key] }, flip(proof, 48 + bit), "tags");
      }
    }
  }),
);

Deno.test(
  "verify() refuses a sibling of zeros written as a hash",
  each((tree) => {
    for (const [key] of tree.entries) {
      const absent = flip(key, 30);
      for (const asked of [key, absent]) {
        const honest = disassemble(tree.scheme, proofOf(tree, asked));
        for (
          const forged of variants(honest, function* (node) {
            if (node.kind === "empty") yield hashOf(new Uint8Array(32));
          })
        ) {
          const proof = assemble(tree.scheme, forged);
          refuses(tree, { keys: [asked] }, proof, "zero-hash");
          refused(
            () => decodePartial(tree.scheme, tree.rootHash, proof),
            "zero-hash",
          );
        }
      }
    }
  }),
);

Deno.test("verify() refuses an empty place padded with 1 to n empty levels", () => {
  for (const scheme of cheapSchemes) {
    const empty = new ModelTree(scheme, []);
    const key = new Uint8Array(scheme.keyBytesMin).fill(1);
    let padded: Pruned = EMPTY;
    for (let levels = 1; levels < 20; levels++) {
      padded = branch(padded, EMPTY, []);
      refuses(empty, { keys: [key] }, assemble(scheme, padded));
    }
    const tree = someTree(scheme, random("padding"));
    const honest = disassemble(
      scheme,
      proofOf(tree, flip(tree.entries[0][0], 90)),
    );
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind === "empty") yield branch(EMPTY, EMPTY, []);
      })
    ) {
      const proof = assemble(scheme, forged);
      refused(() => decodePartial(scheme, tree.rootHash, proof));
    }
  }
});

Deno.test("verify() refuses JAM left hashes with their first bit set", () => {
  const tree = someTree(cheapScheme("jam"), random("jam bits"));
  let tried = 0;
  for (const [key] of tree.entries) {
    const honest = disassemble(tree.scheme, proofOf(tree, key));
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind === "branch" && node.left.kind === "hash") {
          yield { ...node, left: hashOf(flip(node.left.hash, 0)) };
        }
      })
    ) {
      tried++;
      const proof = assemble(tree.scheme, forged);
      refuses(tree, { keys: [key] }, proof, "left-bit");
    }
  }
  assertEquals(tried > 5, true);
});

Deno.test("verify() refuses JAM leaves of sizes 33 to 63, or with dirty padding", () => {
  const scheme = cheapScheme("jam");
  const key = new Uint8Array(31).fill(5);
  // The 64 bytes of leaves that no tree has, as roots.
  for (let size = 0; size < 64; size++) {
    const node = new Uint8Array(64);
    node[0] = 0x80 | size;
    node.set(key, 1);
    node.fill(1, 32, 32 + Math.min(size, 32));
    if (size < 32) node[63] = 1;
    const root = scheme.hash(node);
    const fakes = [leaf(key, node.slice(32))];
    if (size < 32) fakes.push(leaf(key, node.slice(32, 32 + size)));
    fakes.push(leaf(key, node.slice(32), true));
    for (const fake of fakes) {
      if (size === 32 && fake.kind === "leaf" && !fake.hashed) continue;
      const proof = assemble(scheme, fake);
      refused(() => verifyKey(scheme, root, key, proof), "root");
    }
  }
});

Deno.test("get() takes no value of 32 bytes or less for a long JAM leaf", () => {
  const scheme = cheapScheme("jam");
  const key = new Uint8Array(31).fill(5);
  const value = new Uint8Array(20).fill(6);
  const fake = leaf(key, scheme.hash(value), true);
  const root = rootOf(scheme, fake);
  const verdict = decodePartial(scheme, root, assemble(scheme, fake)).get(key);
  assertEquals(verdict.status === "present" && verdict.matches(value), false);
});

Deno.test("verify() refuses values in a form that is not theirs", () => {
  for (const family of ["nomt", "jam"]) {
    const scheme = cheapScheme(family);
    const key = new Uint8Array(scheme.keyBytesMax).fill(5);
    const make = (form: number, size: number[], value: number[]): Uint8Array =>
      joined(
        [1, scheme.id],
        treeBytes([3, form], [...size, ...key, ...value]),
      );
    const value32 = new Array<number>(32).fill(1);
    const long = new Array<number>(1025).fill(1);
    const root = scheme.terminal(key, new Uint8Array(value32), false);
    const longRoot = scheme.terminal(key, new Uint8Array(long), false);
    const check = (against: Uint8Array, proof: Uint8Array, code?: string) =>
      refused(() => decodePartial(scheme, against, proof), code);
    decodePartial(scheme, root, make(1, [], value32));
    check(root, make(2, [0, 32], value32), "form");
    check(root, make(3, [], value32), "form");
    check(longRoot, make(2, [4, 1], long), "form");
    check(longRoot, make(2, [4, 2], long), "form");
  }
});

Deno.test("verify() refuses values where only their hashes belong", () => {
  for (const family of ["nomt", "jam"]) {
    const scheme = cheapScheme(family);
    const source = random("form");
    const key = source.bytes(scheme.keyBytesMax);
    const value = source.bytes(40);
    const tree = new ModelTree(scheme, [[key, value]]);
    const absent = flip(key, 9);
    const query = { keys: [absent] };
    refuses(tree, query, assemble(scheme, leaf(key, value)), "form");
    const hash = leaf(key, scheme.hash(value), true);
    verify(scheme, tree.rootHash, query, assemble(scheme, hash));
  }
});

Deno.test("verify() refuses EIP-8297 prefixes that are dirty, long, or not the node's", () => {
  const tree = someTree(cheapScheme("eip8297"), random("prefix"));
  const { scheme } = tree;
  const keys = [tree.entries[0][0]];
  const honest = disassemble(scheme, encodeProof(tree, { keys }));
  for (
    const forged of variants(honest, function* (node) {
      if (node.kind !== "branch") return;
      const prefix = node.prefix!;
      yield { ...node, prefix: [...prefix, 0] };
      if (prefix.length) {
        yield { ...node, prefix: prefix.slice(1) };
        yield { ...node, prefix: prefix.with(0, 1 - prefix[0]) };
      }
      yield branch(node, EMPTY, []);
    })
  ) refuses(tree, { keys }, assemble(scheme, forged));
  const value = new Uint8Array(32);
  const [a, b] = [new Uint8Array([0b10100000]), new Uint8Array([0b10110000])];
  const bits = [1, 0, 1];
  const fork = branch(leaf(a, value), leaf(b, value), bits);
  const root = rootOf(scheme, fork);
  const clean = assemble(scheme, fork);
  decodePartial(scheme, root, clean);
  const dirty = clean.slice();
  dirty[9] |= 1;
  refused(() => decodePartial(scheme, root, dirty), "padding");
  const long = assemble(
    scheme,
    branch(EMPTY, EMPTY, new Array(65_535).fill(0)),
  );
  refused(() => decodePartial(scheme, root, long));
});

Deno.test("verify() refuses trees deeper than their keys", () => {
  for (const scheme of cheapSchemes) {
    if (scheme.family === "eip8297") continue;
    const bits = scheme.family === "eip7864" ? 248 : 8 * scheme.keyBytesMax;
    let deep: Pruned = hashOf(new Uint8Array(32).fill(1));
    for (let depth = 0; depth < bits; depth++) {
      deep = branch(deep, hashOf(new Uint8Array(32).fill(2)));
    }
    decodePartial(scheme, rootOf(scheme, deep), assemble(scheme, deep));
    const deeper = branch(deep, EMPTY);
    const proof = assemble(scheme, deeper);
    refused(
      () => decodePartial(scheme, rootOf(scheme, deeper), proof),
      "depth",
    );
  }
  const scheme = cheapScheme("eip8297");
  const deep = branch(
    branch(
      hashOf(new Uint8Array(32).fill(1)),
      hashOf(cheapHash(new Uint8Array(1))),
      [1],
    ),
    hashOf(new Uint8Array(32).fill(2)),
    new Array(65_535).fill(0),
  );
  const proof = assemble(scheme, deep);
  refused(() => decodePartial(scheme, rootOf(scheme, deep), proof), "depth");
});

Deno.test("verify() refuses EIP-8297 keys of no or too many bytes", () => {
  const scheme = cheapScheme("eip8297");
  const value = new Uint8Array(32);
  for (const length of [0, 8193]) {
    const fake = leaf(new Uint8Array(length), value);
    const proof = assemble(scheme, fake);
    refused(() => decodePartial(scheme, rootOf(scheme, fake), proof), "key");
  }
});

// --- Roots and context ------------------------------------------------------

Deno.test(
  "verify() refuses a zero, short, long or missing root (Nomad)",
  each((tree, source) => {
    const { scheme } = tree;
    const key = tree.entries[0][0];
    const proof = proofOf(tree, key);
    const zero = new Uint8Array(32);
    refused(() => verifyKey(scheme, zero, key, proof), "root");
    const bad = [
      new Uint8Array(0),
      tree.rootHash.slice(1),
      joined(tree.rootHash, [0]),
      undefined,
      null,
      tree.rootHash.toHex(),
      [...tree.rootHash],
    ];
    for (const root of bad) {
      refused(() => verifyKey(scheme, root as Uint8Array, key, proof), "input");
    }
    for (const [present] of tree.entries) {
      const forged = disassemble(scheme, proofOf(tree, present));
      refused(() => verifyKey(scheme, zero, present, assemble(scheme, forged)));
    }
    refused(() => verifyKey(scheme, source.bytes(32), key, proof), "root");
  }),
);

Deno.test(
  "verify() refuses a proof of another scheme or another version",
  each((tree) => {
    const keys = [tree.entries[0][0]];
    const proof = encodeProof(tree, { keys });
    for (let byte = 0; byte < 256; byte++) {
      if (byte !== 1) {
        refuses(tree, { keys }, joined([byte], proof.slice(1)), "version");
      }
      if (byte === tree.scheme.id) continue;
      const other = proof.slice();
      other[1] = byte;
      refuses(tree, { keys }, other, "scheme");
    }
  }),
);

Deno.test("verify() tells (x, 0) from (0, x) at each level", () => {
  for (const scheme of cheapSchemes) {
    if (scheme.family === "eip8297") continue;
    const source = random("sides");
    const first = source.bytes(scheme.keyBytesMax);
    const bits = scheme.family === "eip7864" ? 248 : 8 * first.length;
    const second = flip(first, bits - 1);
    const tree = new ModelTree(
      scheme,
      [first, second].map((key) => [key, source.bytes(32)]),
    );
    const honest = disassemble(scheme, proofOf(tree, first));
    let levels = 0;
    for (
      const forged of variants(honest, function* (node) {
        if (node.kind !== "branch" || node.left.kind === node.right.kind) {
          return;
        }
        if (node.left.kind === "empty" || node.right.kind === "empty") {
          levels++;
          yield { ...node, left: node.right, right: node.left };
        }
      })
    ) neverFalseTree(tree, forged, [first, second, flip(first, levels - 1)]);
    assertEquals(levels >= bits - 1, true);
    assertEquals(bitAt(first, bits - 1) !== bitAt(second, bits - 1), true);
  }
});

Deno.test(
  "verify() refuses keys of the wrong length and ranges that are empty",
  each((tree) => {
    const { scheme, rootHash } = tree;
    const key = tree.entries[0][0];
    const proof = proofOf(tree, key);
    const ask = (query: unknown): unknown =>
      verify(scheme, rootHash, query as never, proof);
    const wrong = scheme.keyBytesMax > 32
      ? [new Uint8Array(0), new Uint8Array(8193)]
      : [key.slice(1), joined(key, [0])];
    for (const bad of wrong) {
      refused(() => ask({ keys: [bad] }), "key");
      refused(() => ask({ ranges: [{ gte: bad }] }), "key");
      refused(() => ask({ ranges: [{ lt: bad }] }), "key");
    }
    refused(() => ask({ ranges: [{ gte: key, lt: key }] }), "query");
    const zero = new Uint8Array(scheme.keyBytesMin);
    refused(() => ask({ ranges: [{ lt: zero }] }), "query");
    refused(() => ask({ keys: ["key"] }), "input");
  }),
);
