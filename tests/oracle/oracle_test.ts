// The oracle against every known root, and its count of changed nodes against
// a count made by marking every node of both trees.

import { assertEquals, assertGreater, assertThrows } from "@std/assert";
import { amount, random } from "../_amount.ts";
import {
  eip7864Vectors,
  eip8297Vectors,
  hasJamTrace,
  JAM_TRACES,
  jamTrace,
  jamTrieVectors,
  nomtVectors,
  type RootVector,
} from "../_vectors.ts";
import { blake2b256, blake3, sha256 } from "./hashes.ts";
import {
  drawEntries,
  drawKeys,
  drawValue,
  type Entry,
  KEY_KINDS,
  oracleChanged,
  oracleChangedNodes,
  oracleRoot,
  SCHEME_NAMES,
} from "./mod.ts";
import { markedNodes } from "./_marked.ts";

function assertRoots(vectors: readonly RootVector[]): void {
  assertGreater(vectors.length, 0);
  for (const { name, entries, root } of vectors) {
    const state = new Map(entries.map((entry) => [entry[0].toHex(), entry]));
    for (const [scheme, expected] of Object.entries(root)) {
      const actual = oracleRoot(scheme, state.values());
      assertEquals(actual, expected, `${name} ${scheme}`);
    }
  }
}

Deno.test("oracle hashes give the published digests of the empty string", () => {
  const empty = new Uint8Array(0);
  assertEquals(sha256(empty).toHex().slice(0, 16), "e3b0c44298fc1c14");
  assertEquals(blake3(empty).toHex().slice(0, 16), "af1349b9f5f9a1a6");
  assertEquals(blake2b256(empty).toHex().slice(0, 16), "0e5751c026e543b2");
});

Deno.test("oracleRoot() gives NOMT's roots", () => {
  assertRoots(nomtVectors().sets);
  assertRoots(nomtVectors().golden);
});

Deno.test("oracleRoot() gives EIP-7864's roots", () => {
  const { trees, gethGenesis } = eip7864Vectors();
  assertRoots([gethGenesis]);
  assertRoots(trees.map(({ name, operations, root }) => {
    const state = new Map<string, Entry>();
    for (const { key, value } of operations) {
      if (value === undefined) state.delete(key.toHex());
      else state.set(key.toHex(), [key, value]);
    }
    return { name, entries: [...state.values()], root };
  }));
});

Deno.test("oracleRoot() gives EIP-8297's roots", () => {
  assertRoots(eip8297Vectors());
});

Deno.test("oracleRoot() gives the roots of JAM Merklization", () => {
  assertRoots(jamTrieVectors());
});

for (const name of JAM_TRACES) {
  Deno.test({
    name: `oracleRoot() gives the state roots of the JAM trace ${name}`,
    ignore: !hasJamTrace(name),
    fn() {
      const trace = jamTrace(name);
      const state = new Map<string, Entry>();
      for (const [key, value] of trace.genesis) {
        state.set(key.toHex(), [key, value]);
      }
      const root = () => oracleRoot("jam-blake2b", state.values());
      assertEquals(root(), trace.genesisRoot);
      for (const block of trace.blocks) {
        for (const [key, value] of block.set) {
          state.set(key.toHex(), [key, value]);
        }
        for (const key of block.delete) state.delete(key.toHex());
        assertEquals(root(), block.root);
      }
    },
  });
}

Deno.test("oracleRoot() refuses a scheme that it does not know", () => {
  assertThrows(() => oracleRoot("nomt-md5", []), RangeError, "nomt-md5");
});

Deno.test("oracleRoot() refuses keys of which one is a prefix of another", () => {
  const value = new Uint8Array(32);
  const entries: Entry[] = [
    [Uint8Array.of(1), value],
    [Uint8Array.of(1, 2), value],
  ];
  assertThrows(() => oracleRoot("eip8297-blake3", entries), RangeError);
});

Deno.test("oracleChanged() counts nothing when nothing changes", () => {
  for (const scheme of SCHEME_NAMES) {
    const entries = drawEntries(scheme, "mixed", 50, random("same"));
    assertEquals(oracleChangedNodes(scheme, entries, entries), 0);
    assertEquals(oracleChangedNodes(scheme, entries, []), 0);
  }
});

Deno.test("oracleChanged() counts one slot of a full stem as its path", () => {
  const slots: Entry[] = Array.from({ length: 256 }, (_, slot) => {
    const key = new Uint8Array(32).fill(7);
    key[31] = slot;
    return [key, new Uint8Array(32).fill(slot)];
  });
  const after = slots.with(9, [slots[9][0], new Uint8Array(32).fill(99)]);
  assertEquals(
    oracleChanged("eip7864-sha256", slots, after),
    { levels: 8, terminals: 1, values: 1 },
  );
});

Deno.test("oracleChanged() counts one-child levels when two keys share 255 bits", () => {
  const [a, b] = [new Uint8Array(32), new Uint8Array(32)];
  b[31] = 1;
  const one: Entry[] = [[a, Uint8Array.of(1)]];
  const two: Entry[] = [...one, [b, Uint8Array.of(2)]];
  assertEquals(
    oracleChanged("nomt-blake3", one, two),
    { levels: 256, terminals: 1, values: 1 },
  );
  assertEquals(
    oracleChanged("nomt-blake3", two, one),
    { levels: 0, terminals: 0, values: 0 },
  );
});

for (const scheme of SCHEME_NAMES) {
  Deno.test(`oracleChanged() agrees with marking every node under ${scheme}`, () => {
    for (let run = 0; run < amount(40); run++) {
      const draw = random(`changed ${scheme} ${run}`);
      const kind = draw.pick(KEY_KINDS);
      const keys = drawKeys(scheme, kind, 2 + draw.int(60), draw);
      const state = (): Entry[] =>
        keys.filter(() => draw.chance(0.7))
          .map((key) => [key, drawValue(scheme, draw, 64)]);
      const before = state();
      const after = draw.chance(0.5) ? state() : before
        .filter(() => draw.chance(0.9))
        .map(([key, value]) =>
          draw.chance(0.1) ? [key, drawValue(scheme, draw, 64)] : [key, value]
        );
      assertEquals(
        oracleChanged(scheme, before, after as Entry[]),
        markedNodes(scheme, before, after as Entry[]),
        `run ${run}, ${kind}`,
      );
    }
  });
}

for (const scheme of SCHEME_NAMES) {
  Deno.test(`drawKeys() gives distinct keys that ${scheme} takes`, () => {
    for (const kind of KEY_KINDS) {
      const draw = random(`keys ${scheme} ${kind}`);
      const entries = drawEntries(scheme, kind, 100, draw);
      assertGreater(entries.length, 1, kind);
      assertEquals(oracleRoot(scheme, entries).length, 32);
      const bytes = scheme.startsWith("jam") ? 31 : 32;
      for (const [key] of entries) {
        if (!scheme.startsWith("eip8297")) assertEquals(key.length, bytes);
      }
    }
  });
}
