// This module is browser compatible.
//
// Kernels for messages of one fixed form: two 32-byte halves, the JAM leaf, a
// 32-byte value. Each takes a list, gathers as many messages as there are lanes
// from wherever they lie, transposes them (word i of all lanes into one vector),
// hashes, transposes back and scatters. A last group that is not full repeats the
// last entry: its lanes then write the same bytes to the same place. A group is
// read in full before it is written, so `out` may be `left` or `right`.

import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  i32x4,
  i8x16,
  leave,
  type Local,
  loop,
  type ModuleWriter,
  select,
  set,
  V128,
  v128,
  when,
} from "./emitter.ts";
import {
  type Core,
  type CoreCode,
  high32,
  high64,
  low32,
  low64,
  swapMask,
} from "./kernel_core.ts";
import { STATE_AT } from "./kernel_layout.ts";

/** Vectors that transposing needs, and the byte-swapping mask in one of them. */
export interface Transposer {
  readonly rows: readonly Local[];
  readonly halves: readonly Local[];
  readonly mask: Local;
}

/** Declares a transposer's locals. */
export function transposer(
  locals: (type: number, count: number) => Local[],
): Transposer {
  return {
    rows: locals(V128, 4),
    halves: locals(V128, 4),
    mask: locals(V128, 1)[0],
  };
}

/** Code that sets the mask; to be run once before the others. */
export function startTransposer(core: Core, t: Transposer): Code {
  return core.swapped ? set(t.mask, swapMask) : [];
}

const swap = (core: Core, t: Transposer, row: Code): Code =>
  core.swapped ? i8x16.swizzle(row, get(t.mask)) : row;

/** 4 x 4 transpose of `rows` (words 0 to 3 of each lane). */
function square(t: Transposer, rows: readonly Code[]): [Code, Code[]] {
  const [a, b, c, d] = t.rows.map(get);
  const [e, f, g, h] = t.halves;
  const first: Code = [
    rows.map((row, i) => set(t.rows[i], row)),
    set(e, low32(a, b)),
    set(f, high32(a, b)),
    set(g, low32(c, d)),
    set(h, high32(c, d)),
  ];
  return [first, [
    low64(get(e), get(g)),
    high64(get(e), get(g)),
    low64(get(f), get(h)),
    high64(get(f), get(h)),
  ]];
}

/** 2 x 2 transpose of two rows of two 64-bit words. */
function pairOfWords(t: Transposer, rows: readonly Code[]): [Code, Code[]] {
  const [a, b] = t.rows;
  return [
    rows.map((row, i) => set(t.rows[i], row)),
    [low64(get(a), get(b)), high64(get(a), get(b))],
  ];
}

/**
 * Stores row `row` (16 bytes) of every lane's message into the block at `at`.
 *
 * @param rows The row, lane by lane.
 */
export function gatherRow(
  core: Core,
  t: Transposer,
  base: Code,
  at: number,
  row: number,
  rows: readonly Code[],
): Code {
  const swapped = rows.map((x) => swap(core, t, x));
  const [first, words] = core.lanes === 4
    ? square(t, swapped)
    : pairOfWords(t, swapped);
  const from = at + 16 * row * words.length;
  return [
    first,
    words.map((word, i) => v128.store(base, word, from + 16 * i)),
  ];
}

/**
 * Takes the hashes apart: calls `put` with the row of 16 bytes that belongs to a
 * lane, for the first and then the second half of every lane's hash.
 */
export function scatter(
  core: Core,
  t: Transposer,
  base: Code,
  put: (lane: number, half: 0 | 1, row: Code) => Code,
): Code {
  const state = (i: number): Code => v128.load(base, STATE_AT + 16 * i);
  if (core.lanes === 2) {
    return [low64, high64].map((join, lane) => [
      put(lane, 0, join(state(0), state(1))),
      put(lane, 1, join(state(2), state(3))),
    ]);
  }
  return ([0, 1] as const).map((half): Code => {
    const words = [0, 1, 2, 3].map((i) => state(4 * half + i));
    const [first, rows] = square(t, words);
    return [first, rows.map((row, i) => put(i, half, swap(core, t, row)))];
  });
}

/** The first byte of a row: `bits` of it kept, or set. */
function firstByte(row: Code, keep: number, add: number): Code {
  const rest = new Array<number>(15);
  if (add !== 0) return v128.or(row, v128.const([add, ...rest.fill(0)]));
  if (keep === 0xff) return row;
  return v128.and(row, v128.const([keep, ...rest.fill(0xff)]));
}

/** The words of a list entry, lane by lane, in locals. */
export type Entry = readonly Local[];

/** A kernel over a list of messages of one form. */
interface Form {
  readonly name: string;
  readonly words: number;
  /** 16-byte rows of the message; may use further locals set by `start`. */
  rows(entry: Entry): Code[];
  /** Bits of the hash's first byte to keep and to set. */
  readonly keep?: number;
  readonly add?: number;
}

/** Writes one list kernel: (list, count). */
function defineForm(
  module: ModuleWriter,
  core: Core,
  form: Form,
  hash: (base: Code, flags: Code) => Code,
): Call {
  const params = [I32, I32, I32];
  return module.func(
    { params, name: form.name },
    ({ params, base, locals }) => {
      const [list, count, flags] = params;
      const [last, entry] = locals(I32, 2);
      const t = transposer(locals);
      const stride = 4 * form.words;
      const lanes = Array.from(
        { length: core.lanes },
        () => locals(I32, form.words),
      );
      const messages = lanes.map((words) => form.rows(words));
      const out = (lane: number): Code => get(lanes[lane][form.words - 1]);
      return [
        when(i32.eq(get(count), i32.const(0)), leave),
        startTransposer(core, t),
        set(last, lastEntry(list, count, stride)),
        loop([
          readLanes(lanes, list, last, entry),
          messages[0].map((_, row) =>
            gatherRow(
              core,
              t,
              base,
              core.pairBlockAt,
              row,
              messages.map((rows) => rows[row]),
            )
          ),
          hash(base, get(flags)),
          scatter(core, t, base, (lane, half, row) => {
            const tweaked = half === 0
              ? firstByte(row, form.keep ?? 0xff, form.add ?? 0)
              : row;
            return v128.store(out(lane), tweaked, 16 * half);
          }),
          set(list, i32.add(get(list), i32.const(core.lanes * stride))),
          brIf(0, i32.leU(get(list), get(last))),
        ]),
      ];
    },
  );
}

