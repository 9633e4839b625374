// This module is browser compatible.
//
// BLAKE2b-256, unkeyed (RFC 7693, section 3) over two lanes of 64-bit words. Rounds
// are written out: the message order then costs nothing.

import {
  type Code,
  get,
  I32,
  i32,
  i64,
  i64x2,
  i8x16,
  type Local,
  type ModuleWriter,
  select,
  set,
  V128,
  v128,
} from "./emitter.ts";
import { MIXES } from "./kernel_blake3.ts";
import {
  type Core,
  type CoreCode,
  laneField,
  rotationMask,
  vectorAt,
  wordBytes,
} from "./kernel_core.ts";
import {
  BLOCK_AT,
  HALF_BLOCK_AT,
  LANE_A,
  LANE_B,
  LANE_TOTAL,
  STATE_AT,
} from "./kernel_layout.ts";

/** Initial value, low half before high half. */
const IV64: readonly number[] = [
  0xf3bcc908,
  0x6a09e667,
  0x84caa73b,
  0xbb67ae85,
  0xfe94f82b,
  0x3c6ef372,
  0x5f1d36f1,
  0xa54ff53a,
  0xade682d1,
  0x510e527f,
  0x2b3e6c1f,
  0x9b05688c,
  0xfb41bd6b,
  0x1f83d9ab,
  0x137e2179,
  0x5be0cd19,
];

const IV_AT = 0;
const INITIAL_AT = 128;
/** 32-byte digest, no key, sequential. */
const PARAMETERS = 0x0101_0020;
const ROUNDS = 12;

const SIGMA: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/** The twelve rounds on working variables `v`; `word` gives message words. */
function rounds(
  v: readonly Local[],
  masks: readonly [by32: Local, by24: Local, by16: Local],
  word: (index: number) => Code,
): Code {
  const [by32, by24, by16] = masks;
  const turn = (a: Local, b: Local, mask: Local): Code =>
    set(a, i8x16.swizzle(v128.xor(get(a), get(b)), get(mask)));
  const grow = (a: Local, x: Code): Code => set(a, i64x2.add(get(a), x));
  const code: Code[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const order = SIGMA[round % 10];
    MIXES.forEach((mix, i) => {
      const [a, b, c, d] = mix.map((j) => v[j]);
      code.push(
        grow(a, word(order[2 * i])),
        grow(a, get(b)),
        turn(d, a, by32),
        grow(c, get(d)),
        turn(b, c, by24),
        grow(a, word(order[2 * i + 1])),
        grow(a, get(b)),
        turn(d, a, by16),
        grow(c, get(d)),
        // Right by 63 is left by 1: x + x, and the top bit to the bottom.
        set(b, v128.xor(get(b), get(c))),
        set(b, v128.xor(i64x2.add(get(b), get(b)), i64x2.shrU(get(b), 63))),
      );
    });
  }
  return code;
}

function define(module: ModuleWriter): CoreCode {
  // (block's address, chaining value's address, byte counter, last-block flag)
  const compress = module.func(
    { params: [I32, I32, V128, V128] },
    ({ params: [block, from, counter, last], base, locals }) => {
      const v = locals(V128, 16);
      const [by32, by24, by16] = locals(V128, 3);
      const first = Array.from({ length: 8 }, (_, i): Code => [
        set(v[i], vectorAt(get(from), 0, i)),
        set(v[i + 8], vectorAt(base, IV_AT, i)),
      ]);
      const result = Array.from({ length: 8 }, (_, i): Code => {
        const word = v128.xor(get(v[i]), get(v[i + 8]));
        const old = vectorAt(get(from), 0, i);
        return v128.store(base, v128.xor(old, word), STATE_AT + 16 * i);
      });
      return [
        set(by32, rotationMask(8, 4)),
        set(by24, rotationMask(8, 3)),
        set(by16, rotationMask(8, 2)),
        first,
        set(v[12], v128.xor(get(v[12]), get(counter))),
        set(v[14], v128.xor(get(v[14]), get(last))),
        rounds(v, [by32, by24, by16], (i) => vectorAt(get(block), 0, i)),
        result,
      ];
    },
  );
  const at = (base: Code, offset: number): Code =>
    i32.add(base, i32.const(offset));
  const ones = v128.const(new Array<number>(16).fill(0xff));
  const counter = (n: number): Code =>
    v128.const([n, 0, 0, 0, 0, 0, 0, 0, n, 0, 0, 0, 0, 0, 0, 0]);
  const single = (base: Code, bytes: number): Code =>
    compress(
      at(base, HALF_BLOCK_AT),
      at(base, INITIAL_AT),
      counter(bytes),
      ones,
    );
  return {
    pair: (base) => single(base, 64),
    value32: (base) => single(base, 32),
    absorb: (base) =>
      compress(
        at(base, BLOCK_AT),
        at(base, STATE_AT),
        v128.load(base, LANE_A),
        v128.load(base, LANE_B),
      ),
    isLast: (left) => i32.leS(left, i32.const(128)),
    pad: () => [],
    prepare,
  };
}

/** Counter: bytes up to the end of this block. Flag: all ones in the last one. */
function prepare(base: Code, lane: number, left: Local): Code {
  const last = i32.leS(get(left), i32.const(128));
  const total = laneField(base, LANE_TOTAL, lane);
  const after = i32.sub(get(left), i32.const(128));
  const done = i32.sub(total, select(i32.const(0), after, last));
  return [
    i64.store(base, i64.fromI32(done), LANE_A + 8 * lane),
    i64.store(
      base,
      i64.sub(i64.const(0n), i64.fromI32(last)),
      LANE_B + 8 * lane,
    ),
  ];
}

/** Words of the table as lane pairs. */
function doubled(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 8);
  for (let i = 0; i < words.length; i += 2) {
    const word = wordBytes([words[i], words[i + 1]], 1);
    bytes.set(word, i * 8);
    bytes.set(word, i * 8 + 8);
  }
  return bytes;
}

function constants(): Uint8Array {
  const bytes = new Uint8Array(256);
  bytes.set(doubled(IV64), IV_AT);
  const initial = [(IV64[0] ^ PARAMETERS) >>> 0, ...IV64.slice(1)];
  bytes.set(doubled(initial), INITIAL_AT);
  return bytes;
}

/** BLAKE2b with a 32-byte digest. */
export const blake2bCore: Core = {
  lanes: 2,
  blockBytes: 128,
  constants: /* @__PURE__ */ constants(),
  initialAt: INITIAL_AT,
  swapped: false,
  pairBlockAt: HALF_BLOCK_AT,
  value32Tail: [0, 0, 0, 0],
  define,
};
