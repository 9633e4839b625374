// This module is browser compatible.
//
// Copies a part of a page's tree into another page, node by node, as `Pages.copySubtree`
// does: pages are cut and compacted by it.

import {
  AT_HEAP,
  CHILD,
  CHILD_RECORD_BYTES,
  KIND_SHIFT,
  NONE,
  OVERFLOW,
  OVERFLOW_RECORD_BYTES,
} from "../tree/layout.ts";
import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  leave,
  loop,
  type ModuleWriter,
  select,
  set,
  when,
} from "./emitter.ts";
import { PAGE_STACK_AT } from "./kernel_layout.ts";
import {
  copy32,
  defineAllocate,
  defineCopyWords,
  half,
  isJoin,
  padded,
} from "./kernel_nodes.ts";
import { add, bump, cellOf, KINDS, metaOf } from "./kernel_page_rules.ts";

/**
 * Exported: (list of four words, unused, unused). The words are the page, the node, the
 * page that it goes to, and the bytes of a key, 0 where each begins with a length byte;
 * the copy's node takes the place of the first.
 */
export const KERNEL_COPY_TREE = "copyTree";

/** Bytes of what waits: a node, where its copy is to be linked, and the parent's copy. */
const WAITING_BYTES = 12;

/** (address of a node's meta, of its record, bytes of a key) -> bytes of the record. */
function defineRecordBytes(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [at, record, keyBytes] = params, [meta, key] = locals(I32, 2);
    const variable = add(i32.load8(get(record)), 1);
    return [
      set(meta, half(get(at))),
      when(
        i32.eq(
          i32.and(get(meta), i32.const(KINDS)),
          i32.const(CHILD << KIND_SHIFT),
        ),
        [i32.const(CHILD_RECORD_BYTES), leave],
      ),
      set(key, padded(select(get(keyBytes), variable, get(keyBytes)))),
      i32.add(
        get(key),
        select(
          i32.const(OVERFLOW_RECORD_BYTES),
          padded(half(get(at), 4)),
          i32.and(get(meta), i32.const(OVERFLOW)),
        ),
      ),
    ];
  });
}

/** Adds the kernel to a module. */
export function defineTrees(module: ModuleWriter): void {
  const allocate = defineAllocate(module), copyWords = defineCopyWords(module);
  const recordBytes = defineRecordBytes(module);
  const signature = { params: [I32, I32, I32], name: KERNEL_COPY_TREE };
  module.func(signature, ({ params, base, locals }) => {
    const list = params[0], [f, g, keyBytes, stack] = locals(I32, 4);
    const [n, link, parent, from, to, at, meta] = locals(I32, 7);
    const [copy, bytes, heap] = locals(I32, 3);
    const bottom = add(base, PAGE_STACK_AT);
    const push = (node: Code, place: Code, above: Code): Code => [
      i32.store(get(stack), node),
      i32.store(get(stack), place, 4),
      i32.store(get(stack), above, 8),
      bump(stack, WAITING_BYTES),
    ];
    const pop: Code = [
      bump(stack, -WAITING_BYTES),
      set(n, i32.load(get(stack))),
      set(link, i32.load(get(stack), 4)),
      set(parent, i32.load(get(stack), 8)),
    ];
    const record = i32.add(get(f), half(get(from), 2));
    const copyRecord: Code = [
      set(bytes, recordBytes(get(from), record, get(keyBytes))),
      set(heap, i32.sub(half(get(g), AT_HEAP), get(bytes))),
      i32.store16(get(g), get(heap), AT_HEAP),
      copyWords(i32.add(get(g), get(heap)), record, get(bytes)),
      i32.store16(get(at), get(heap), 2),
    ];
    return [
      set(f, i32.load(get(list))),
      set(g, i32.load(get(list), 8)),
      set(keyBytes, i32.load(get(list), 12)),
      set(stack, bottom),
      push(i32.load(get(list), 4), i32.const(0), i32.const(NONE)),
      loop([
        pop,
        set(from, metaOf(get(f), get(n))),
        set(meta, half(get(from))),
        set(to, allocate(get(g))),
        set(at, metaOf(get(g), get(to))),
        copy32(cellOf(get(g), get(to)), cellOf(get(f), get(n))),
        i32.store16(get(at), get(meta)),
        i32.store16(get(at), half(get(from), 4), 4),
        i32.store16(get(at), get(parent), 6),
        when(
          get(link),
          i32.store16(get(link), get(to)),
          set(copy, get(to)),
        ),
        when(
          isJoin(meta),
          [
            push(half(get(from), 4), add(get(at), 4), get(to)),
            push(half(get(from), 2), add(get(at), 2), get(to)),
          ],
          copyRecord,
        ),
        brIf(0, i32.gtU(get(stack), bottom)),
      ]),
      i32.store(get(list), get(copy)),
    ];
  });
}
