// This module is browser compatible.
//
// What the families of schemes want of the hashing of whole pages: which lists their
// terminals go to, at which level a join is hashed, and how its hash is lifted over
// one-child levels.

import type { Scheme } from "@stemma/verify";
import {
  GROUP_BYTES,
  KIND_SHIFT,
  METAS_AT,
  OVERFLOW,
  OVERFLOW_HASH_AT,
  PAGE_HEADER_BYTES,
  STEM_BITS,
} from "../tree/layout.ts";
import {
  brIf,
  type Call,
  type Code,
  get,
  i32,
  type Local,
  loop,
  select,
  set,
  when,
} from "./emitter.ts";
import {
  JOBS_AT,
  PAGE_HEADS_AT,
  PAGE_TOPS_AT,
  PAGE_ZERO_AT,
  PART_ENTRIES,
} from "./kernel_layout.ts";
import type { PairKernels } from "./kernel_pairs.ts";
import { SLOT_PAIRS, SLOT_WORDS } from "./kernel_slots.ts";

/** Families of schemes, each with rules of its own. */
export type Family = Scheme["family"];

/** The kernels over lists that this one calls. */
export interface ListKernels extends PairKernels {
  readonly stream: Call;
  readonly leafMessages: Call;
  readonly branchMessages: Call;
  /** Of EIP-7864, with four lanes: stems that hold one slot. */
  readonly slots: Call | undefined;
}

/** Words at PAGE_TOPS_AT: ends of lists, then counters. */
export const VALUES32 = 0, VALUES = 1, LEAVES = 2, NODES = 3;
export const DEEPEST = 4, VISITED = 5;
/** What has been hashed: values, leaves, and nodes. */
export const DONE: readonly number[] = [6, 7, 8];
/** Where frames begin and end, and the bytes of one less 1. */
export const FIRST = 9, END = 10, MASK = 11;

/** Fields of a node. */
export const NEXT = 0;
const LEFT = 4, RIGHT = 8, OUT = 12, KEY = 16, ABOVE = 20;

export const KINDS = 3 << KIND_SHIFT;

export const add = (a: Code, n: number): Code => i32.add(a, i32.const(n));
export const bump = (local: Local, by: number): Code =>
  set(local, add(get(local), by));
export const top = (base: Code, word: number): Code =>
  i32.load(base, PAGE_TOPS_AT + 4 * word);
export const setTop = (base: Code, word: number, value: Code): Code =>
  i32.store(base, value, PAGE_TOPS_AT + 4 * word);
export const headOf = (base: Code, level: Code): Code =>
  i32.add(base, i32.shl(level, i32.const(2)));

/** Address of a node's hash cell. */
export function cellOf(f: Code, n: Code): Code {
  const group = i32.mul(i32.shrU(n, i32.const(2)), i32.const(GROUP_BYTES));
  const place = i32.shl(i32.and(n, i32.const(3)), i32.const(5));
  return add(i32.add(f, i32.add(group, place)), PAGE_HEADER_BYTES);
}

/** Address of a node's meta. */
export function metaOf(f: Code, n: Code): Code {
  const group = i32.mul(i32.shrU(n, i32.const(2)), i32.const(GROUP_BYTES));
  const place = i32.shl(i32.and(n, i32.const(3)), i32.const(3));
  return add(i32.add(f, i32.add(group, place)), METAS_AT);
}

/** Appends words to a list. */
export function append(
  base: Code,
  list: number,
  at: Local,
  words: Code[],
): Code {
  return [
    set(at, top(base, list)),
    words.map((word, i) => i32.store(get(at), word, 4 * i)),
    setTop(base, list, add(get(at), 4 * words.length)),
  ];
}

/** Puts a node into the list of a level. */
export function link(base: Code, node: Local, level: Local, head: Local): Code {
  return [
    set(head, headOf(base, get(level))),
    i32.store(get(node), i32.load(get(head), PAGE_HEADS_AT), NEXT),
    i32.store(get(head), get(node), PAGE_HEADS_AT),
  ];
}

/** Makes a node carry its hash up, to `depth`, on the side that its key says. */
function lift(base: Code, node: Local, depth: Local, byte: Local): Code {
  const at = i32.add(
    i32.load(get(node), KEY),
    i32.shrU(get(depth), i32.const(3)),
  );
  const bit = i32.shl(i32.load8(at), i32.and(get(depth), i32.const(7)));
  const own = i32.load(get(node), OUT), zero = add(base, PAGE_ZERO_AT);
  return [
    set(byte, i32.and(bit, i32.const(0x80))),
    i32.store(get(node), select(zero, own, get(byte)), LEFT),
    i32.store(get(node), select(own, zero, get(byte)), RIGHT),
  ];
}