const halves = ([left, right]: Entry): Code[] => [
  v128.load(get(left)),
  v128.load(get(left), 16),
  v128.load(get(right)),
  v128.load(get(right), 16),
];

/** Writes what follows a 32-byte message in its block. */
export function value32Tail(core: Core, base: Code): Code {
  const at = core.pairBlockAt + 32 * core.lanes;
  return core.value32Tail.map((word, i) =>
    v128.store(base, i32x4.splat(i32.const(word)), at + 16 * i)
  );
}

/** The second row of a key, with the last byte cleared: a slot's stem. */
export function stemRow(row: Code): Code {
  return v128.and(row, v128.const(new Array<number>(15).fill(0xff).concat(0)));
}

/** Address of the last entry of a list that is not empty. */
export function lastEntry(list: Local, count: Local, stride: number): Code {
  const before = i32.sub(get(count), i32.const(1));
  return i32.add(get(list), i32.mul(before, i32.const(stride)));
}

/**
 * Reads the entries of a list that go into the lanes, from `list` on; behind the last
 * entry it is that again.
 */
export function readLanes(
  lanes: readonly Entry[],
  list: Local,
  last: Local,
  entry: Local,
): Code {
  return lanes.map((words, lane): Code => {
    const at = i32.add(get(list), i32.const(4 * lane * words.length));
    const isWithin = i32.leU(get(entry), get(last));
    return [
      set(entry, at),
      set(entry, select(get(entry), get(last), isWithin)),
      words.map((word, i) => set(word, i32.load(get(entry), 4 * i))),
    ];
  });
}

/** Names of the exported kernels. */
export const KERNEL_PAIR = "pair";
export const KERNEL_PAIR_TOP_CLEARED = "pairTopCleared";
export const KERNEL_PAIR_TOP_SET = "pairTopSet";
export const KERNEL_PAIR_LEFT_MASKED = "pairLeftMasked";
export const KERNEL_JAM_LEAF = "jamLeaf";
export const KERNEL_STEM = "stem";
export const KERNEL_VALUE32 = "value32";
export const KERNEL_PARENT = "parent";

/** Rows of the JAM leaf; `row` loads up to 16 bytes, zero padded. */
function jamRows([key, value, length]: Entry, row: Call): Code[] {
  const embedded = i32.leU(get(length), i32.const(32));
  const tag = select(
    i32.or(get(length), i32.const(0x80)),
    i32.const(0xc0),
    embedded,
  );
  const shifted = i8x16.shuffle(
    v128.load(get(key)),
    v128.zero,
    [16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  );
  const bytes = select(get(length), i32.const(32), embedded);
  return [
    i8x16.replaceLane(shifted, 0, tag),
    v128.load(get(key), 15),
    row(get(value), bytes),
    row(
      i32.add(get(value), i32.const(16)),
      i32.sub(bytes, i32.const(16)),
    ),
  ];
}

/** The kernels of this file that others call: (list, count, 0). */
export interface PairKernels {
  readonly pair: Call;
  readonly pairTopCleared: Call;
  readonly pairTopSet: Call;
  readonly pairLeftMasked: Call;
  readonly jamLeaf: Call;
  readonly stem: Call;
  readonly value32: Call;
}

/**
 * Adds the kernels of this file to a module.
 *
 * @param row Function that loads up to 16 bytes: (address, bytes).
 */
export function definePairs(
  module: ModuleWriter,
  core: Core,
  code: CoreCode,
  row: Call,
): PairKernels {
  const pair = (form: Omit<Form, "words">): Call =>
    defineForm(module, core, { words: 3, ...form }, code.pair);
  const rows = halves;
  const jam = (entry: Entry): Code[] => jamRows(entry, row);
  const kernels: PairKernels = {
    pair: pair({ name: KERNEL_PAIR, rows }),
    pairTopCleared: pair({ name: KERNEL_PAIR_TOP_CLEARED, rows, keep: 0x7f }),
    pairTopSet: pair({ name: KERNEL_PAIR_TOP_SET, rows, add: 0x80 }),
    pairLeftMasked: pair({
      name: KERNEL_PAIR_LEFT_MASKED,
      rows: (entry) => {
        const [first, ...others] = halves(entry);
        return [firstByte(first, 0x7f, 0), ...others];
      },
    }),
    stem: pair({
      name: KERNEL_STEM,
      rows: (entry) => {
        const [first, second, ...others] = halves(entry);
        return [first, stemRow(second), ...others];
      },
    }),
    jamLeaf: defineForm(
      module,
      core,
      { name: KERNEL_JAM_LEAF, words: 4, rows: jam },
      code.pair,
    ),
    value32: defineForm(
      module,
      core,
      { name: KERNEL_VALUE32, words: 3, rows: (e) => halves(e).slice(0, 2) },
      (base) => [value32Tail(core, base), code.value32(base)],
    ),
  };
  const parent = code.parent;
  if (parent !== undefined) {
    defineForm(module, core, { name: KERNEL_PARENT, words: 3, rows }, parent);
  }
  return kernels;
}
