// This module is browser compatible.
//
// EIP-7864's stems that hold one slot: the value is hashed, its hash carried up eight
// levels on the side that the key says, with zeros on the other, and joined to the stem.
// All ten hashes of a slot follow each other in the lanes, and nothing in between is
// written to the pool.

import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  i32x4,
  leave,
  type Local,
  loop,
  type ModuleWriter,
  set,
  tee,
  V128,
  v128,
  when,
} from "./emitter.ts";
import type { Core, CoreCode } from "./kernel_core.ts";
import { ROW_AT, STATE_AT } from "./kernel_layout.ts";
import {
  gatherRow,
  lastEntry,
  readLanes,
  scatter,
  startTransposer,
  stemRow,
  transposer,
  value32Tail,
} from "./kernel_pairs.ts";

/** Words of an entry: the value, the key, and where the hash of the stem goes. */
export const SLOT_WORDS = 3;
/** Hashes of pairs for each slot, besides that of its value. */
export const SLOT_PAIRS = 9;

/** Levels of slots in a stem. */
const LEVELS = 8;
/** Words of a hash. */
const WORDS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];

const stateWord = (base: Code, i: number): Code =>
  v128.load(base, STATE_AT + 16 * i);
const putWord = (core: Core, base: Code, i: number, word: Code): Code =>
  v128.store(base, word, core.pairBlockAt + 16 * i);

/** Hashes of the lanes, with zeros on one side, one level up. */
function lift(
  core: Core,
  code: CoreCode,
  base: Code,
  bits: Local,
  side: Local,
): Code {
  const right = (i: number): Code => v128.and(stateWord(base, i), get(side));
  return [
    // All ones where the key says right.
    set(side, i32x4.shrS(i32x4.shl(get(bits), 31), 31)),
    WORDS.map((i) => [
      putWord(core, base, 8 + i, right(i)),
      putWord(core, base, i, v128.xor(stateWord(base, i), right(i))),
    ]),
    code.pair(base),
    set(bits, i32x4.shrU(get(bits), 1)),
  ];
}

/**
 * Adds the kernel to a module: (list, count).
 *
 * @param core A hash function with four lanes.
 */
export function defineSlots(
  module: ModuleWriter,
  core: Core,
  code: CoreCode,
): Call {
  const signature = { params: [I32, I32] }, stride = 4 * SLOT_WORDS;
  return module.func(signature, ({ params, base, local, locals }) => {
    const [list, count] = params, [last, entry, left] = locals(I32, 3);
    const bits = local(V128), side = local(V128), t = transposer(locals);
    const lanes = Array.from(
      { length: core.lanes },
      () => locals(I32, SLOT_WORDS),
    );
    /** The 32 bytes at a word of each entry, into the first half of the block. */
    const gather = (word: number, second: (row: Code) => Code): Code =>
      ([0, 1] as const).map((row) => {
        const load = lanes.map((entry) =>
          v128.load(get(entry[word]), 16 * row)
        );
        const rows = row === 0 ? load : load.map(second);
        return gatherRow(core, t, base, core.pairBlockAt, row, rows);
      });
    return [
      when(i32.eq(get(count), i32.const(0)), leave),
      startTransposer(core, t),
      set(last, lastEntry(list, count, stride)),
      loop([
        readLanes(lanes, list, last, entry),
        gather(0, (row) => row),
        value32Tail(core, base),
        code.value32(base),
        lanes.map(([, key], lane) =>
          i32.store(base, i32.load8(get(key), 31), ROW_AT + 4 * lane)
        ),
        set(bits, v128.load(base, ROW_AT)),
        set(left, i32.const(LEVELS)),
        loop([
          lift(core, code, base, bits, side),
          brIf(0, tee(left, i32.sub(get(left), i32.const(1)))),
        ]),
        WORDS.map((i) => putWord(core, base, 8 + i, stateWord(base, i))),
        gather(1, stemRow),
        code.pair(base),
        scatter(
          core,
          t,
          base,
          (lane, half, row) => v128.store(get(lanes[lane][2]), row, 16 * half),
        ),
        set(list, i32.add(get(list), i32.const(core.lanes * stride))),
        brIf(0, i32.leU(get(list), get(last))),
      ]),
    ];
  });
}