/** What a visit knows of the node that it is at. */
export interface Visit {
  readonly base: Code;
  readonly f: Local;
  readonly n: Local;
  /** Address of its meta, its first word, and of its hash cell. */
  readonly at: Local;
  readonly meta: Local;
  readonly out: Local;
  /** Depth of the join above. */
  readonly above: Local;
  /** Children of a join; record and value length of a terminal. */
  readonly left: Local;
  readonly right: Local;
  /** Free for use. */
  readonly a: Local;
  readonly b: Local;
  readonly c: Local;
  readonly d: Local;
}

/** A family of schemes. */
export interface Rules {
  /** Whether a join's key must be known: `a` is its depth. */
  needsKey(visit: Visit): Code;
  /** Level of a depth. */
  level(depth: Code): Code;
  /** Where a key begins in its record. */
  readonly keyShift: number;
  /** Writes down what a terminal needs; `d` is the address of its record. */
  terminal(visit: Visit): Code;
  /** Words of a leaf's list entry. */
  readonly leafWords: 3 | 4;
  leaves(base: Code, list: Code, count: Local): Code;
  /** Words of a node's list entry at a level. */
  words(node: Local, level: Local, base: Code): Code[];
  nodes(base: Code, list: Code, count: Local, level: Local): Code;
  /** Puts a node that goes on into the next level's list. */
  goOn(node: Local, level: Local, spare: readonly Local[], base: Code): Code;
}

/** A value of any length, to be hashed into the terminal's cell. */
function valueOf({ base, out, a }: Visit, at: Code, length: Code): Code {
  const words = [at, length, get(out)];
  return when(
    i32.eq(length, i32.const(32)),
    append(base, VALUES32, a, words),
    append(base, VALUES, a, words),
  );
}

const lengthOf = ({ right }: Visit): Code => get(right);
const isOverflow = ({ meta }: Visit): Code =>
  i32.and(get(meta), i32.const(OVERFLOW));

/** A node one level up: `level` is that of the hash it has now. */
function liftOnce(
  node: Local,
  level: Local,
  [next, head, byte]: readonly Local[],
  base: Code,
): Code {
  return [
    set(next, add(get(level), -1)),
    lift(base, node, next, byte),
    link(base, node, next, head),
  ];
}

/** Goes on while the join above is not the next level's. */
const liftToAbove: Rules["goOn"] = (node, level, spare, base) =>
  when(
    i32.gtS(add(get(level), -1), i32.load(get(node), ABOVE)),
    liftOnce(node, level, spare, base),
  );

const pairWords = (node: Local): Code[] =>
  [LEFT, RIGHT, OUT].map((field) => i32.load(get(node), field));

const isLifted = ({ a, above }: Visit): Code =>
  i32.gtS(add(get(a), -1), get(above));

function nomt(kernels: ListKernels): Rules {
  return {
    needsKey: isLifted,
    level: (depth) => depth,
    keyShift: 0,
    terminal(visit) {
      const { base, out, a, d } = visit, value = add(get(d), 32);
      const hash = add(get(d), 32 + OVERFLOW_HASH_AT);
      return [
        when(isOverflow(visit), [], valueOf(visit, value, lengthOf(visit))),
        append(base, LEAVES, a, [
          get(d),
          select(hash, get(out), isOverflow(visit)),
          get(out),
        ]),
      ];
    },
    leafWords: 3,
    leaves: (_base, list, count) =>
      kernels.pairTopSet(list, get(count), i32.const(0)),
    words: pairWords,
    nodes: (_base, list, count) =>
      kernels.pairTopCleared(list, get(count), i32.const(0)),
    goOn: liftToAbove,
  };
}

function jam(kernels: ListKernels): Rules {
  return {
    needsKey: isLifted,
    level: (depth) => depth,
    keyShift: 0,
    terminal(visit) {
      const { base, out, a, b, c, d } = visit, value = add(get(d), 32);
      return [
        set(b, lengthOf(visit)),
        set(c, value),
        when(
          isOverflow(visit),
          [set(b, i32.load(value)), set(c, add(value, OVERFLOW_HASH_AT))],
          when(i32.gtU(get(b), i32.const(32)), [
            valueOf(visit, value, get(b)),
            set(c, get(out)),
          ]),
        ),
        append(base, LEAVES, a, [get(d), get(c), get(b), get(out)]),
      ];
    },
    leafWords: 4,
    leaves: (_base, list, count) =>
      kernels.jamLeaf(list, get(count), i32.const(0)),
    words: pairWords,
    nodes: (_base, list, count) =>
      kernels.pairLeftMasked(list, get(count), i32.const(0)),
    goOn: liftToAbove,
  };
}

/** Through a stem's levels of slots, to the stem, and on as other nodes above it. */
const goOnInStems: Rules["goOn"] = (node, level, spare, base) => {
  const [next, head, byte] = spare, stem = i32.const(STEM_BITS);
  const above = i32.load(get(node), ABOVE);
  const depth = add(get(level), -1);
  const isUnderStem = i32.ltS(above, stem);
  const toStem: Code = [
    i32.store(get(node), i32.load(get(node), KEY), LEFT),
    i32.store(get(node), i32.load(get(node), OUT), RIGHT),
    set(next, stem),
    link(base, node, next, head),
  ];
  const toSlot: Code = [
    set(next, add(get(level), -2)),
    lift(base, node, next, byte),
    set(next, depth),
    link(base, node, next, head),
  ];
  return when(
    i32.gtS(get(level), stem),
    when(
      i32.eq(depth, stem),
      when(isUnderStem, toStem),
      when(
        i32.or(isUnderStem, i32.gtS(add(get(level), -2), above)),
        toSlot,
      ),
    ),
    when(i32.ltS(get(level), stem), liftToAbove(node, level, spare, base)),
  );
};

