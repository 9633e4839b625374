// This module is browser compatible.
//
// SHA-256 (FIPS 180-4, section 6.2) over four lanes of 32-bit words. Rounds run in
// loops of sixteen, with the message schedule as a ring of sixteen vectors in
// memory: written out in full, the code outgrows the instruction cache. After a
// 64-byte message the second block is always the same padding, so its schedule,
// round constants added, is a table.

import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  i32x4,
  type Local,
  loop,
  type ModuleWriter,
  set,
  tee,
  V128,
  v128,
  when,
} from "./emitter.ts";
import { IV32 } from "./kernel_blake3.ts";
import {
  type Core,
  type CoreCode,
  vectorAt,
  wordBytes,
} from "./kernel_core.ts";
import { BLOCK_AT, LANE_TOTAL, STATE_AT } from "./kernel_layout.ts";

const K: readonly number[] = [
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
];

const INITIAL_AT = 0;
const K_AT = 128;
const FIXED_AT = K_AT + 1024;

/** Round constants plus the schedule of the block after a 64-byte message. */
function fixedSchedule(): number[] {
  const rotate = (x: number, n: number): number => (x >>> n) | (x << (32 - n));
  const w = new Array<number>(16).fill(0);
  w[0] = 0x8000_0000;
  w[15] = 512;
  for (let t = 16; t < 64; t++) {
    const a = w[t - 15], b = w[t - 2];
    const s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3);
    const s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10);
    w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
  }
  return w.map((word, t) => (word + K[t]) >>> 0);
}

/** XOR of rotations (and, last, one shift when `shift` is given) of a local. */
function sigma(x: Local, rotations: readonly number[], shift?: number): Code {
  const parts = rotations.flatMap((n): Code[] => [
    i32x4.shrU(get(x), n),
    i32x4.shl(get(x), 32 - n),
  ]);
  if (shift !== undefined) parts.push(i32x4.shrU(get(x), shift));
  return parts.reduce((sum, part) => v128.xor(sum, part));
}

interface Rounds {
  /** Working variables a to h. */
  readonly v: readonly Local[];
  /** Word of the round, its neighbour in the schedule, a sum, b ^ c. */
  readonly w: Local;
  readonly near: Local;
  readonly sum: Local;
  readonly changed: Local;
  readonly swap: Local;
}

/** One round; `word` is the schedule's word plus the round constant. */
function round(r: Rounds, t: number, word: Code): Code {
  const [a, b, , d, e, f, g, h] = r.v.map((_, i) => r.v[(i - t + 64) & 7]);
  return [
    set(
      r.sum,
      i32x4.add(
        i32x4.add(i32x4.add(get(h), word), sigma(e, [6, 11, 25])),
        v128.bitselect(get(f), get(g), get(e)),
      ),
    ),
    set(d, i32x4.add(get(d), get(r.sum))),
    // Majority = ((a ^ b) & (b ^ c)) ^ b; a ^ b is the next round's b ^ c.
    set(r.swap, v128.xor(get(a), get(b))),
    set(
      h,
      i32x4.add(
        i32x4.add(get(r.sum), sigma(a, [2, 13, 22])),
        v128.xor(v128.and(get(r.swap), get(r.changed)), get(b)),
      ),
    ),
    set(r.changed, get(r.swap)),
  ];
}

/** Replaces word t of the ring by word t + 16. `r.w` holds word t. */
function extend(r: Rounds, base: Code, t: number): Code {
  const word = (i: number): Code => vectorAt(base, BLOCK_AT, (t + i) & 15);
  return [
    set(r.near, word(1)),
    set(
      r.sum,
      i32x4.add(i32x4.add(get(r.w), word(9)), sigma(r.near, [7, 18], 3)),
    ),
    set(r.near, word(14)),
    v128.store(
      base,
      i32x4.add(get(r.sum), sigma(r.near, [17, 19], 10)),
      BLOCK_AT + 16 * t,
    ),
  ];
}

