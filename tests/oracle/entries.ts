// Sets of keys that are hard on a tree, and values that are hard on a store:
// long shared prefixes, equal stems, neighbours, caterpillars, and prefix-free
// keys of many lengths. Everything is drawn from a seeded generator.

import type { Random } from "../_amount.ts";
import { type Entry, oracleScheme } from "./scheme.ts";

/** Ways to choose keys. */
export type KeyKind =
  | "random"
  | "sequential"
  | "neighbours"
  | "shared-prefix"
  | "caterpillar"
  | "equal-stems"
  | "mixed";

/** All of them. */
export const KEY_KINDS: readonly KeyKind[] = [
  "random",
  "sequential",
  "neighbours",
  "shared-prefix",
  "caterpillar",
  "equal-stems",
  "mixed",
];

const PLAIN_KINDS = KEY_KINDS.filter((kind) => kind !== "mixed");

/** Longest key that the engine takes under EIP-8297. */
const KEY_BYTES_MAX = 255;

/**
 * At most `count` distinct keys for the scheme, in random order; fewer when
 * the kind has no more (a caterpillar has one key a bit). Keys of EIP-8297 are
 * prefix-free and of many lengths.
 */
export function drawKeys(
  scheme: string,
  kind: KeyKind,
  count: number,
  draw: Random,
): Uint8Array[] {
  const { family } = oracleScheme(scheme);
  const set = new KeySet();
  const next = family === "eip8297"
    ? variableKeys(kind, draw)
    : fixedKeys(family === "jam" ? 31 : 32, kind, draw);
  for (let tries = 4 * count; tries > 0 && set.keys.length < count; tries--) {
    set.add(next(set.keys.length));
  }
  return draw.shuffle(set.keys);
}

/** A value: EIP schemes take 32 bytes, the others whatever is awkward. */
export function drawValue(
  scheme: string,
  draw: Random,
  pageBytes = 4096,
): Uint8Array {
  if (draw.chance(0.1)) return new Uint8Array(32);
  if (oracleScheme(scheme).family.startsWith("eip")) return draw.bytes(32);
  const lengths = [0, 1, 31, 32, 33, 64, draw.int(200), draw.int(200)];
  if (draw.chance(0.05)) {
    lengths.push(pageBytes - 1, pageBytes, pageBytes + 1, 3 * pageBytes);
  }
  return draw.bytes(draw.pick(lengths));
}

/** Keys of one kind with values: a state to start from. */
export function drawEntries(
  scheme: string,
  kind: KeyKind,
  count: number,
  draw: Random,
): Entry[] {
  return drawKeys(scheme, kind, count, draw)
    .map((key) => [key, drawValue(scheme, draw)]);
}

/** Distinct keys of which none is a prefix of another. */
class KeySet {
  readonly keys: Uint8Array[] = [];
  readonly #taken = new Set<string>();
  readonly #prefixes = new Set<string>();

  add(key: Uint8Array): void {
    const text = key.toHex();
    if (this.#taken.has(text) || this.#prefixes.has(text)) return;
    const prefixes: string[] = [];
    for (let end = 2; end < text.length; end += 2) {
      prefixes.push(text.slice(0, end));
    }
    if (prefixes.some((prefix) => this.#taken.has(prefix))) return;
    for (const prefix of prefixes) this.#prefixes.add(prefix);
    this.#taken.add(text);
    this.keys.push(key);
  }
}

/** Makes the n-th key of a run. */
type Next = (n: number) => Uint8Array;

function fixedKeys(bytes: number, kind: KeyKind, draw: Random): Next {
  const base = draw.bytes(bytes);
  const bits = 8 * bytes;
  switch (kind) {
    case "random":
      return () => draw.bytes(bytes);
    case "sequential":
      return (n) => plus(base, n);
    case "neighbours": {
      let pair = base;
      return (n) => (pair = n % 2 ? flip(pair, bits - 1) : draw.bytes(bytes));
    }
    case "shared-prefix": {
      const shared = draw.pick([64, 240, 244, 247, 248, bits - 2, bits - 1]);
      return () => withTail(base, Math.min(shared, bits - 1), draw);
    }
    case "caterpillar":
      return (n) => n === 0 ? base : flip(base, (n - 1) % bits);
    case "equal-stems":
      return (n) => {
        const key = base.slice();
        key[bytes - 2] += n >> 5;
        key[bytes - 1] = draw.int(256);
        return key;
      };
    case "mixed": {
      const all = PLAIN_KINDS.map((plain) => fixedKeys(bytes, plain, draw));
      return (n) => draw.pick(all)(n);
    }
  }
}

function variableKeys(kind: KeyKind, draw: Random): Next {
  const base = draw.bytes(KEY_BYTES_MAX);
  switch (kind) {
    case "random":
      return () => draw.bytes(1 + draw.int(draw.pick([3, 34, 66, 255])));
    case "sequential": {
      const short = base.slice(0, 8);
      return (n) => plus(short, n);
    }
    case "neighbours": {
      let pair = base;
      return (n) => {
        const fresh = draw.bytes(1 + draw.int(66));
        pair = n % 2 ? flip(pair, 8 * pair.length - 1) : fresh;
        return pair;
      };
    }
    case "shared-prefix": {
      const shared = draw.pick([8, 248, 255, 8 * 200, 8 * KEY_BYTES_MAX - 1]);
      return () => {
        const least = (shared >> 3) + 1;
        const more = draw.int(KEY_BYTES_MAX - least + 1);
        return withTail(base, shared, draw).slice(0, least + more);
      };
    }
    case "caterpillar": // A key leaves the base at every bit in turn.
      return (n) => {
        const key = flip(base, n % (8 * KEY_BYTES_MAX));
        const least = ((n % (8 * KEY_BYTES_MAX)) >> 3) + 1;
        return key.slice(0, least + draw.int(KEY_BYTES_MAX - least + 1));
      };
    case "equal-stems":
      return (n) => {
        const key = base.slice(0, n % 3 === 0 ? 66 : 34);
        key[33] = draw.int(256);
        if (n % 3 === 0) key[32] ^= 1;
        return key;
      };
    case "mixed": {
      const all = PLAIN_KINDS.map((plain) => variableKeys(plain, draw));
      return (n) => draw.pick(all)(n);
    }
  }
}

/** The key as a big-endian number, plus n, wrapping around. */
function plus(key: Uint8Array, n: number): Uint8Array {
  const sum = key.slice();
  for (let i = sum.length - 1; i >= 0 && n > 0; i--) {
    n += sum[i];
    sum[i] = n & 0xff;
    n = Math.floor(n / 256);
  }
  return sum;
}

function flip(key: Uint8Array, bit: number): Uint8Array {
  const flipped = key.slice();
  flipped[bit >> 3] ^= 0x80 >> (bit & 7);
  return flipped;
}

/** The first `shared` bits of the key, then random ones. */
function withTail(key: Uint8Array, shared: number, draw: Random): Uint8Array {
  const fresh = draw.bytes(key.length);
  const whole = shared >> 3;
  const mask = 0xff >> (shared & 7);
  fresh[whole] = (key[whole] & ~mask) | (fresh[whole] & mask);
  fresh.set(key.subarray(0, whole));
  return fresh;
}
