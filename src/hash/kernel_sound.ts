// This module is browser compatible.
//
// Whether bytes from storage are a tree page: the looks of `Pages.isSound`, in the
// same order, so that nothing is followed that has not been looked at.

import {
  AT_FREE,
  AT_GARBAGE,
  AT_HEAP,
  AT_LIVE,
  AT_MAGIC,
  AT_PAGE,
  AT_ROOT,
  AT_SLOTS,
  CHILD,
  CHILD_RECORD_BYTES,
  DEPTH_MASK,
  DIRTY,
  EXTEND,
  FREE,
  GROUP_BYTES,
  JOIN,
  KIND_SHIFT,
  NONE,
  OVERFLOW,
  OVERFLOW_RECORD_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_MAGIC,
  VALUE_BYTES_MAX,
} from "../tree/layout.ts";
import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  leave,
  type Local,
  loop,
  type ModuleWriter,
  select,
  set,
  when,
} from "./emitter.ts";
import { half, isJoin, padded } from "./kernel_nodes.ts";
import { add, bump, KINDS, metaOf } from "./kernel_page_rules.ts";

/**
 * Exported: (list of words, unused, unused). The words are the fields below; 1 takes the
 * place of the first when the page is sound, else 0.
 */
export const KERNEL_SOUND = "isSound";
/** The page, its number, and bytes of a page. */
export const SOUND_FRAME = 0, SOUND_PAGE = 4, SOUND_PAGE_BYTES = 8;
/** Bytes of each key, 0 where a length byte precedes it; of the shortest and longest. */
export const SOUND_KEY_BYTES = 12, SOUND_KEY_MIN = 16, SOUND_KEY_MAX = 20;
/** Bytes of each value, -1 where that is free; of the longest record in a page. */
export const SOUND_VALUE_BYTES = 24, SOUND_RECORD_MAX = 28;

const no: Code = [i32.const(0), leave];
const isZero = (value: Code): Code => i32.eq(value, i32.const(0));
const isKind = (meta: Local, kind: number): Code =>
  i32.eq(i32.and(get(meta), i32.const(KINDS)), i32.const(kind << KIND_SHIFT));

const bad: Code = [i32.const(-1), leave];

/** (list, where an entry's record lies in the page) -> bytes of it, or -1. */
function defineEntry(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params }) => {
    const [list, at] = params;
    const field = (offset: number): Code => i32.load(get(list), offset);
    const last = add(field(SOUND_PAGE_BYTES), -CHILD_RECORD_BYTES);
    return [
      when(i32.gtU(get(at), last), bad),
      set(at, i32.add(field(SOUND_FRAME), get(at))),
      when(isZero(i32.load(get(at))), bad),
      when(
        isZero(i32.or(i32.load(get(at), 4), i32.load(get(at), 8))),
        bad,
      ),
      i32.const(CHILD_RECORD_BYTES),
    ];
  });
}

/** (list, where a record lies in the page) -> bytes of its key, padded, or -1. */
function defineKey(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params, local }) => {
    const [list, at] = params, key = local(I32);
    const field = (offset: number): Code => i32.load(get(list), offset);
    return [
      set(key, field(SOUND_KEY_BYTES)),
      when(isZero(get(key)), [
        set(key, i32.load8(i32.add(field(SOUND_FRAME), get(at)))),
        when(i32.gtU(field(SOUND_KEY_MIN), get(key)), bad),
        when(i32.gtU(get(key), field(SOUND_KEY_MAX)), bad),
        bump(key, 1),
      ]),
      padded(get(key)),
    ];
  });
}