/** Adds a block function: (chaining value's address). */
function defineBlock(
  module: ModuleWriter,
  rounds: (r: Rounds, base: Code, at: Local) => Code,
): Call {
  return module.func(
    { params: [I32] },
    ({ params: [from], base, local, locals }) => {
      const [w, near, sum, changed, swap] = locals(V128, 5);
      const r: Rounds = { v: locals(V128, 8), w, near, sum, changed, swap };
      return [
        r.v.map((x, i) => set(x, vectorAt(get(from), 0, i))),
        set(changed, v128.xor(get(r.v[1]), get(r.v[2]))),
        rounds(r, base, local(I32)),
        r.v.map((x, i) =>
          v128.store(
            base,
            i32x4.add(get(x), vectorAt(get(from), 0, i)),
            STATE_AT + 16 * i,
          )
        ),
      ];
    },
  );
}

/** Runs `body` on base, base + bytes, ... `times` times. */
function walk(
  at: Local,
  base: Code,
  bytes: number,
  times: number,
  body: Code,
): Code {
  const end = i32.add(base, i32.const(bytes * times));
  const next = tee(at, i32.add(get(at), i32.const(bytes)));
  return [set(at, base), loop([body, brIf(0, i32.ne(next, end))])];
}

const SIXTEEN: readonly number[] = Array.from({ length: 16 }, (_, t) => t);

/** All rounds of a message block, sixteen at a time. */
function blockRounds(r: Rounds, base: Code, at: Local): Code {
  const sixteen = (withSchedule: boolean): Code =>
    SIXTEEN.map((t) => [
      set(r.w, vectorAt(base, BLOCK_AT, t)),
      round(r, t, i32x4.add(get(r.w), vectorAt(get(at), K_AT, t))),
      withSchedule ? extend(r, base, t) : [],
    ]);
  return [walk(at, base, 256, 3, sixteen(true)), sixteen(false)];
}

/** All rounds of the padding block after a 64-byte message. */
function fixedRounds(r: Rounds, base: Code, at: Local): Code {
  const rounds = SIXTEEN.map((t) =>
    round(r, t, vectorAt(get(at), FIXED_AT, t))
  );
  return walk(at, base, 256, 4, rounds);
}

/** 0x80 and the length in bits, where they fall into the block at `at`. */
function pad(base: Code, at: number, lane: number, left: Local): Code {
  const total = i32.load(base, LANE_TOTAL + 4 * lane);
  const swapped = (n: Code, byte: number, value: Code): Code =>
    i32.store8(base, i32.shrU(value, n), at + byte);
  const bits = i32.shl(total, i32.const(3));
  return [
    when(
      i32.geS(get(left), i32.const(0)),
      i32.store8(i32.add(base, get(left)), i32.const(0x80), at),
    ),
    when(isLast(get(left)), [
      i32.store8(base, i32.shrU(total, i32.const(29)), at + 59),
      [0, 1, 2, 3].map((i) => swapped(i32.const(24 - 8 * i), 60 + i, bits)),
    ]),
  ];
}

const isLast = (left: Code): Code => i32.ltS(left, i32.const(56));

function define(module: ModuleWriter): CoreCode {
  const message = defineBlock(module, blockRounds);
  const padding = defineBlock(module, fixedRounds);
  const state = (base: Code): Code => i32.add(base, i32.const(STATE_AT));
  const initial = (base: Code): Code => i32.add(base, i32.const(INITIAL_AT));
  return {
    pair: (base) => [message(initial(base)), padding(state(base))],
    value32: (base) => message(initial(base)),
    absorb: (base) => message(state(base)),
    isLast,
    pad,
    prepare: () => [],
  };
}

function constants(): Uint8Array {
  const bytes = new Uint8Array(FIXED_AT + 1024);
  bytes.set(wordBytes(IV32, 4), INITIAL_AT);
  bytes.set(wordBytes(K, 4), K_AT);
  bytes.set(wordBytes(fixedSchedule(), 4), FIXED_AT);
  return bytes;
}

/** SHA-256. */
export const sha256Core: Core = {
  lanes: 4,
  blockBytes: 64,
  constants: /* @__PURE__ */ constants(),
  initialAt: INITIAL_AT,
  swapped: true,
  pairBlockAt: BLOCK_AT,
  value32Tail: [0x8000_0000, 0, 0, 0, 0, 0, 0, 256],
  define,
};
