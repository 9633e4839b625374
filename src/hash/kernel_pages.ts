// This module is browser compatible.
//
// Hashes whole pages: visits the dirty nodes below the root of each page of a list,
// writes lists for the other kernels and runs them level by level from the deepest
// up, all without JavaScript. Root nodes are hashed along with the page above, in
// which their hashes lie, where its entries say in which frames they are; those of
// pages that have just been edited along with these (`kernel_edits.ts`). A page with
// a node flagged EXTEND is left as it is, and so is one that leads to another which
// has work left: those are the hashing pass's.

import {
  AT_ROOT,
  AT_SLOTS,
  CHILD,
  DEPTH_MASK,
  DIRTY,
  EXTEND,
  GROUP_BYTES,
  JOIN,
  KIND_SHIFT,
  METAS_AT,
  NONE,
} from "../tree/layout.ts";
import {
  br,
  brIf,
  type Call,
  type Code,
  drop,
  get,
  I32,
  i32,
  i32x4,
  leave,
  type Local,
  loop,
  type ModuleWriter,
  set,
  V128,
  v128,
  when,
} from "./emitter.ts";
import {
  PAGE_HEADS_AT,
  PAGE_LEAVES_AT,
  PAGE_LIST_AT,
  PAGE_NODES_AT,
  PAGE_NODES_MAX,
  PAGE_STACK_AT,
  PAGE_VALUES32_AT,
  PAGE_VALUES_AT,
} from "./kernel_layout.ts";
import {
  add,
  append,
  bump,
  cellOf,
  DEEPEST,
  DONE,
  END,
  type Family,
  FIRST,
  headOf,
  KINDS,
  LEAVES,
  link,
  type ListKernels,
  MASK,
  metaOf,
  NEXT,
  NODES,
  type Rules,
  rulesOf,
  setTop,
  top,
  VALUES,
  VALUES32,
  type Visit,
  VISITED,
} from "./kernel_page_rules.ts";

/**
 * Exported: (list of page offsets, count, unused). Behind the pages follow the offset of
 * the first frame, the end of all, and the bytes of one less 1: by these a page that leads
 * to others is hashed, too, if those others are done. Values, leaves and nodes hashed are
 * at the list afterwards: three words.
 */
export const KERNEL_PAGES = "pages";

/** (page) -> not 0 when it has a child entry or a node flagged EXTEND. */
function defineIsOpen(module: ModuleWriter): Call {
  const lanes = (n: number): Code =>
    v128.const([0, 8].flatMap(() => [n & 0xff, n >> 8, 0, 0, 0, 0, 0, 0]));
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, local, locals }) => {
    const at = params[0], end = local(I32);
    const [found, metas] = locals(V128, 2);
    const look = (offset: number): Code => [
      set(metas, v128.load(get(at), METAS_AT + offset)),
      // Both bits of the kind are set for a child entry alone.
      set(
        found,
        v128.or(
          get(found),
          v128.or(
            v128.and(
              v128.and(get(metas), i32x4.shl(get(metas), 1)),
              lanes(2 << KIND_SHIFT),
            ),
            v128.and(get(metas), lanes(EXTEND)),
          ),
        ),
      ),
    ];
    const groups = i32.shrU(
      add(i32.load16(get(at), AT_SLOTS), 3),
      i32.const(2),
    );
    return [
      set(end, i32.add(get(at), i32.mul(groups, i32.const(GROUP_BYTES)))),
      loop([
        look(0),
        look(16),
        bump(at, GROUP_BYTES),
        brIf(0, i32.gtU(get(end), get(at))),
      ]),
      v128.anyTrue(get(found)),
    ];
  });
}

/** (page, child entry) -> the frame that a dirty one names; 0 when it names none. */
function defineFrame(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params, base, locals }) => {
    const [f, n] = params, [frame, found] = locals(I32, 2);
    const first = top(base, FIRST);
    const record = i32.add(get(f), i32.load16(metaOf(get(f), get(n)), 2));
    const isFrame = i32.and(
      i32.and(
        i32.geU(get(frame), first),
        i32.gtU(top(base, END), get(frame)),
      ),
      i32.eq(
        i32.and(i32.sub(get(frame), first), top(base, MASK)),
        i32.const(0),
      ),
    );
    return [
      set(frame, i32.load(cellOf(get(f), get(n)))),
      when(
        isFrame,
        when(i32.eq(i32.load(get(frame)), i32.load(record)), [
          set(found, get(frame)),
        ]),
      ),
      get(found),
    ];
  });
}