/** (list, address of a node's meta, depth of the join above) -> bytes of its record, or -1. */
function defineRecord(module: ModuleWriter): Call {
  const entry = defineEntry(module), keyOf = defineKey(module);
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [list, at, above] = params;
    const [meta, record, key, size, length] = locals(I32, 5);
    const field = (offset: number): Code => i32.load(get(list), offset);
    const end = field(SOUND_PAGE_BYTES);
    const heap = half(field(SOUND_FRAME), AT_HEAP);
    const isOverflow = i32.and(get(meta), i32.const(OVERFLOW));
    const overflow = i32.const(OVERFLOW_RECORD_BYTES);
    const value = i32.add(
      i32.add(field(SOUND_FRAME), get(record)),
      get(key),
    );
    return [
      set(meta, half(get(at))),
      set(record, half(get(at), 2)),
      set(length, half(get(at), 4)),
      when(i32.gtU(heap, get(record)), bad),
      when(i32.and(get(record), i32.const(3)), bad),
      when(i32.geU(get(record), end), bad),
      when(isKind(meta, CHILD), [
        when(i32.leS(get(length), get(above)), bad),
        entry(get(list), get(record)),
        leave,
      ]),
      set(key, keyOf(get(list), get(record))),
      when(i32.ltS(get(key), i32.const(0)), bad),
      set(
        size,
        i32.add(get(key), select(overflow, padded(get(length)), isOverflow)),
      ),
      when(i32.gtU(i32.add(get(record), get(size)), end), bad),
      when(i32.geS(field(SOUND_VALUE_BYTES), i32.const(0)), [
        when(isOverflow, bad),
        when(i32.ne(get(length), field(SOUND_VALUE_BYTES)), bad),
        get(size),
        leave,
      ]),
      when(
        isOverflow,
        [
          when(i32.gtU(i32.load(value), i32.const(VALUE_BYTES_MAX)), bad),
          when(isZero(i32.load(value, 4)), bad),
        ],
        when(i32.gtU(get(size), field(SOUND_RECORD_MAX)), bad),
      ),
      get(size),
    ];
  });
}

/** (page, slots, free ones) -> whether exactly so many are on the free list, each once. */
function defineFreeList(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [f, slots, left] = params, [n, at] = locals(I32, 2);
    return [
      set(n, half(get(f), AT_FREE)),
      when(
        get(left),
        loop([
          when(i32.geU(get(n), get(slots)), no),
          set(at, metaOf(get(f), get(n))),
          when(
            i32.ne(
              i32.and(half(get(at)), i32.const(KINDS)),
              i32.const(FREE << KIND_SHIFT),
            ),
            no,
          ),
          set(n, half(get(at), 2)),
          bump(left, -1),
          brIf(0, get(left)),
        ]),
      ),
      i32.eq(get(n), i32.const(NONE)),
    ];
  });
}

/**
 * (page, slots, address of a node's meta, the node) -> depth of the join above it, which
 * leads to it on one side; -1 for the root, and -2 where that is not so.
 */
function defineAbove(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [f, slots, at, n] = params, [parent, depth] = locals(I32, 2);
    const bad: Code = [i32.const(-2), leave];
    const leads = (side: number): Code =>
      i32.eq(half(get(parent), side), get(n));
    return [
      set(parent, half(get(at), 6)),
      when(i32.eq(get(n), half(get(f), AT_ROOT)), [
        when(i32.ne(get(parent), i32.const(NONE)), bad),
        i32.const(-1),
        leave,
      ]),
      when(i32.geU(get(parent), get(slots)), bad),
      set(parent, metaOf(get(f), get(parent))),
      // A written page has no flags, so this is the depth of a join.
      set(depth, i32.xor(half(get(parent)), i32.const(JOIN << KIND_SHIFT))),
      when(i32.gtU(get(depth), i32.const(DEPTH_MASK)), bad),
      when(i32.eq(leads(2), leads(4)), bad),
      get(depth),
    ];
  });
}