/** Depths from 248 on are one level further down: stems come between. */
function eip7864(kernels: ListKernels): Rules {
  const stem = i32.const(STEM_BITS), { slots } = kernels;
  return {
    needsKey: (visit) =>
      i32.or(
        isLifted(visit),
        i32.and(i32.geS(get(visit.a), stem), i32.ltS(get(visit.above), stem)),
      ),
    level: (depth) => i32.add(depth, i32.geS(depth, stem)),
    keyShift: 0,
    terminal(visit) {
      const { base, out, above, a, b, c, d } = visit;
      const value = add(get(d), 32);
      const isAlone = i32.and(
        i32.ltS(get(above), stem),
        i32.eq(lengthOf(visit), i32.const(32)),
      );
      const byLevels: Code = [
        valueOf(visit, value, lengthOf(visit)),
        when(i32.ltS(get(above), i32.const(255)), [
          append(base, NODES, a, [
            i32.const(0),
            i32.const(0),
            i32.const(0),
            get(out),
            get(d),
            get(above),
          ]),
          set(b, i32.const(255)),
          lift(base, a, b, c),
          set(b, i32.const(256)),
          link(base, a, b, c),
          setTop(base, DEEPEST, i32.const(256)),
        ]),
      ];
      if (slots === undefined) return byLevels;
      const alone = append(base, LEAVES, a, [value, get(d), get(out)]);
      return when(isAlone, alone, byLevels);
    },
    leafWords: SLOT_WORDS,
    leaves(base, list, count) {
      if (slots === undefined) return [];
      const pairs = i32.mul(get(count), i32.const(SLOT_PAIRS));
      return [
        setTop(base, DONE[2], i32.add(top(base, DONE[2]), pairs)),
        slots(list, get(count)),
      ];
    },
    words: pairWords,
    nodes: (_base, list, count, level) =>
      when(
        i32.eq(get(level), stem),
        kernels.stem(list, get(count), i32.const(0)),
        kernels.pair(list, get(count), i32.const(0)),
      ),
    goOn: goOnInStems,
  };
}

/** Lists that are put together as messages first, as many as there is room for. */
function inParts(
  make: Call,
  stream: Call,
  words: number,
  base: Code,
  list: Code,
  count: Local,
  [at, part]: readonly Local[],
): Code {
  const most = i32.const(PART_ENTRIES), jobs = add(base, JOBS_AT);
  return [
    set(at, list),
    when(
      get(count),
      loop([
        set(part, select(most, get(count), i32.gtU(get(count), most))),
        make(get(at), get(part)),
        stream(jobs, get(part)),
        set(at, i32.add(get(at), i32.mul(get(part), i32.const(4 * words)))),
        set(count, i32.sub(get(count), get(part))),
        brIf(0, get(count)),
      ]),
    ),
  ];
}

function eip8297(kernels: ListKernels, spare: readonly Local[]): Rules {
  const { leafMessages, branchMessages, stream } = kernels;
  return {
    needsKey: isLifted,
    level: (depth) => depth,
    keyShift: 1,
    terminal({ base, out, a, b, d }) {
      const value = i32.and(add(get(b), 4), i32.const(-4));
      return [
        set(b, i32.load8(get(d))),
        append(base, LEAVES, a, [
          add(get(d), 1),
          get(b),
          i32.add(get(d), value),
          get(out),
        ]),
      ];
    },
    leafWords: 4,
    leaves: (base, list, count) =>
      inParts(leafMessages, stream, 4, base, list, count, spare),
    words(node, level, base) {
      const first = add(i32.load(get(node), ABOVE), 1);
      const bits = i32.sub(get(level), first);
      const key = i32.load(get(node), KEY);
      return [
        select(key, add(base, PAGE_ZERO_AT), key),
        first,
        bits,
        ...pairWords(node),
      ];
    },
    nodes: (base, list, count) =>
      inParts(branchMessages, stream, 6, base, list, count, spare),
    goOn: () => [],
  };
}

/**
 * The rules of a family.
 *
 * @param spare Three locals of the function that runs the lists.
 */
export function rulesOf(
  family: Family,
  kernels: ListKernels,
  spare: readonly Local[],
): Rules {
  switch (family) {
    case "nomt":
      return nomt(kernels);
    case "jam":
      return jam(kernels);
    case "eip7864":
      return eip7864(kernels);
    case "eip8297":
      return eip8297(kernels, spare);
  }
}