/**
 * (page) -> how many nodes may be hashed with a page that leads to others; 0 when one is
 * flagged EXTEND, or when what is dirty below the root needs a key or a page that is not
 * in the frame named, or leads on itself and is not done.
 */
function defineWeighInner(
  module: ModuleWriter,
  rules: Rules,
  isOpen: Call,
  frame: Call,
): Call {
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, base, locals }) => {
    const f = params[0], none: Code = [i32.const(0), leave];
    const [n, at, meta, out, above, left, right, a, b, c, d] = locals(I32, 11);
    const [slots, weight] = locals(I32, 2);
    const visit = { base, f, n, at, meta, out, above, left, right, a, b, c, d };
    const bits = (of: Code, flags: number): Code =>
      i32.and(of, i32.const(flags));
    const isKind = (kind: number): Code =>
      i32.eq(bits(get(meta), KINDS), i32.const(kind << KIND_SHIFT));
    const hasWork = (side: number): Code =>
      bits(
        i32.load16(metaOf(get(c), i32.load16(get(at), side))),
        DIRTY | EXTEND,
      );
    const isBelowJoin = i32.ne(get(b), i32.const(NONE));
    const look: Code = [
      set(above, bits(i32.load16(metaOf(get(f), get(b))), DEPTH_MASK)),
      when(isKind(CHILD), [
        set(c, frame(get(f), get(n))),
        when(i32.eq(get(c), i32.const(0)), none),
        set(at, metaOf(get(c), i32.load16(get(c), AT_ROOT))),
        set(meta, i32.load16(get(at))),
        when(
          i32.ne(
            bits(get(meta), KINDS | EXTEND),
            i32.const(JOIN << KIND_SHIFT),
          ),
          none,
        ),
        when(i32.or(hasWork(2), hasWork(4)), [
          when(isOpen(get(c)), none),
          set(weight, i32.add(get(weight), i32.load16(get(c), AT_SLOTS))),
        ]),
      ]),
      when(isKind(JOIN), [
        set(a, bits(get(meta), DEPTH_MASK)),
        when(rules.needsKey(visit), none),
      ]),
    ];
    return [
      set(slots, i32.load16(get(f), AT_SLOTS)),
      set(weight, get(slots)),
      loop([
        set(at, metaOf(get(f), get(n))),
        set(meta, i32.load16(get(at))),
        set(b, i32.load16(get(at), 6)),
        when(bits(get(meta), EXTEND), none),
        when(bits(get(meta), DIRTY), when(isBelowJoin, look)),
        bump(n, 1),
        brIf(0, i32.gtU(get(slots), get(n))),
      ]),
      get(weight),
    ];
  });
}

/** (page) -> how many nodes may be hashed with it; 0 when it is left as it is. */
function defineWeigh(
  module: ModuleWriter,
  isOpen: Call,
  weighInner: Call,
): Call {
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, base, locals }) => {
    const f = params[0], [root, weight] = locals(I32, 2);
    const kind = i32.and(
      i32.load16(metaOf(get(f), get(root))),
      i32.const(KINDS | DIRTY),
    );
    return [
      set(root, i32.load16(get(f), AT_ROOT)),
      when(i32.eq(get(root), i32.const(NONE)), [i32.const(0), leave]),
      when(i32.ne(kind, i32.const(JOIN << KIND_SHIFT | DIRTY)), [
        i32.const(0),
        leave,
      ]),
      when(
        isOpen(get(f)),
        when(top(base, END), set(weight, weighInner(get(f)))),
        set(weight, i32.load16(get(f), AT_SLOTS)),
      ),
      get(weight),
    ];
  });
}

/** (page, node) -> address of the heap record of a terminal below the node. */
function defineBelow(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params, local }) => {
    const [f, n] = params, at = local(I32);
    const isJoin = i32.eq(
      i32.and(i32.load16(get(at)), i32.const(KINDS)),
      i32.const(JOIN << KIND_SHIFT),
    );
    return [
      loop([
        set(at, metaOf(get(f), get(n))),
        when(isJoin, [set(n, i32.load16(get(at), 2)), br(1)]),
      ]),
      i32.add(get(f), i32.load16(get(at), 2)),
    ];
  });
}

