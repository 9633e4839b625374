// This module is browser compatible.
/**
 * A scheme for tests that open a store a hundred thousand times: the shape of NOMT's
 * tree with a hash that costs some tens of nanoseconds and protects nobody.
 * Anyone can make two states with one root; never use it for data.
 *
 * @module
 */
import {
  type HashFunction,
  hashPair,
  pairScheme,
  type Scheme,
} from "@stemma/verify";

/** Scheme byte of {@linkcode cheapScheme}: in the range kept for tests. */
const ID = 0xf0;

/**
 * A hash without any resistance to somebody who wants collisions: good enough
 * to tell apart what goes wrong by accident.
 *
 * @example Usage
 * ```ts
 * import { cheapHash } from "@stemma/db/testing/cheap_scheme";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cheapHash(new Uint8Array(3)).length, 32);
 * ```
 *
 * @param message Bytes of any length.
 * @returns 32 fresh bytes.
 */
export const cheapHash: HashFunction = (message): Uint8Array => {
  let a = message.length | 0, b = 0x9e3779b9 | 0;
  for (let i = 0; i < message.length; i += 4) {
    const word = message[i] | message[i + 1] << 8 | message[i + 2] << 16 |
      message[i + 3] << 24;
    a = Math.imul(a ^ word, 0x9e3779b1);
    b = Math.imul(b ^ a >>> 15, 0x85ebca77) + word | 0;
    a ^= b >>> 13;
  }
  // Bytes from the start: a view of words would put them outside the heap.
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i += 4) {
    a = Math.imul(a ^ b >>> 15, 0x2c1b3c6d);
    b = Math.imul(b + a ^ a >>> 12, 0x297a2d39);
    const word = a ^ b;
    out[i] = word;
    out[i + 1] = word >>> 8;
    out[i + 2] = word >>> 16;
    out[i + 3] = word >>> 24;
  }
  return out;
};

/**
 * The scheme: keys of 32 bytes, values of any length, scheme byte 0xf0.
 *
 * @example Usage
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { cheapScheme } from "@stemma/db/testing/cheap_scheme";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend(), { scheme: cheapScheme });
 * assertEquals(db.scheme.id, 0xf0);
 * ```
 */
export const cheapScheme: Scheme = /* @__PURE__ */ pairScheme({
  name: "test-cheap",
  id: ID,
  family: "nomt",
  hashName: "test-cheap",
  keyBytesMin: 32,
  keyBytesMax: 32,
  hash: cheapHash,
  terminal(key, value, hashed) {
    const out = hashPair(cheapHash, key, hashed ? value : cheapHash(value));
    out[0] |= 0x80;
    return out;
  },
}, (left, right) => {
  const out = hashPair(cheapHash, left, right);
  out[0] &= 0x7f;
  return out;
});
