// The page checksum against the official sanity vectors of xxHash (xsum_sanity_check.c)
// and against the specification written out with BigInt.

import { assertEquals } from "@std/assert";
import { xxh64 } from "../../src/hash/xxh64.ts";
import { random } from "../_amount.ts";

const { bytes: randomBytes, u32 } = random("xxh64");

const MASK = (1n << 64n) - 1n;
const P1 = 0x9E3779B185EBCA87n;
const P2 = 0xC2B2AE3D27D4EB4Fn;
const P3 = 0x165667B19E3779F9n;
const P4 = 0x85EBCA77C2B2AE63n;
const P5 = 0x27D4EB2F165667C5n;

function rotate(x: bigint, n: bigint): bigint {
  return ((x << n) | (x >> (64n - n))) & MASK;
}

function round(sum: bigint, word: bigint): bigint {
  return rotate((sum + word * P2) & MASK, 31n) * P1 & MASK;
}

/** XXH64 by the book. */
function reference(bytes: Uint8Array, seed: bigint): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = (seed + P5) & MASK;
  let at = 0;
  if (bytes.length >= 32) {
    let sums = [seed + P1 + P2, seed + P2, seed, seed - P1].map((x) =>
      x & MASK
    );
    for (; at + 32 <= bytes.length; at += 32) {
      sums = sums.map((x, i) => round(x, view.getBigUint64(at + 8 * i, true)));
    }
    hash = rotate(sums[0], 1n) + rotate(sums[1], 7n) +
      rotate(sums[2], 12n) + rotate(sums[3], 18n);
    for (const x of sums) hash = ((hash ^ round(0n, x)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash ^= round(0n, view.getBigUint64(at, true));
    hash = (rotate(hash, 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    hash ^= BigInt(view.getUint32(at, true)) * P1 & MASK;
    hash = (rotate(hash, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = rotate(hash ^ (BigInt(bytes[at]) * P5 & MASK), 11n) * P1 & MASK;
  }
  hash = (hash ^ (hash >> 33n)) * P2 & MASK;
  hash = (hash ^ (hash >> 29n)) * P3 & MASK;
  return hash ^ (hash >> 32n);
}

function ours(bytes: Uint8Array, seedLo: number, seedHi: number): bigint {
  const out = new Uint32Array(2);
  xxh64(bytes, 0, bytes.length, seedLo, seedHi, out);
  return (BigInt(out[1]) << 32n) | BigInt(out[0]);
}

/** The generator of the official sanity check. */
function sanityBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 2654435761n;
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(state >> 56n);
    state = state * 11400714785074694797n & MASK;
  }
  return bytes;
}

Deno.test("xxh64() gives the official sanity vectors", () => {
  const vectors: [number, number, bigint][] = [
    [0, 0, 0xEF46DB3751D8E999n],
    [0, 2654435761, 0xAC75FDA2929B17EFn],
    [1, 0, 0xE934A84ADB052768n],
    [1, 2654435761, 0x5014607643A9B4C3n],
    [4, 0, 0x9136A0DCA57457EEn],
    [14, 0, 0x8282DCC4994E35C8n],
    [14, 2654435761, 0xC3BD6BF63DEB6DF0n],
    [222, 0, 0xB641AE8CB691C174n],
    [222, 2654435761, 0x20CB8AB7AE10C14An],
  ];
  for (const [length, seed, want] of vectors) {
    assertEquals(ours(sanityBytes(length), seed, 0), want);
  }
});

Deno.test("xxh64() gives the well-known values of short strings", () => {
  const encoder = new TextEncoder();
  assertEquals(ours(encoder.encode("a"), 0, 0), 0xD24EC4F1A98C6E5Bn);
  assertEquals(ours(encoder.encode("abc"), 0, 0), 0x44BC2CF5AD770999n);
});

Deno.test("xxh64() agrees with the specification for every length to 600", () => {
  const [seedLo, seedHi] = [u32(), u32()];
  const seed = (BigInt(seedHi) << 32n) | BigInt(seedLo);
  const bytes = randomBytes(600);
  for (let length = 0; length <= 600; length++) {
    const part = bytes.slice(600 - length);
    assertEquals(ours(part, seedLo, seedHi), reference(part, seed));
  }
});

Deno.test("xxh64() reads only its range when it starts at an odd offset", () => {
  const bytes = randomBytes(300);
  const out = new Uint32Array(2);
  for (let start = 0; start < 40; start++) {
    const view = bytes.subarray(3);
    xxh64(view, start, start + 77, 5, 6, out);
    const want = reference(view.slice(start, start + 77), (6n << 32n) | 5n);
    assertEquals((BigInt(out[1]) << 32n) | BigInt(out[0]), want);
  }
});