/** Writes down a join. */
function writeJoin(visit: Visit, rules: Rules, below: Call): Code {
  const { base, f, n, meta, out, above, left, right, a, b, c, d } = visit;
  return [
    set(a, i32.and(get(meta), i32.const(DEPTH_MASK))),
    set(b, i32.const(0)),
    when(
      rules.needsKey(visit),
      set(b, add(below(get(f), get(n)), rules.keyShift)),
    ),
    set(c, rules.level(get(a))),
    append(base, NODES, a, [
      i32.const(0),
      cellOf(get(f), get(left)),
      cellOf(get(f), get(right)),
      get(out),
      get(b),
      get(above),
    ]),
    link(base, a, c, d),
    when(i32.gtS(get(c), top(base, DEEPEST)), setTop(base, DEEPEST, get(c))),
  ];
}

/** Which node comes next below the join that was read last; a second one waits. */
function goBelow(visit: Visit, stack: Local): Code {
  const { f, n, meta, above, left, right } = visit;
  const isDirty = (node: Local): Code =>
    i32.and(i32.load16(metaOf(get(f), get(node))), i32.const(DIRTY));
  return [
    set(above, i32.and(get(meta), i32.const(DEPTH_MASK))),
    set(n, i32.const(NONE)),
    when(
      isDirty(right),
      when(isDirty(left), [
        i32.store(get(stack), get(right)),
        i32.store(get(stack), get(above), 4),
        i32.store(get(stack), get(f), 8),
        bump(stack, 12),
      ], set(n, get(right))),
    ),
    when(isDirty(left), set(n, get(left))),
  ];
}

/**
 * (page, where the hash of its root node goes, depth of the join above): writes down what
 * is dirty below its root, and the root as well unless its hash goes nowhere: 0.
 */
function defineVisit(module: ModuleWriter, rules: Rules, below: Call): Call {
  const signature = { params: [I32, I32, I32] };
  return module.func(signature, ({ params, base, locals }) => {
    const [f, out, above] = params;
    const [n, at, meta, left, right, a, b, c, d] = locals(I32, 9);
    const visit = { base, f, n, at, meta, out, above, left, right, a, b, c, d };
    const [stack, visited] = locals(I32, 2);
    const bottom = add(base, PAGE_STACK_AT);
    const read: Code = [
      set(at, metaOf(get(f), get(n))),
      set(meta, i32.load16(get(at))),
      set(left, i32.load16(get(at), 2)),
      set(right, i32.load16(get(at), 4)),
    ];
    const take: Code = [
      read,
      i32.store16(
        get(at),
        i32.and(get(meta), i32.const(0xffff & ~DIRTY)),
      ),
      bump(visited, 1),
    ];
    const isKind = (kind: number): Code =>
      i32.eq(
        i32.and(get(meta), i32.const(KINDS)),
        i32.const(kind << KIND_SHIFT),
      );
    return [
      set(n, i32.load16(get(f), AT_ROOT)),
      when(get(out), [take, writeJoin(visit, rules, below)], read),
      set(stack, bottom),
      loop([
        goBelow(visit, stack),
        loop([
          when(i32.eq(get(n), i32.const(NONE)), [
            when(i32.eq(get(stack), bottom), [
              setTop(base, VISITED, i32.add(top(base, VISITED), get(visited))),
              leave,
            ]),
            bump(stack, -12),
            set(n, i32.load(get(stack))),
            set(above, i32.load(get(stack), 4)),
            set(f, i32.load(get(stack), 8)),
          ]),
          set(out, cellOf(get(f), get(n))),
          take,
          when(isKind(CHILD), [
            set(f, i32.load(get(out))),
            set(n, i32.load16(get(f), AT_ROOT)),
            take,
          ]),
          when(isKind(JOIN), [writeJoin(visit, rules, below), br(2)]),
          set(d, i32.add(get(f), get(left))),
          rules.terminal(visit),
          set(n, i32.const(NONE)),
          br(0),
        ]),
      ]),
    ];
  });
}

/** Empties all lists. */
function empty(base: Code): Code {
  return [
    setTop(base, VALUES32, add(base, PAGE_VALUES32_AT)),
    setTop(base, VALUES, add(base, PAGE_VALUES_AT)),
    setTop(base, LEAVES, add(base, PAGE_LEAVES_AT)),
    setTop(base, NODES, add(base, PAGE_NODES_AT)),
    setTop(base, DEEPEST, i32.const(0)),
    setTop(base, VISITED, i32.const(0)),
  ];
}

