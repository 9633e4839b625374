// Other bytes for the same claim, and claims against roots, schemes and versions
// that are not theirs: one test for each class of docs/proofs.md.

import { assertEquals } from "@std/assert";
import { bitAt, decodePartial, verify, verifyKey } from "@stemma/verify";
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
import { flip, joined, neverFalseTree, refused, refuses } from "./_refuse.ts";
import { cheapHash, cheapScheme, cheapSchemes } from "./_support.ts";
import { each, probes, proofOf, someTree } from "./_forging.ts";

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
