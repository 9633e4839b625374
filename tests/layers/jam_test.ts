// JAM state keys against the traces of real chains. The genesis state holds
// two preimages of service 0 with their requests, which fixes all of C but
// the keys of storage items: nothing published names those.

import { assertEquals, assertThrows } from "@std/assert";
import { hasJamTrace, jamTrace } from "../_vectors.ts";
import { blake2b256 } from "../oracle/hashes.ts";
import {
  jamComponentKey,
  jamItemKey,
  jamPreimageKey,
  jamRequestKey,
  jamServiceKey,
  jamStorageKey,
} from "../../src/layers/jam.ts";

Deno.test({
  name: "JAM keys name every entry of a real genesis state",
  ignore: !hasJamTrace("fallback"),
  fn() {
    const named = new Set<string>();
    for (let i = 1; i <= 16; i++) named.add(jamComponentKey(i).toHex());
    named.add(jamServiceKey(0).toHex());
    const { genesis } = jamTrace("fallback");
    for (const [key, value] of genesis) {
      const hash = blake2b256(value);
      if (key.toHex() !== jamPreimageKey(0, hash).toHex()) continue;
      named.add(key.toHex());
      named.add(jamRequestKey(0, hash, value.length).toHex());
    }
    const present = genesis.map(([key]) => key.toHex()).toSorted();
    assertEquals([...named].toSorted(), present);
  },
});

Deno.test({
  name: "JAM keys name the preimages that blocks bring",
  ignore: !hasJamTrace("preimages"),
  fn() {
    const trace = jamTrace("preimages");
    let preimages = 0;
    for (const block of trace.blocks) {
      const keys = new Set(block.set.map(([key]) => key.toHex()));
      for (const [key, value] of block.set) {
        const hash = blake2b256(value);
        if (key.toHex() !== jamPreimageKey(0, hash).toHex()) continue;
        const request = jamRequestKey(0, hash, value.length).toHex();
        assertEquals(keys.has(request), true, "a preimage marks its request");
        preimages++;
      }
    }
    assertEquals(preimages > 0, true);
  },
});

Deno.test("jamServiceKey() interleaves the service index with zeros", () => {
  const key = jamServiceKey(0x01020304).toHex();
  assertEquals(key, "ff0400030002000100".padEnd(62, "0"));
});

Deno.test("jamStorageKey() is the item behind four bytes of ones", () => {
  const item = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3);
  const key = jamStorageKey(0xfffffffe, Uint8Array.of(1, 2, 3));
  assertEquals(key, jamItemKey(0xfffffffe, item));
  const hash = blake2b256(item);
  assertEquals([...key.subarray(0, 8)], [
    ...[0xfe, hash[0], 0xff, hash[1], 0xff, hash[2], 0xff, hash[3]],
  ]);
  assertEquals(key.subarray(8), hash.subarray(4, 27));
});

Deno.test("JAM keys refuse indexes and hashes out of range", () => {
  assertThrows(() => jamComponentKey(256), RangeError, "component index");
  assertThrows(() => jamServiceKey(2 ** 32), RangeError, "service index");
  assertThrows(() => jamItemKey(-1, new Uint8Array(0)), RangeError);
  assertThrows(() => jamPreimageKey(0, new Uint8Array(31)), RangeError, "32");
  assertThrows(() => jamRequestKey(0, new Uint8Array(31), 1), RangeError);
  assertThrows(() => jamRequestKey(0, new Uint8Array(32), -1), RangeError);
});
