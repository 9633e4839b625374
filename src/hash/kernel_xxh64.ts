// This module is browser compatible.
//
// XXH64 with 64-bit arithmetic: the same checksum as xxh64.ts, over the pool.

import {
  type Body,
  brIf,
  type Call,
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
import { RUNNING_SUMS_AT, SUM_AT } from "./kernel_layout.ts";

/**
 * Exported: (offset, length, before, seedLow, seedHigh); result at SUM_AT. Of the
 * message `before` bytes, a multiple of 32, came in parts before.
 */
export const KERNEL_CHECKSUM = "checksum";
/** Exported, with the same parameters: a part, a multiple of 32 bytes, not the last. */
export const KERNEL_CHECKSUM_PART = "checksumPart";

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

/** Locals of both functions. */
interface Locals {
  readonly at: Local;
  readonly rest: Local;
  readonly before: Local;
  readonly seed: Local;
  readonly sums: readonly Local[];
}

/** Goes on with the sums where the parts before have left them. */
function start({ before, seed, sums }: Locals, base: Code): Code {
  const starts = [
    sum(get(seed), P1, P2),
    i64.add(get(seed), P2),
    get(seed),
    i64.sub(get(seed), P1),
  ];
  return when(
    get(before),
    sums.map((s, i) => set(s, i64.load(base, RUNNING_SUMS_AT + 8 * i))),
    sums.map((s, i) => set(s, starts[i])),
  );
}

/** All whole stripes of 32 bytes. */
function stripes({ at, rest, sums }: Locals): Code {
  return when(
    i32.geU(get(rest), i32.const(32)),
    loop([
      sums.map((s, i) => set(s, round(get(s), i64.load(get(at), 8 * i)))),
      set(at, i32.add(get(at), i32.const(32))),
      set(rest, i32.sub(get(rest), i32.const(32))),
      brIf(0, i32.geU(get(rest), i32.const(32))),
    ]),
  );
}

/** Makes one hash of the four sums. */
function join(sums: readonly Local[], hash: Local): Code {
  const zero = i64.const(0n), turns = [1n, 7n, 12n, 18n];
  return [
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

/** The parameters, with the seed in one piece. */
function enter(body: Body): { locals: Locals; code: Code } {
  const [at, rest, before, seedLow, seedHigh] = body.params;
  const [seed, ...sums] = body.locals(I64, 5);
  const high = i64.shl(i64.fromI32(get(seedHigh)), i64.const(32n));
  return {
    locals: { at, rest, before, seed, sums },
    code: set(seed, i64.or(i64.fromI32(get(seedLow)), high)),
  };
}

/** Adds the checksum, in one piece or in parts, to a module; returns the former. */
export function defineChecksum(module: ModuleWriter): Call {
  const params = [I32, I32, I32, I32, I32];
  module.func({ params, name: KERNEL_CHECKSUM_PART }, (body) => {
    const { locals, code } = enter(body);
    return [
      code,
      start(locals, body.base),
      stripes(locals),
      locals.sums.map((s, i) =>
        i64.store(body.base, get(s), RUNNING_SUMS_AT + 8 * i)
      ),
    ];
  });
  return module.func({ params, name: KERNEL_CHECKSUM }, (body) => {
    const { locals, code } = enter(body);
    const { at, rest, before, seed, sums } = locals;
    const hash = body.local(I64), total = body.local(I32);
    const fold = (shift: bigint): Code =>
      i64.xor(get(hash), i64.shrU(get(hash), i64.const(shift)));
    return [
      code,
      set(total, i32.add(get(before), get(rest))),
      set(hash, i64.add(get(seed), P5)),
      when(i32.geU(get(total), i32.const(32)), [
        start(locals, body.base),
        stripes(locals),
        join(sums, hash),
      ]),
      set(hash, i64.add(get(hash), i64.fromI32(get(total)))),
      tail(at, rest, hash),
      set(hash, i64.mul(fold(33n), P2)),
      set(hash, i64.mul(fold(29n), P3)),
      i64.store(body.base, fold(32n), SUM_AT),
    ];
  });
}
