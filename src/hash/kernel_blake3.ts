// This module is browser compatible.
//
// BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs, section 2) over four lanes
// of 32-bit words. A lane works on one chunk of up to 1024 bytes; the tree above
// the chunks is the hasher's business. Rounds are written out: the message
// permutation then costs nothing.

import {
  type Call,
  type Code,
  get,
  I32,
  i32,
  i32x4,
  i8x16,
  type Local,
  type ModuleWriter,
  select,
  set,
  V128,
  v128,
} from "./emitter.ts";
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
  LANE_A,
  LANE_B,
  LANE_C,
  LANE_END,
  LANE_TOTAL,
  STATE_AT,
} from "./kernel_layout.ts";

/** SHA-256's initial value, which BLAKE3 shares. */
export const IV32: readonly number[] = [
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
];

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;

export const CHUNK_START = 1;
export const CHUNK_END = 2;
export const PARENT = 4;
export const ROOT = 8;

/** Quarter rounds: columns, then diagonals. */
export const MIXES: readonly (readonly number[])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** Adds the block function: (chaining value's address, counter, length, flags). */
function defineCompress(module: ModuleWriter): Call {
  const params = [I32, V128, V128, V128];
  return module.func({ params }, ({ params, base, local, locals }) => {
    const v = locals(V128, 16);
    const by16 = local(V128), by8 = local(V128), t = local(V128);
    const rotate = (x: Code, n: number): Code => [
      set(t, x),
      v128.or(i32x4.shrU(get(t), n), i32x4.shl(get(t), 32 - n)),
    ];
    const half = (
      [a, b, c, d]: readonly Local[],
      word: number,
      byMask: Local,
      shift: number,
    ): Code => [
      set(
        a,
        i32x4.add(
          i32x4.add(get(a), vectorAt(base, BLOCK_AT, word)),
          get(b),
        ),
      ),
      set(d, i8x16.swizzle(v128.xor(get(d), get(a)), get(byMask))),
      set(c, i32x4.add(get(c), get(d))),
      set(b, rotate(v128.xor(get(b), get(c)), shift)),
    ];
    const code: Code[] = [
      set(by16, rotationMask(4, 2)),
      set(by8, rotationMask(4, 1)),
    ];
    for (let i = 0; i < 8; i++) {
      code.push(set(v[i], vectorAt(get(params[0]), 0, i)));
    }
    for (let i = 0; i < 4; i++) code.push(set(v[8 + i], vectorAt(base, 0, i)));
    code.push(set(v[12], get(params[1])), set(v[13], v128.zero));
    code.push(set(v[14], get(params[2])), set(v[15], get(params[3])));
    let order = Array.from({ length: 16 }, (_, i) => i);
    for (let round = 0; round < ROUNDS; round++) {
      MIXES.forEach((mix, i) => {
        const part = mix.map((j) => v[j]);
        code.push(half(part, order[2 * i], by16, 12));
        code.push(half(part, order[2 * i + 1], by8, 7));
      });
      order = PERMUTATION.map((i) => order[i]);
    }
    for (let i = 0; i < 8; i++) {
      const word = v128.xor(get(v[i]), get(v[i + 8]));
      code.push(v128.store(base, word, STATE_AT + 16 * i));
    }
    return code;
  });
}

const splat = (n: number): Code => i32x4.splat(i32.const(n));

function define(module: ModuleWriter): CoreCode {
  const compress = defineCompress(module);
  const root = splat(CHUNK_START | CHUNK_END | ROOT);
  return {
    pair: (base) => compress(base, v128.zero, splat(64), root),
    value32: (base) => compress(base, v128.zero, splat(32), root),
    parent: (base, flags) =>
      compress(base, v128.zero, splat(64), i32x4.splat(flags)),
    absorb: (base) =>
      compress(
        i32.add(base, i32.const(STATE_AT)),
        v128.load(base, LANE_A),
        v128.load(base, LANE_B),
        v128.load(base, LANE_C),
      ),
    isLast: (left) => i32.leS(left, i32.const(64)),
    pad: () => [],
    prepare: (base, lane, left) => {
      const last = i32.leS(get(left), i32.const(64));
      const total = laneField(base, LANE_TOTAL, lane);
      const end = laneField(base, LANE_END, lane);
      return [
        i32.store(
          base,
          select(get(left), i32.const(64), last),
          LANE_B + 4 * lane,
        ),
        i32.store(
          base,
          i32.or(
            i32.eq(total, get(left)), // CHUNK_START is 1
            select(end, i32.const(0), last),
          ),
          LANE_C + 4 * lane,
        ),
      ];
    },
  };
}

/** BLAKE3. */
export const blake3Core: Core = {
  lanes: 4,
  blockBytes: 64,
  constants: /* @__PURE__ */ wordBytes(IV32, 4),
  initialAt: 0,
  swapped: false,
  pairBlockAt: BLOCK_AT,
  value32Tail: [0, 0, 0, 0, 0, 0, 0, 0],
  define,
};