/** (list) -> whether the header's numbers can be. */
function defineHeader(module: ModuleWriter, isFreeList: Call): Call {
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const list = params[0], [f, slots, live, heap] = locals(I32, 4);
    const field = (offset: number): Code => i32.load(get(list), offset);
    const groups = i32.shrU(add(get(slots), 3), i32.const(2));
    return [
      set(f, field(SOUND_FRAME)),
      set(slots, half(get(f), AT_SLOTS)),
      set(live, half(get(f), AT_LIVE)),
      set(heap, half(get(f), AT_HEAP)),
      when(i32.ne(i32.load(get(f), AT_PAGE), field(SOUND_PAGE)), no),
      when(i32.ne(half(get(f), AT_MAGIC), i32.const(PAGE_MAGIC)), no),
      when(i32.gtU(get(heap), field(SOUND_PAGE_BYTES)), no),
      when(i32.and(get(heap), i32.const(3)), no),
      when(i32.gtU(get(live), get(slots)), no),
      when(isZero(get(live)), no),
      when(
        i32.gtU(
          add(i32.mul(groups, i32.const(GROUP_BYTES)), PAGE_HEADER_BYTES),
          get(heap),
        ),
        no,
      ),
      isFreeList(get(f), get(slots), i32.sub(get(slots), get(live))),
    ];
  });
}

/** Adds the kernel to a module. */
export function defineSound(module: ModuleWriter): void {
  const isHeader = defineHeader(module, defineFreeList(module));
  const depthAbove = defineAbove(module), record = defineRecord(module);
  const isTree = module.func(
    { params: [I32], result: I32 },
    ({ params, locals }) => {
      const list = params[0], [f, slots, n, at, meta] = locals(I32, 5);
      const [above, depth, depths, size] = locals(I32, 4);
      const [nodes, joins, bytes] = locals(I32, 3);
      const field = (offset: number): Code => i32.load(get(list), offset);
      const join: Code = [
        bump(joins, 1),
        set(depth, i32.xor(get(meta), i32.const(JOIN << KIND_SHIFT))),
        when(i32.leS(get(depth), get(above)), no),
        when(i32.geS(get(depth), get(depths)), no),
      ];
      const end: Code = [
        when(i32.and(get(meta), i32.const(DIRTY | EXTEND)), no),
        // The root is no entry.
        when(
          i32.and(isKind(meta, CHILD), i32.ltS(get(above), i32.const(0))),
          no,
        ),
        set(size, record(get(list), get(at), get(above))),
        when(i32.ltS(get(size), i32.const(0)), no),
        set(bytes, i32.add(get(bytes), get(size))),
      ];
      return [
        when(isZero(isHeader(get(list))), no),
        set(f, field(SOUND_FRAME)),
        set(slots, half(get(f), AT_SLOTS)),
        set(depths, i32.shl(field(SOUND_KEY_MAX), i32.const(3))),
        loop([
          set(at, metaOf(get(f), get(n))),
          set(meta, half(get(at))),
          when(i32.and(get(meta), i32.const(KINDS)), [
            bump(nodes, 1),
            set(above, depthAbove(get(f), get(slots), get(at), get(n))),
            when(i32.eq(get(above), i32.const(-2)), no),
            when(isJoin(meta), join, end),
          ]),
          bump(n, 1),
          brIf(0, i32.gtU(get(slots), get(n))),
        ]),
        when(i32.ne(get(nodes), half(get(f), AT_LIVE)), no),
        // Each node but the root is on one side of a join, no two on the same one: as
        // many as there are sides are on all of them.
        when(
          i32.ne(add(i32.shl(get(joins), i32.const(1)), 1), get(nodes)),
          no,
        ),
        i32.eq(
          i32.add(
            get(bytes),
            i32.add(half(get(f), AT_HEAP), half(get(f), AT_GARBAGE)),
          ),
          field(SOUND_PAGE_BYTES),
        ),
      ];
    },
  );
  const signature = { params: [I32, I32, I32], name: KERNEL_SOUND };
  module.func(signature, ({ params }) => {
    const list = params[0];
    return i32.store(get(list), isTree(get(list)));
  });
}
