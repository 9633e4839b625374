// EIP-7864's key derivation, packing and code chunks against shared vectors.

import { assertEquals, assertThrows } from "@std/assert";
import { eip7864Vectors } from "../_vectors.ts";
import { blake3, sha256 } from "../oracle/hashes.ts";
import { oracleRoot } from "../oracle/mod.ts";
import {
  accountEntries,
  chunkifyCode,
  ethereumKeys,
  packBasicData,
  unpackBasicData,
} from "../../src/layers/ethereum.ts";

const vectors = eip7864Vectors();
const hashes = { sha256, blake3 };

Deno.test("ethereumKeys() derives every key of the shared vectors", () => {
  for (const vector of vectors.keyDerivation) {
    assertEquals(vector.treeIndexOrder, "big");
    const keys = ethereumKeys({ hash: hashes[vector.hash] });
    const { address } = vector;
    assertEquals(keys.basicData(address), vector.basicData);
    assertEquals(keys.codeHash(address), vector.codeHash);
    for (const { slot, key } of vector.storage) {
      assertEquals(keys.storage(address, slot), key, `slot ${slot}`);
      const bytes = Uint8Array.fromHex(slot.toString(16).padStart(64, "0"));
      assertEquals(keys.storage(address, bytes), key, `slot ${slot} as bytes`);
    }
    for (const { chunk, key } of vector.codeChunk) {
      assertEquals(keys.codeChunk(address, chunk), key, `chunk ${chunk}`);
    }
  }
});

Deno.test("ethereumKeys() refuses what is no address, slot or chunk", () => {
  const keys = ethereumKeys({ hash: sha256 });
  const address = new Uint8Array(20);
  assertThrows(() => keys.basicData(new Uint8Array(32)), RangeError, "20");
  assertThrows(() => keys.storage(address, new Uint8Array(31)), RangeError);
  assertThrows(() => keys.storage(address, -1n), RangeError);
  assertThrows(() => keys.storage(address, 1n << 256n), RangeError);
  assertThrows(() => keys.codeChunk(address, -1), RangeError);
  assertThrows(() => keys.codeChunk(address, 1.5), RangeError);
});

Deno.test("packBasicData() packs the shared vectors and unpacks them again", () => {
  for (const { expected, ...data } of vectors.basicData) {
    assertEquals(packBasicData(data), expected);
    assertEquals(unpackBasicData(expected), data);
  }
});

Deno.test("unpackBasicData() reads a view at its own offset", () => {
  const { expected, ...data } = vectors.basicData.at(-1)!;
  const larger = new Uint8Array(40);
  larger.set(expected, 5);
  assertEquals(unpackBasicData(larger.subarray(5, 37)), data);
});

Deno.test("packBasicData() refuses fields that do not fit", () => {
  assertThrows(() => packBasicData({ version: 256 }), RangeError, "version");
  assertThrows(() => packBasicData({ codeSize: 1 << 24 }), RangeError, "code");
  assertThrows(() => packBasicData({ nonce: 1n << 64n }), RangeError, "nonce");
  assertThrows(() => packBasicData({ balance: 1n << 128n }), RangeError);
  assertThrows(() => packBasicData({ balance: -1n }), RangeError, "balance");
  assertThrows(() => unpackBasicData(new Uint8Array(31)), RangeError, "32");
});

Deno.test("chunkifyCode() cuts the codes of the shared vectors", () => {
  for (const { code, chunks } of vectors.chunkify) {
    assertEquals(chunkifyCode(code), chunks);
  }
});

Deno.test("accountEntries() gives geth's genesis entries and root", () => {
  const address = new Uint8Array(20);
  address[0] = 1;
  const word = new Uint8Array(32);
  word[0] = 1;
  const entries = accountEntries(ethereumKeys({ hash: sha256 }), {
    address,
    balance: 1n,
    storage: [[word, word], [7n, new Uint8Array(32)]],
  });
  const { gethGenesis } = vectors;
  const byKey = new Map(entries.map(([key, value]) => [key.toHex(), value]));
  assertEquals(byKey.size, gethGenesis.entries.length);
  for (const [key, value] of gethGenesis.entries) {
    assertEquals(byKey.get(key.toHex()), value);
  }
  const root = gethGenesis.root["eip7864-sha256"];
  assertEquals(oracleRoot("eip7864-sha256", entries), root);
});

Deno.test("accountEntries() stores the code of a contract in chunks", () => {
  const keys = ethereumKeys({ hash: sha256 });
  const address = new Uint8Array(20).fill(9);
  const code = new Uint8Array(31 * 130).fill(0x5b);
  const entries = accountEntries(keys, { address, balance: 0n, code });
  assertEquals(entries.length, 2 + 130);
  assertEquals(unpackBasicData(entries[0][1]).codeSize, code.length);
  assertEquals(entries.at(-1)![0], keys.codeChunk(address, 129));
});