/** (): hashes what is written down. */
function defineFlush(
  module: ModuleWriter,
  kernels: ListKernels,
  rulesWith: (spare: readonly Local[]) => Rules,
): Call {
  return module.func({}, ({ base, locals }) => {
    const spare = locals(I32, 3);
    const rules = rulesWith(spare);
    const [count, level, node, next, out] = locals(I32, 5);
    const length = (
      end: Code,
      at: number,
      words: number,
      kind: number,
    ): Code => [
      set(
        count,
        i32.divU(i32.sub(end, add(base, at)), i32.const(4 * words)),
      ),
      setTop(base, DONE[kind], i32.add(top(base, DONE[kind]), get(count))),
    ];
    const list = add(base, PAGE_LIST_AT);
    const words = rules.words(node, level, base);
    const head = headOf(base, get(level));
    return [
      length(top(base, VALUES32), PAGE_VALUES32_AT, 3, 0),
      kernels.value32(add(base, PAGE_VALUES32_AT), get(count), i32.const(0)),
      length(top(base, VALUES), PAGE_VALUES_AT, 3, 0),
      kernels.stream(add(base, PAGE_VALUES_AT), get(count)),
      length(top(base, LEAVES), PAGE_LEAVES_AT, rules.leafWords, 1),
      rules.leaves(base, add(base, PAGE_LEAVES_AT), count),
      set(level, top(base, DEEPEST)),
      loop([
        set(node, i32.load(head, PAGE_HEADS_AT)),
        when(get(node), [
          i32.store(head, i32.const(0), PAGE_HEADS_AT),
          set(out, list),
          loop([
            words.map((word, i) => i32.store(get(out), word, 4 * i)),
            bump(out, 4 * words.length),
            set(next, i32.load(get(node), NEXT)),
            rules.goOn(node, level, spare, base),
            set(node, get(next)),
            brIf(0, get(node)),
          ]),
          length(get(out), PAGE_LIST_AT, words.length, 2),
          rules.nodes(base, list, count, level),
        ]),
        bump(level, -1),
        brIf(0, i32.geS(get(level), i32.const(0))),
      ]),
      empty(base),
    ];
  });
}

/** The functions that hashing whole pages is made of. */
export interface PageKernels {
  /** (): starts a call. */
  readonly start: Call;
  /**
   * (page, where the hash of its root node goes or 0, depth of the join above) -> whether
   * what is dirty is written down: below the root, and the root if its hash goes somewhere.
   * Hashes when there is much.
   */
  readonly hashPage: Call;
  /** (list): hashes what is left; values, leaves and nodes hashed go to the list. */
  readonly finish: Call;
}

/** Adds the kernel for a family of schemes to a module. */
export function definePages(
  module: ModuleWriter,
  kernels: ListKernels,
  family: Family,
): PageKernels {
  const isOpen = defineIsOpen(module), below = defineBelow(module);
  const rules = (spare: readonly Local[]): Rules =>
    rulesOf(family, kernels, spare);
  const frame = defineFrame(module);
  const weighInner = defineWeighInner(module, rules([]), isOpen, frame);
  const weigh = defineWeigh(module, isOpen, weighInner);
  const visit = defineVisit(module, rules([]), below);
  const flush = defineFlush(module, kernels, rules);
  const start = module.func({}, ({ base }) => [
    empty(base),
    [...DONE, FIRST, END, MASK].map((word) => setTop(base, word, i32.const(0))),
  ]);
  const ofPage = { params: [I32, I32, I32], result: I32 };
  const hashPage = module.func(ofPage, ({ params, base, local }) => {
    const [page, out, above] = params, weight = local(I32);
    const most = i32.const(PAGE_NODES_MAX);
    const nodes = i32.add(top(base, VISITED), get(weight));
    return [
      set(weight, weigh(get(page))),
      when(i32.gtU(get(weight), most), [i32.const(0), leave]),
      when(get(weight), [
        when(i32.gtU(nodes, most), flush()),
        visit(get(page), get(out), get(above)),
      ]),
      get(weight),
    ];
  });
  const finish = module.func({ params: [I32] }, ({ params, base }) => [
    flush(),
    DONE.map((word, i) => i32.store(get(params[0]), top(base, word), 4 * i)),
  ]);
  const signature = { params: [I32, I32, I32], name: KERNEL_PAGES };
  module.func(signature, ({ params, base, locals }) => {
    const [list, count] = params, [at, end] = locals(I32, 2);
    return [
      start(),
      set(at, get(list)),
      set(end, i32.add(get(list), i32.shl(get(count), i32.const(2)))),
      [FIRST, END, MASK].map((word, i) =>
        setTop(base, word, i32.load(get(end), 4 * i))
      ),
      when(
        get(count),
        loop([
          drop(hashPage(i32.load(get(at)), i32.const(0), i32.const(0))),
          bump(at, 4),
          brIf(0, i32.gtU(get(end), get(at))),
        ]),
      ),
      finish(get(list)),
    ];
  });
  return { start, hashPage, finish };
}
