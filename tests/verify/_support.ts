// Test schemes with a hash that costs little, and random trees, queries and
// accesses that lean towards what is rare: long shared prefixes, neighbours,
// full stems, zero and empty values.

import type { Query, Scheme, Write } from "@stemma/verify";
import { nomtScheme } from "../../verify/_nomt.ts";
import { jamScheme } from "../../verify/_jam.ts";
import { eip7864Scheme } from "../../verify/_eip7864.ts";
import { eip8297Scheme } from "../../verify/_eip8297.ts";
import type { Random } from "../_amount.ts";
import {
  arePrefixFree,
  compare,
  type Entry,
  ModelTree,
} from "./_model_tree.ts";

/** Not a hash for anything but tests: 32 well mixed bytes, fast. */
export function cheapHash(message: Uint8Array): Uint8Array {
  const lanes = new Uint32Array(8);
  for (let lane = 0; lane < 8; lane++) {
    let h = Math.imul(lane + 1, 0x9e3779b1) ^ message.length;
    for (let i = 0; i < message.length; i++) {
      h = Math.imul(h ^ message[i], 0x01000193 + 2 * lane);
      h ^= h >>> 15;
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    lanes[lane] = h ^ (h >>> 16);
  }
  return new Uint8Array(lanes.buffer);
}

/** One cheap scheme of each family. */
export const cheapSchemes: readonly Scheme[] = [
  nomtScheme(0xf0, "test-nomt", "cheap", cheapHash),
  jamScheme(0xf1, "test-jam", "cheap", cheapHash),
  eip7864Scheme(0xf2, "test-eip7864", "cheap", cheapHash),
  eip8297Scheme(0xf3, "test-eip8297", "cheap", cheapHash),
];

/** The cheap scheme of a family. */
export function cheapScheme(family: string): Scheme {
  return cheapSchemes.find((scheme) => scheme.family === family)!;
}

/** A scheme like `scheme` under another hash function. */
export function withHash(
  { family, id, name }: Scheme,
  hash: (message: Uint8Array) => Uint8Array,
): Scheme {
  const make = {
    nomt: nomtScheme,
    jam: jamScheme,
    eip7864: eip7864Scheme,
    eip8297: eip8297Scheme,
  }[family];
  return make(id, name, "test", hash);
}

/** A key near one of `near`, or anywhere. */
export function randomKey(
  random: Random,
  scheme: Scheme,
  near: readonly Uint8Array[],
): Uint8Array {
  const variable = scheme.family === "eip8297";
  const length = variable ? 1 + random.int(6) : scheme.keyBytesMax;
  let key = random.bytes(length);
  if (near.length && random.chance(0.7)) {
    key = random.pick(near).slice();
    const bit = random.int(8 * key.length);
    key[bit >> 3] ^= 0x80 >> (bit & 7);
    if (random.chance(0.3)) key[key.length - 1] = random.int(256);
    if (variable && random.chance(0.5)) {
      key = new Uint8Array([...key, random.int(4)]);
    }
  } else if (random.chance(0.3)) key.fill(0, 1);
  if (key.subarray(0, 31).every((byte) => !byte)) key[0] = 1;
  return key;
}

/** Whether `key` is not a prefix of one of `keys` nor the reverse. */
export function isPrefixFree(
  key: Uint8Array,
  keys: Iterable<Uint8Array>,
): boolean {
  for (const other of keys) {
    const length = Math.min(key.length, other.length);
    if (compare(key.subarray(0, length), other.subarray(0, length)) === 0) {
      return false;
    }
  }
  return true;
}

/** A value of the scheme: often short, zero or at a limit. */
export function randomValue(random: Random, scheme: Scheme): Uint8Array {
  if (scheme.valueBytes) {
    return random.chance(0.1) ? new Uint8Array(32) : random.bytes(32);
  }
  const sizes = [0, 1, 8, 31, 32, 33, 40, 100, 1023, 1024, 1025];
  return random.bytes(sizes[random.int(random.chance(0.9) ? 8 : 11)]);
}

/** `count` entries with distinct, prefix-free keys. */
export function randomEntries(
  random: Random,
  scheme: Scheme,
  count: number,
): Entry[] {
  const entries: Entry[] = [];
  const keys: Uint8Array[] = [];
  for (let tries = 0; tries < 4 * count && entries.length < count; tries++) {
    const key = randomKey(random, scheme, keys);
    if (!isPrefixFree(key, keys)) continue;
    keys.push(key);
    entries.push([key, randomValue(random, scheme)]);
  }
  return entries;
}

/** Keys, some present, and sometimes a range or two. */
export function randomQuery(
  random: Random,
  { scheme, entries }: ModelTree,
): { keys: Uint8Array[]; ranges: NonNullable<Query["ranges"]>[number][] } {
  const present = entries.map(([key]) => key);
  const key = (): Uint8Array =>
    present.length && random.chance(0.5)
      ? random.pick(present)
      : randomKey(random, scheme, present);
  const keys = Array.from({ length: random.int(4) }, key);
  const ranges = [];
  while (random.chance(0.3)) {
    const [gte, lt] = [key(), key()].sort(compare);
    if (compare(gte, lt) < 0) {
      ranges.push({
        gte: random.chance(0.8) ? gte : undefined,
        lt: random.chance(0.8) ? lt : undefined,
      });
    }
  }
  return { keys, ranges };
}

/** Writes that leave the keys prefix-free; deletes of absent keys too. */
export function randomWrites(random: Random, tree: ModelTree): Write[] {
  const { scheme, entries } = tree;
  const present = entries.map(([key]) => key);
  const after = new Map(present.map((key) => [key.toHex(), key]));
  const writes = new Map<string, Write>();
  const count = random.int(5);
  for (let i = 0; i < count; i++) {
    const key = present.length && random.chance(0.6)
      ? random.pick(present)
      : randomKey(random, scheme, present);
    const hex = key.toHex();
    if (writes.has(hex)) continue;
    let value: Uint8Array | undefined;
    if (random.chance(0.5)) {
      const others = [...after.values()].filter((k) => compare(k, key) !== 0);
      if (!isPrefixFree(key, others)) continue;
      value = randomValue(random, scheme);
      after.set(hex, key);
    } else after.delete(hex);
    writes.set(hex, { key, value });
  }
  const taken = [...writes.values()];
  return arePrefixFree([...after.values()]) ? taken : [];
}

/** What a tree has after writes, whether or not a tree can have it. */
export function entriesAfter(
  { entries }: ModelTree,
  writes: readonly Write[],
): Entry[] {
  const map = new Map(entries.map((entry) => [entry[0].toHex(), entry]));
  for (const { key, value } of writes) {
    if (value) map.set(key.toHex(), [key, value]);
    else map.delete(key.toHex());
  }
  return [...map.values()];
}

/** The tree after writes. */
export function afterWrites(
  tree: ModelTree,
  writes: readonly Write[],
): ModelTree {
  return new ModelTree(tree.scheme, entriesAfter(tree, writes));
}
