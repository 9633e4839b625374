// Stems from names: hashed behind a tag, so that no name is also a node.

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { sha256 } from "../oracle/hashes.ts";
import { stemKey, stemOf } from "../../src/layers/stems.ts";

Deno.test("stemOf() hashes more than the 64 bytes of a node whatever the name", () => {
  const lengths: number[] = [];
  const hash = (message: Uint8Array) => {
    lengths.push(message.length);
    return sha256(message);
  };
  for (const length of [0, 1, 31, 32, 64]) {
    assertEquals(stemOf({ hash }, new Uint8Array(length)).length, 31);
  }
  assertEquals(lengths.every((length) => length > 64), true);
});

Deno.test("stemOf() gives different stems when names differ", () => {
  const [a, b] = [Uint8Array.of(0), Uint8Array.of(0, 0)];
  assertNotEquals(stemOf({ hash: sha256 }, a), stemOf({ hash: sha256 }, b));
});

Deno.test("stemKey() refuses a stem or a slot of the wrong size", () => {
  assertThrows(() => stemKey(new Uint8Array(32), 0), RangeError, "31");
  assertThrows(() => stemKey(new Uint8Array(31), 256), RangeError, "255");
  assertThrows(() => stemKey(new Uint8Array(31), 0.5), RangeError, "255");
});
