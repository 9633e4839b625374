// The schemes on their own: published roots through the pure functions, proofs
// of every published tree, look-up by name and byte.

import { assert, assertEquals } from "@std/assert";
import {
  bitAt,
  packBits,
  ProofError,
  schemeById,
  schemeByName,
  schemes,
  StemmaError,
  verify,
} from "@stemma/verify";
import { encodeProof } from "./_prove.ts";
import {
  eip7864Vectors,
  eip8297Vectors,
  jamTrieVectors,
  nomtVectors,
  type RootVector,
} from "../_vectors.ts";
import { type Entry, ModelTree } from "./_model_tree.ts";

/** Checks root and proofs of one published tree under each of its schemes. */
function checkVector({ name, entries, root }: RootVector): void {
  const last = new Map(entries.map((entry) => [entry[0].toHex(), entry]));
  const list: Entry[] = [...last.values()];
  for (const [schemeName, expected] of Object.entries(root)) {
    const scheme = schemeByName(schemeName)!;
    const tree = new ModelTree(scheme, list);
    assertEquals(tree.rootHash, expected, `${schemeName} ${name}`);
    const keys = list.map(([key]) => key).slice(0, 20);
    const zero = scheme.family === "eip7864" &&
      list.some(([key]) => key.subarray(0, 31).every((byte) => !byte));
    if (zero) continue;
    const proof = encodeProof(tree, { keys });
    const partial = verify(scheme, expected, { keys }, proof);
    for (const key of keys) assertEquals(partial.get(key).status, "present");
  }
}

Deno.test("nomtBlake3 and nomtSha256 give NOMT's roots, and proofs of them", () => {
  const { sets, golden } = nomtVectors();
  [...sets, ...golden.slice(0, 3)].forEach(checkVector);
});

Deno.test("jamBlake2b gives the Gray Paper's roots, and proofs of them", () => {
  jamTrieVectors().forEach(checkVector);
});

Deno.test("eip8297Blake3 gives the execution specs' roots, and proofs of them", () => {
  eip8297Vectors().forEach(checkVector);
});

Deno.test("eip7864Sha256 and eip7864Blake3 give EIP-7864's roots, and proofs of them", () => {
  const { trees, gethGenesis } = eip7864Vectors();
  checkVector(gethGenesis);
  for (const { name, operations, root } of trees) {
    const map = new Map<string, Entry>();
    for (const { key, value } of operations) {
      if (value) map.set(key.toHex(), [key, value]);
      else map.delete(key.toHex());
    }
    checkVector({ name, entries: [...map.values()], root });
  }
});

Deno.test("schemeByName() and schemeById() find every scheme and no other", () => {
  for (const scheme of schemes) {
    assertEquals(schemeByName(scheme.name), scheme);
    assertEquals(schemeById(scheme.id), scheme);
  }
  assertEquals(schemes.map(({ id }) => id), [1, 2, 3, 4, 5, 6]);
  assertEquals(schemeByName("nomt"), undefined);
  assertEquals(schemeById(0), undefined);
});

Deno.test("lift() and branch() agree over one-child levels", () => {
  const key = new Uint8Array(32).fill(0b10110010);
  const [l, r] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const zero = new Uint8Array(32);
  for (const scheme of schemes) {
    const low = scheme.branch(l, r, key, 9, 9);
    if (scheme.family === "eip8297") {
      assertEquals(scheme.lift(low, key, 9, 3), low);
      continue;
    }
    let lifted = low;
    for (let depth = 8; depth >= 3; depth--) {
      const pair = bitAt(key, depth) ? [zero, lifted] : [lifted, zero];
      lifted = scheme.branch(pair[0], pair[1], key, depth, depth);
    }
    assertEquals(scheme.lift(low, key, 9, 3), lifted);
    assertEquals(scheme.branch(l, r, key, 9, 3), lifted);
  }
});

Deno.test("branch() of two empty children is empty in EIP-7864", () => {
  const zero = new Uint8Array(32);
  const scheme = schemeByName("eip7864-sha256")!;
  assertEquals(scheme.branch(zero, zero, zero, 0, 0), zero);
  assertEquals(scheme.lift(zero, zero, 256, 248), zero);
});

Deno.test("packBits() packs from the top and pads with zeros", () => {
  const key = new Uint8Array([0b10110010, 0b11111111]);
  assertEquals(packBits(key, 0, 0), new Uint8Array(0));
  assertEquals(packBits(key, 2, 5), new Uint8Array([0b11001000]));
  assertEquals(packBits(key, 7, 9), new Uint8Array([0b01111111, 0b10000000]));
});

Deno.test("ProofError is a StemmaError with a code", () => {
  const error = new ProofError("root", "Proof refused: root", { cause: 1 });
  assert(error instanceof StemmaError);
  assertEquals([error.name, error.code, error.cause], [
    "ProofError",
    "root",
    1,
  ]);
  assertEquals(new StemmaError("x", "y").name, "StemmaError");
});
