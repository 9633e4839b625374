// Hash functions work in one state over and over: no message, long, short or refused,
// leaves anything behind for the next one.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { schemeByName } from "@stemma/verify";

/** The library's own, and the hash of no bytes. */
const HASHES: [string, (message: Uint8Array) => Uint8Array, string][] = [
  [
    "nomt-blake3",
    blake3,
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
  ],
  [
    "nomt-sha256",
    sha256,
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  ],
  [
    "jam-blake2b",
    (message) => blake2b(message, { dkLen: 32 }),
    "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
  ],
];

/** Around the blocks of all three, and the chunks of BLAKE3. */
const LENGTHS = [0, 1, 55, 56, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025];
/** Leaves a stack of chunks behind. */
const LONG = 5 * 1024 + 3;

for (const [name, plain, ofNothing] of HASHES) {
  const { hash } = schemeByName(name)!;
  const message = (bytes: number): Uint8Array =>
    new Uint8Array(bytes).map((_, i) => 31 * i + bytes);

  Deno.test(`hashes of ${name} do not depend on what was hashed before`, () => {
    assertEquals(hash(new Uint8Array(0)).toHex(), ofNothing);
    for (const before of [0, 64, 65, LONG]) {
      for (const bytes of [...LENGTHS, LONG]) {
        hash(message(before));
        assertEquals(hash(message(bytes)), plain(message(bytes)), `${bytes}`);
      }
    }
  });

  Deno.test(`hashes of ${name} are bytes of their own`, () => {
    const first = hash(message(64)), copy = first.slice();
    hash(message(65));
    assertEquals(first, copy);
    first.fill(0);
    assertEquals(hash(message(64)), copy);
    assert(first.buffer !== hash(message(64)).buffer);
  });

  Deno.test(`what ${name} refuses to hash leaves nothing behind`, () => {
    hash(message(LONG));
    for (const bad of [undefined, "text", [1, 2, 3]]) {
      assertThrows(() => hash(bad as unknown as Uint8Array), TypeError);
      assertEquals(hash(message(65)), plain(message(65)));
    }
  });
}
