// This module is browser compatible.
//
// Hashes whole pages: visits the dirty nodes below the root of each page of a list,
// writes lists for the other kernels and runs them level by level from the deepest
// up, all without JavaScript. A page with a child entry, or with a node flagged
// EXTEND, is left as it is, and so is every root node, whose hash lies in the page
// above: those are the hashing pass's.

import {
  AT_ROOT,
  AT_SLOTS,
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
  type Family,
  headOf,
  KINDS,
  LEAVES,
  link,
  type ListKernels,
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
 * Exported: (list of page offsets, count). Values, leaves and nodes hashed are at the
 * list afterwards: three words.
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
        brIf(0, i32.ltS(get(at), get(end))),
      ]),
      v128.anyTrue(get(found)),
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
        bump(stack, 8),
      ], set(n, get(right))),
    ),
    when(isDirty(left), set(n, get(left))),
  ];
}

/** (page): writes down what is dirty below its root. */
function defineVisit(
  module: ModuleWriter,
  rules: Rules,
  isOpen: Call,
  below: Call,
): Call {
  return module.func({ params: [I32] }, ({ params, base, locals }) => {
    const f = params[0];
    const [n, at, meta, out, above, left, right, a, b, c, d] = locals(I32, 11);
    const visit = { base, f, n, at, meta, out, above, left, right, a, b, c, d };
    const [stack, visited] = locals(I32, 2), join = JOIN << KIND_SHIFT;
    const none = i32.const(NONE), bottom = add(base, PAGE_STACK_AT);
    const read: Code = [
      set(at, metaOf(get(f), get(n))),
      set(meta, i32.load16(get(at))),
      set(left, i32.load16(get(at), 2)),
      set(right, i32.load16(get(at), 4)),
    ];
    const kind = (flags: number): Code =>
      i32.and(get(meta), i32.const(KINDS | flags));
    const clean = i32.and(get(meta), i32.const(0xffff & ~DIRTY));
    return [
      set(n, i32.load16(get(f), AT_ROOT)),
      when(i32.eq(get(n), none), leave),
      read,
      when(i32.ne(kind(DIRTY), i32.const(join | DIRTY)), leave),
      when(isOpen(get(f)), leave),
      set(stack, bottom),
      loop([
        goBelow(visit, stack),
        loop([
          when(i32.eq(get(n), none), [
            when(i32.eq(get(stack), bottom), [
              setTop(base, VISITED, i32.add(top(base, VISITED), get(visited))),
              leave,
            ]),
            bump(stack, -8),
            set(n, i32.load(get(stack))),
            set(above, i32.load(get(stack), 4)),
          ]),
          read,
          i32.store16(get(at), clean),
          bump(visited, 1),
          set(out, cellOf(get(f), get(n))),
          when(i32.eq(kind(0), i32.const(join)), [
            writeJoin(visit, rules, below),
            br(2),
          ]),
          set(d, i32.add(get(f), get(left))),
          rules.terminal(visit),
          set(n, none),
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

/** Adds the kernel for a family of schemes to a module. */
export function definePages(
  module: ModuleWriter,
  kernels: ListKernels,
  family: Family,
): void {
  const isOpen = defineIsOpen(module), below = defineBelow(module);
  const rules = (spare: readonly Local[]): Rules =>
    rulesOf(family, kernels, spare);
  const visit = defineVisit(module, rules([]), isOpen, below);
  const flush = defineFlush(module, kernels, rules);
  const signature = { params: [I32, I32, I32], name: KERNEL_PAGES };
  module.func(signature, ({ params, base, locals }) => {
    const [list, count] = params, [at, end, f] = locals(I32, 3);
    const nodes = i32.add(top(base, VISITED), i32.load16(get(f), AT_SLOTS));
    return [
      empty(base),
      DONE.map((word) => setTop(base, word, i32.const(0))),
      set(at, get(list)),
      set(end, i32.add(get(list), i32.shl(get(count), i32.const(2)))),
      when(
        get(count),
        loop([
          set(f, i32.load(get(at))),
          when(i32.gtU(nodes, i32.const(PAGE_NODES_MAX)), flush()),
          visit(get(f)),
          bump(at, 4),
          brIf(0, i32.ltS(get(at), get(end))),
        ]),
      ),
      flush(),
      DONE.map((word, i) => i32.store(get(list), top(base, word), 4 * i)),
    ];
  });
}
