// Every known root through the engine: in one commit and in many, over small
// and large pages, with proofs of every key and of absent ones.

import { assertEquals } from "@std/assert";
import { random } from "../_amount.ts";
import {
  eip7864Vectors,
  eip8297Vectors,
  jamTrieVectors,
  nomtVectors,
  type RootVector,
} from "../_vectors.ts";
import {
  assertMultiProof,
  assertProofs,
  commit,
  isUnprovable,
  openSmall,
  pageBytesMin,
  SCHEMES,
  type Write,
} from "./_store.ts";

/** Writes in order and the roots that they lead to. */
interface Vector {
  readonly name: string;
  readonly writes: readonly Write[];
  readonly root: Readonly<Record<string, Uint8Array>>;
}

/** Proofs of single keys a vector at most; all keys are in the multi-proof. */
const SINGLE_PROOFS_MAX = 150;
/** Commits a vector at most, when it is cut into batches. */
const COMMITS_MAX = 200;

function sets(vectors: readonly RootVector[]): Vector[] {
  return vectors.map(({ name, entries, root }) => ({
    name,
    writes: entries,
    root,
  }));
}

async function assertRoot(
  { name, writes, root }: Vector,
  scheme: string,
  pageBytes: number,
  batch: number,
): Promise<void> {
  await using db = await openSmall({
    scheme: SCHEMES[scheme],
    pageBytes,
    cacheBytes: 0,
  });
  for (let i = 0; i < writes.length; i += batch) {
    await commit(db, writes.slice(i, i + batch));
  }
  const context = `${name}, ${scheme}, pages of ${pageBytes}, by ${batch}`;
  assertEquals(db.root.toHex(), root[scheme].toHex(), context);
}

async function assertRoots(vector: Vector): Promise<void> {
  const count = vector.writes.length;
  const least = Math.max(1, Math.ceil(count / COMMITS_MAX));
  const batches = [...new Set([count, least, 3 * least, 17 * least])]
    .filter((batch) => batch <= count);
  for (const scheme of Object.keys(vector.root)) {
    for (
      let pageBytes = pageBytesMin(SCHEMES[scheme]);
      pageBytes <= 32768;
      pageBytes *= 2
    ) {
      for (const batch of batches) {
        await assertRoot(vector, scheme, pageBytes, batch || 1);
      }
    }
  }
}

async function assertVectorProofs(vector: Vector): Promise<void> {
  for (const name of Object.keys(vector.root)) {
    const scheme = SCHEMES[name], draw = random(`${vector.name} ${name}`);
    await using db = await openSmall({ scheme });
    await commit(db, vector.writes);
    const state = new Map<string, Uint8Array>();
    for (const [key, value] of vector.writes) {
      if (value === undefined) state.delete(key.toHex());
      else state.set(key.toHex(), value);
    }
    const written = [...new Set(vector.writes.map(([key]) => key.toHex()))]
      .map((text) => Uint8Array.fromHex(text));
    const keys = [...written, ...neighbours(written, scheme.family)];
    // Nothing can be proven beside the all-zero stem (rule R4).
    if (written.some((key) => isUnprovable(scheme, key))) continue;
    const expected = (key: Uint8Array) => state.get(key.toHex());
    using head = db.snapshot();
    for (const key of keys) {
      assertEquals(head.get(key)?.toHex(), expected(key)?.toHex());
    }
    const some = draw.shuffle([...keys]).slice(0, SINGLE_PROOFS_MAX);
    assertProofs(scheme, head, some, expected);
    assertMultiProof(scheme, head, keys, expected);
  }
}

/** Keys beside those of the vector: one bit changed somewhere. */
function neighbours(keys: readonly Uint8Array[], family: string): Uint8Array[] {
  const draw = random(`neighbours ${family}`);
  return keys.map((key) => {
    const other = key.slice();
    const bit = draw.int(8 * key.length);
    other[bit >> 3] ^= 0x80 >> (bit & 7);
    return other;
  });
}

function testVectors(what: string, vectors: readonly Vector[]): void {
  Deno.test(`open() reaches ${what} in batches and pages of every size`, async () => {
    for (const vector of vectors) await assertRoots(vector);
  });
  Deno.test(`prove() proves every key and absent ones of ${what}`, async () => {
    for (const vector of vectors) await assertVectorProofs(vector);
  });
}

const { golden, sets: nomtSets } = nomtVectors();
const { trees, gethGenesis } = eip7864Vectors();

testVectors("NOMT's golden roots", sets(golden));
testVectors("NOMT's roots of sets", sets(nomtSets));
testVectors(
  "EIP-7864's roots",
  trees.map(({ name, operations, root }) => ({
    name,
    writes: operations.map(({ key, value }) => [key, value] as const),
    root,
  })),
);
testVectors("geth's EIP-7864 genesis root", sets([gethGenesis]));
testVectors("EIP-8297's roots", sets(eip8297Vectors()));
testVectors("the roots of JAM Merklization", sets(jamTrieVectors()));
