// This module is browser compatible.
//
// XXH64 with 64-bit arithmetic: the same checksum as xxh64.ts, over the pool.

import {
  brIf,
  type Code,
  get,
  I32,
  i32,
  I64,
  i64,
  type Local,
  loop,
  type ModuleWriter,
  set,
  when,
} from "./emitter.ts";
import { SUM_AT } from "./kernel_layout.ts";

/** Exported: (offset, length, seedLow, seedHigh); result at SUM_AT. */
export const KERNEL_CHECKSUM = "checksum";

const P1 = i64.const(0x9e3779b185ebca87n);
const P2 = i64.const(0xc2b2ae3d27d4eb4fn);
const P3 = i64.const(0x165667b19e3779f9n);
const P4 = i64.const(0x85ebca77c2b2ae63n);
const P5 = i64.const(0x27d4eb2f165667c5n);

const sum = (...parts: Code[]): Code =>
  parts.reduce((total, part) => i64.add(total, part));
const rotate = (x: Code, n: bigint): Code => i64.rotl(x, i64.const(n));
const round = (total: Code, word: Code): Code =>
  i64.mul(rotate(i64.add(total, i64.mul(word, P2)), 31n), P1);

/** All whole stripes of 32 bytes. */
function stripes(
  at: Local,
  rest: Local,
  seed: Local,
  hash: Local,
  sums: readonly Local[],
): Code {
  const zero = i64.const(0n);
  const starts = [
    sum(get(seed), P1, P2),
    i64.add(get(seed), P2),
    get(seed),
    i64.sub(get(seed), P1),
  ];
  const turns = [1n, 7n, 12n, 18n];
  return [
    sums.map((s, i) => set(s, starts[i])),
    loop([
      sums.map((s, i) => set(s, round(get(s), i64.load(get(at), 8 * i)))),
      set(at, i32.add(get(at), i32.const(32))),
      set(rest, i32.sub(get(rest), i32.const(32))),
      brIf(0, i32.geU(get(rest), i32.const(32))),
    ]),
    set(hash, sum(...sums.map((s, i) => rotate(get(s), turns[i])))),
    sums.map((s) => {
      const mixed = i64.xor(get(hash), round(zero, get(s)));
      return set(hash, i64.add(i64.mul(mixed, P1), P4));
    }),
  ];
}

/** The last 0 to 31 bytes: words of 8, 4 and 1 bytes. */
function tail(at: Local, rest: Local, hash: Local): Code {
  const part = (bytes: number, next: Code, again: boolean): Code =>
    when(
      i32.geU(get(rest), i32.const(bytes)),
      loop([
        set(hash, next),
        set(at, i32.add(get(at), i32.const(bytes))),
        set(rest, i32.sub(get(rest), i32.const(bytes))),
        again ? brIf(0, i32.geU(get(rest), i32.const(bytes))) : [],
      ]),
    );
  const mix = (word: Code): Code => i64.xor(get(hash), word);
  const eight = mix(round(i64.const(0n), i64.load(get(at))));
  const four = mix(i64.mul(i64.load32(get(at)), P1));
  const one = mix(i64.mul(i64.load8(get(at)), P5));
  return [
    part(8, i64.add(i64.mul(rotate(eight, 27n), P1), P4), true),
    part(4, i64.add(i64.mul(rotate(four, 23n), P2), P3), false),
    part(1, i64.mul(rotate(one, 11n), P1), true),
  ];
}

/** Adds the checksum to a module. */
export function defineChecksum(module: ModuleWriter): void {
  const params = [I32, I32, I32, I32];
  module.func({ params, name: KERNEL_CHECKSUM }, (body) => {
    const [at, length, seedLow, seedHigh] = body.params;
    const [seed, hash, ...sums] = body.locals(I64, 6);
    const rest = body.local(I32);
    const fold = (shift: bigint): Code =>
      i64.xor(get(hash), i64.shrU(get(hash), i64.const(shift)));
    return [
      set(rest, get(length)),
      set(
        seed,
        i64.or(
          i64.fromI32(get(seedLow)),
          i64.shl(i64.fromI32(get(seedHigh)), i64.const(32n)),
        ),
      ),
      set(hash, i64.add(get(seed), P5)),
      when(
        i32.geU(get(rest), i32.const(32)),
        stripes(at, rest, seed, hash, sums),
      ),
      set(hash, i64.add(get(hash), i64.fromI32(get(length)))),
      tail(at, rest, hash),
      set(hash, i64.mul(fold(33n), P2)),
      set(hash, i64.mul(fold(29n), P3)),
      i64.store(body.base, fold(32n), SUM_AT),
    ];
  });
}
