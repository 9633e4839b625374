// This module is browser compatible.
//
// Edits pages at the ends of paths: for each of a group, copies the page, gives keys
// their values in the copy, and hashes what is dirty, the root node as well, while all of
// it is in the CPU's cache. What does not fit, or is not this simple, is left to `TreeEdit`,
// whose rules these are: the first key that cannot be set ends the work on its page.

import {
  AT_BIRTH,
  AT_HEAP,
  AT_LIVE,
  AT_ROOT,
  AT_SLOTS,
  CHILD,
  DEPTH_MASK,
  DEPTH_NONE,
  DIRTY,
  GROUP_BYTES,
  JOIN,
  KIND_SHIFT,
  NONE,
  OVERFLOW,
  PAGE_HEADER_BYTES,
  STEM_BITS,
  TERMINAL,
} from "../tree/layout.ts";
import {
  br,
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
  v128,
  when,
} from "./emitter.ts";
import {
  EDIT_KEY_BYTES,
  EDITS_BIRTH,
  EDITS_COUNT,
  EDITS_ITEM_BYTES,
  EDITS_ITEMS_AT,
  EDITS_KEY_BYTES,
  EDITS_LOG_AT,
  EDITS_LOG_END,
  EDITS_PAGE_BYTES,
  ENTRY_HAS_NEW,
  ENTRY_HAS_OLD,
  ITEM_ABOVE,
  ITEM_BIRTH,
  ITEM_CHANGED,
  ITEM_COUNT,
  ITEM_DONE,
  ITEM_FRAME,
  ITEM_FROM,
  ITEM_HASH,
  ITEM_HOME,
  ITEM_IS_HASHED,
  ITEM_KEYS,
  ITEM_PAGE,
  ITEM_ROOT,
  ITEM_TO,
} from "./kernel_layout.ts";
import {
  add,
  bump,
  cellOf,
  type Family,
  KINDS,
  metaOf,
} from "./kernel_page_rules.ts";
import { COPIED, defineCopyPages } from "./kernel_copies.ts";
import {
  copy32,
  defineAllocate,
  defineCopyWords,
  half,
  isJoin,
  padded,
} from "./kernel_nodes.ts";
import type { PageKernels } from "./kernel_pages.ts";

/**
 * Exported: (list of one address, unused, unused). Edits the group of pages at the
 * address; hashes done are at the list afterwards, as those of whole pages are.
 */
export const KERNEL_EDITS = "edits";

/** Instead of where the log goes on: the key is left to `TreeEdit`. */
const STOP = 0;
/** Instead of an old value's length: there is none. */
const ABSENT = -1;

const word = (address: Code, at: number): Code => i32.load(address, at);
const depthOf = (meta: Local): Code =>
  i32.and(get(meta), i32.const(DEPTH_MASK));
/** Bit of a key at a depth. */
const bitOf = (key: Code, depth: Code): Code =>
  i32.and(
    i32.shrU(
      i32.load8(i32.add(key, i32.shrU(depth, i32.const(3)))),
      i32.sub(i32.const(7), i32.and(depth, i32.const(7))),
    ),
    i32.const(1),
  );

/** (a, b, length) -> whether whole words are the same. */
function defineIsEqual(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params }) => {
    const [a, b, length] = params;
    return [
      when(
        get(length),
        loop([
          when(i32.ne(i32.load(get(a)), i32.load(get(b))), [
            i32.const(0),
            leave,
          ]),
          bump(a, 4),
          bump(b, 4),
          bump(length, -4),
          brIf(0, get(length)),
        ]),
      ),
      i32.const(1),
    ];
  });
}

/** (to, from, length): copies, and may write up to 15 bytes more. */
function defineCopyLoosely(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32] };
  return module.func(signature, ({ params }) => {
    const [to, from, length] = params;
    return when(
      i32.gtS(get(length), i32.const(0)),
      loop([
        v128.store(get(to), v128.load(get(from))),
        bump(to, 16),
        bump(from, 16),
        bump(length, -16),
        brIf(0, i32.gtS(get(length), i32.const(0))),
      ]),
    );
  });
}

/** (to, number below 2^14) -> behind it: writes a number, seven bits a byte. */
function defineVarint(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params }) => {
    const [to, n] = params;
    return [
      when(i32.gtU(i32.const(128), get(n)), [
        i32.store8(get(to), get(n)),
        add(get(to), 1),
        leave,
      ]),
      i32.store8(get(to), i32.or(get(n), i32.const(128))),
      i32.store8(get(to), i32.shrU(get(n), i32.const(7)), 1),
      add(get(to), 2),
    ];
  });
}

/**
 * (group, to, key with value, old value, its length or ABSENT) -> behind it: writes an
 * entry of the log.
 */
function defineEntry(module: ModuleWriter): Call {
  const copy = defineCopyLoosely(module), varint = defineVarint(module);
  const signature = { params: [I32, I32, I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [group, to, key, old, oldLength] = params;
    const [length, hasOld] = locals(I32, 2);
    const move = (bytes: Code): Code => set(to, i32.add(get(to), bytes));
    const flags = i32.or(
      i32.mul(get(hasOld), i32.const(ENTRY_HAS_OLD)),
      i32.const(ENTRY_HAS_NEW),
    );
    return [
      set(length, word(get(key), EDIT_KEY_BYTES)),
      set(hasOld, i32.ne(get(oldLength), i32.const(ABSENT))),
      i32.store8(get(to), flags),
      copy32(add(get(to), 1), get(key)),
      move(add(word(get(group), EDITS_KEY_BYTES), 1)),
      set(to, varint(get(to), get(length))),
      when(get(hasOld), set(to, varint(get(to), get(oldLength)))),
      copy(get(to), add(get(key), EDIT_KEY_BYTES + 4), get(length)),
      move(get(length)),
      when(get(hasOld), [
        copy(get(to), get(old), get(oldLength)),
        move(get(oldLength)),
      ]),
      get(to),
    ];
  });
}

/** (page, node): marks a node and those above it in the page dirty. */
function defineMark(module: ModuleWriter): Call {
  return module.func({ params: [I32, I32] }, ({ params, locals }) => {
    const [f, n] = params, [at, meta] = locals(I32, 2);
    return loop([
      set(at, metaOf(get(f), get(n))),
      set(meta, half(get(at))),
      when(i32.and(get(meta), i32.const(DIRTY)), leave),
      i32.store16(get(at), i32.or(get(meta), i32.const(DIRTY))),
      set(n, half(get(at), 6)),
      brIf(0, i32.ne(get(n), i32.const(NONE))),
    ]);
  });
}

/** (page, key, depth) -> the first node on the key's way that is no join above a depth. */
function defineSeek(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [f, key, depth] = params, [n, at, meta] = locals(I32, 3);
    const bit = bitOf(get(key), depthOf(meta));
    const child = i32.add(get(at), i32.shl(bit, i32.const(1)));
    return [
      set(n, half(get(f), AT_ROOT)),
      loop([
        set(at, metaOf(get(f), get(n))),
        set(meta, half(get(at))),
        when(
          isJoin(meta),
          when(i32.gtU(get(depth), depthOf(meta)), [
            set(n, half(child, 2)),
            br(2),
          ]),
        ),
      ]),
      get(n),
    ];
  });
}

/** (key, key) -> depth of the first bit in which they differ; -1 for none. */
function definePart(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [a, b] = params, [i, x] = locals(I32, 2);
    const shift = i32.and(i32.ctz(get(x)), i32.const(24));
    const byte = i32.and(i32.shrU(get(x), shift), i32.const(0xff));
    const bytes = i32.add(i32.shl(get(i), i32.const(3)), shift);
    return [
      loop([
        set(
          x,
          i32.xor(
            i32.load(i32.add(get(a), get(i))),
            i32.load(i32.add(get(b), get(i))),
          ),
        ),
        when(get(x), [i32.add(bytes, add(i32.clz(byte), -24)), leave]),
        bump(i, 4),
        brIf(0, i32.gtU(i32.const(EDIT_KEY_BYTES), get(i))),
      ]),
      i32.const(-1),
    ];
  });
}

/** (page, bytes) -> where a record of so many would begin, with two nodes; 0: no room. */
function defineRoom(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [f, bytes] = params, [slots, live, heap] = locals(I32, 3);
    const groups = i32.shrU(add(get(slots), 3), i32.const(2));
    const nodesEnd = add(
      i32.mul(groups, i32.const(GROUP_BYTES)),
      PAGE_HEADER_BYTES,
    );
    return [
      set(slots, half(get(f), AT_SLOTS)),
      set(live, add(half(get(f), AT_LIVE), 2)),
      set(
        slots,
        select(get(live), get(slots), i32.gtU(get(live), get(slots))),
      ),
      set(heap, i32.sub(half(get(f), AT_HEAP), get(bytes))),
      select(i32.const(0), get(heap), i32.gtS(nodesEnd, get(heap))),
    ];
  });
}

/** (page, node, where its record begins, key with value, join above): a new terminal. */
function defineWriteTerminal(module: ModuleWriter, copyWords: Call): Call {
  const signature = { params: [I32, I32, I32, I32, I32] };
  return module.func(signature, ({ params, locals }) => {
    const [f, n, heap, key, join] = params, [at, record] = locals(I32, 2);
    const length = word(get(key), EDIT_KEY_BYTES);
    return [
      set(record, i32.add(get(f), get(heap))),
      i32.store16(get(f), get(heap), AT_HEAP),
      copy32(get(record), get(key)),
      copyWords(
        add(get(record), EDIT_KEY_BYTES),
        add(get(key), EDIT_KEY_BYTES + 4),
        padded(length),
      ),
      set(at, metaOf(get(f), get(n))),
      i32.store16(get(at), i32.const(TERMINAL << KIND_SHIFT | DIRTY)),
      i32.store16(get(at), get(heap), 2),
      i32.store16(get(at), length, 4),
      i32.store16(get(at), get(join), 6),
    ];
  });
}

/** (page, node, join, cell of the root's hash): the join takes the node's place. */
function defineTakePlace(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32, I32] };
  return module.func(signature, ({ params, locals }) => {
    const [f, n, join, home] = params, [at, parent] = locals(I32, 2);
    return [
      set(at, metaOf(get(f), get(n))),
      set(parent, half(get(at), 6)),
      i32.store16(get(at), get(join), 6),
      i32.store16(metaOf(get(f), get(join)), get(parent), 6),
      when(
        i32.eq(get(parent), i32.const(NONE)),
        [
          copy32(cellOf(get(f), get(n)), get(home)),
          i32.store16(get(f), get(join), AT_ROOT),
        ],
        [
          set(at, metaOf(get(f), get(parent))),
          when(i32.ne(half(get(at), 2), get(n)), bump(at, 2)),
          i32.store16(get(at), get(join), 2),
        ],
      ),
    ];
  });
}

/** Whether a node that got another join above is to be hashed anew. */
function isLiftedAnew(family: Family, meta: Local, depth: Local): Code {
  if (family !== "eip7864") return isJoin(meta);
  const own = i32.and(
    isJoin(meta),
    i32.gtU(i32.const(STEM_BITS), depthOf(meta)),
  );
  // At or below the top of a stem nothing changes until its slots part.
  return i32.or(own, i32.geU(get(depth), i32.const(STEM_BITS)));
}

/** Functions that the ones below are made of. */
interface Parts {
  readonly seek: Call;
  readonly mark: Call;
  readonly copyWords: Call;
  readonly writeEntry: Call;
}

/**
 * (group, page, key with value, depth, cell of the root's hash, where the log goes on):
 * where it goes on after that, or STOP.
 */
function defineInsert(
  module: ModuleWriter,
  family: Family,
  { seek, mark, copyWords, writeEntry }: Parts,
): Call {
  const room = defineRoom(module), allocate = defineAllocate(module);
  const writeTerminal = defineWriteTerminal(module, copyWords);
  const takePlace = defineTakePlace(module);
  const signature = { params: [I32, I32, I32, I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [group, f, key, depth, home, log] = params;
    const [n, at, meta, heap, join, terminal, bit] = locals(I32, 7);
    const bytes = padded(word(get(key), EDIT_KEY_BYTES));
    const kind = i32.and(get(meta), i32.const(KINDS));
    return [
      set(heap, room(get(f), add(bytes, EDIT_KEY_BYTES))),
      when(i32.eq(get(heap), i32.const(0)), [i32.const(STOP), leave]),
      set(n, seek(get(f), get(key), get(depth))),
      set(at, metaOf(get(f), get(n))),
      set(meta, half(get(at))),
      when(i32.eq(kind, i32.const(CHILD << KIND_SHIFT)), [
        i32.const(STOP),
        leave,
      ]),
      set(join, allocate(get(f))),
      set(terminal, allocate(get(f))),
      takePlace(get(f), get(n), get(join), get(home)),
      when(
        isLiftedAnew(family, meta, depth),
        i32.store16(get(at), i32.or(get(meta), i32.const(DIRTY))),
      ),
      writeTerminal(get(f), get(terminal), get(heap), get(key), get(join)),
      set(at, metaOf(get(f), get(join))),
      i32.store16(get(at), i32.or(get(depth), i32.const(JOIN << KIND_SHIFT))),
      set(bit, bitOf(get(key), get(depth))),
      i32.store16(get(at), select(get(n), get(terminal), get(bit)), 2),
      i32.store16(get(at), select(get(terminal), get(n), get(bit)), 4),
      mark(get(f), get(join)),
      writeEntry(
        get(group),
        get(log),
        get(key),
        i32.const(0),
        i32.const(ABSENT),
      ),
    ];
  });
}

/**
 * (group, page, terminal, key with value, where the log goes on): where it goes on after
 * that, or STOP.
 */
function defineUpdate(
  module: ModuleWriter,
  { mark, copyWords, writeEntry }: Parts,
): Call {
  const isEqual = defineIsEqual(module);
  const signature = { params: [I32, I32, I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [group, f, n, key, log] = params;
    const [at, old, length, bytes, stored] = locals(I32, 5);
    const value = add(get(key), EDIT_KEY_BYTES + 4);
    return [
      set(at, metaOf(get(f), get(n))),
      set(old, half(get(at), 4)),
      set(length, word(get(key), EDIT_KEY_BYTES)),
      set(bytes, padded(get(length))),
      set(stored, add(i32.add(get(f), half(get(at), 2)), EDIT_KEY_BYTES)),
      when(
        i32.eq(get(old), get(length)),
        when(isEqual(get(stored), value, get(bytes)), [get(log), leave]),
      ),
      // So an entry is less than twice as long as what came in.
      when(i32.ne(padded(get(old)), get(bytes)), [i32.const(STOP), leave]),
      writeEntry(get(group), get(log), get(key), get(stored), get(old)),
      copyWords(get(stored), value, get(bytes)),
      i32.store16(get(at), get(length), 4),
      mark(get(f), get(n)),
    ];
  });
}

/**
 * (group, page, key with value, depth of the join above, cell of the root's hash, where
 * the log goes on): gives a key its value, unless that is not simple. Where the log goes
 * on after that: where it did, if the key has its value, and STOP if it is left.
 */
function defineSet(module: ModuleWriter, family: Family): Call {
  const parts: Parts = {
    seek: defineSeek(module),
    mark: defineMark(module),
    copyWords: defineCopyWords(module),
    writeEntry: defineEntry(module),
  };
  const part = definePart(module);
  const insert = defineInsert(module, family, parts);
  const update = defineUpdate(module, parts);
  const signature = { params: [I32, I32, I32, I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [group, f, key, above, home, log] = params;
    const [n, at, depth] = locals(I32, 3);
    const stop: Code = [i32.const(STOP), leave];
    const kind = i32.and(half(get(at)), i32.const(KINDS | OVERFLOW));
    return [
      set(n, parts.seek(get(f), get(key), i32.const(DEPTH_NONE))),
      set(at, metaOf(get(f), get(n))),
      when(i32.ne(kind, i32.const(TERMINAL << KIND_SHIFT)), stop),
      set(depth, part(get(key), i32.add(get(f), half(get(at), 2)))),
      when(i32.ltS(get(depth), i32.const(0)), [
        update(get(group), get(f), get(n), get(key), get(log)),
        leave,
      ]),
      when(i32.leS(get(depth), get(above)), stop),
      insert(get(group), get(f), get(key), get(depth), get(home), get(log)),
    ];
  });
}

/** (page) -> depth of the join that its root is, or leads to. */
function defineRootDepth(module: ModuleWriter): Call {
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const f = params[0], [at, meta] = locals(I32, 2);
    return [
      set(at, metaOf(get(f), half(get(f), AT_ROOT))),
      set(meta, half(get(at))),
      select(depthOf(meta), i32.const(DEPTH_NONE), isJoin(meta)),
    ];
  });
}

/** (item, group): finds the frame to work in, of a copy or of a page that is the version's. */
function defineBegin(module: ModuleWriter): Call {
  const signature = { params: [I32, I32] };
  return module.func(signature, ({ params, locals }) => {
    const [item, group] = params, from = locals(I32, 1)[0];
    const isOwn = i32.and(
      i32.eq(word(get(from), AT_BIRTH), word(get(group), EDITS_BIRTH)),
      i32.eq(word(get(from), AT_BIRTH + 4), word(get(group), EDITS_BIRTH + 4)),
    );
    return [
      set(from, word(get(item), ITEM_FROM)),
      i32.store(get(item), word(get(from), 0), ITEM_PAGE),
      i32.store(get(item), word(get(from), AT_BIRTH), ITEM_BIRTH),
      i32.store(get(item), word(get(from), AT_BIRTH + 4), ITEM_BIRTH + 4),
      i32.store(
        get(item),
        select(get(from), word(get(item), ITEM_TO), isOwn),
        ITEM_FRAME,
      ),
    ];
  });
}

/** (item, group, where the log goes on) -> where it goes on after that. */
function defineItem(
  module: ModuleWriter,
  family: Family,
  hashPage: Call,
): Call {
  const setKey = defineSet(module, family);
  const rootDepth = defineRootDepth(module);
  const signature = { params: [I32, I32, I32], result: I32 };
  return module.func(signature, ({ params, locals }) => {
    const [item, group, log] = params;
    const [f, key, done, changed, next] = locals(I32, 5);
    const keyStep = add(
      padded(word(get(key), EDIT_KEY_BYTES)),
      EDIT_KEY_BYTES + 4,
    );
    return [
      set(f, word(get(item), ITEM_FRAME)),
      set(key, word(get(item), ITEM_KEYS)),
      when(
        i32.eq(rootDepth(get(f)), word(get(item), ITEM_ROOT)),
        loop([
          set(
            next,
            setKey(
              get(group),
              get(f),
              get(key),
              word(get(item), ITEM_ABOVE),
              word(get(item), ITEM_HOME),
              get(log),
            ),
          ),
          when(get(next), [
            bump(done, 1),
            when(i32.ne(get(next), get(log)), bump(changed, 1)),
            set(log, get(next)),
            set(key, i32.add(get(key), keyStep)),
            brIf(1, i32.gtU(word(get(item), ITEM_COUNT), get(done))),
          ]),
        ]),
      ),
      i32.store(get(item), get(done), ITEM_DONE),
      i32.store(get(item), get(changed), ITEM_CHANGED),
      i32.store(get(item), rootDepth(get(f)), ITEM_ROOT),
      i32.store(get(item), i32.const(0), ITEM_IS_HASHED),
      when(
        get(changed),
        i32.store(
          get(item),
          hashPage(
            get(f),
            add(get(item), ITEM_HASH),
            word(get(item), ITEM_ABOVE),
          ),
          ITEM_IS_HASHED,
        ),
      ),
      get(log),
    ];
  });
}

/** Adds the kernel for a family of schemes to a module. */
export function defineEdits(
  module: ModuleWriter,
  { start, hashPage, finish }: PageKernels,
  family: Family,
): void {
  const edit = defineItem(module, family, hashPage);
  const begin = defineBegin(module);
  const copyPages = defineCopyPages(module, {
    stride: EDITS_ITEM_BYTES,
    from: ITEM_FROM,
    to: ITEM_FRAME,
  });
  const signature = { params: [I32, I32, I32], name: KERNEL_EDITS };
  module.func(signature, ({ params, locals }) => {
    const list = params[0], [group, item, end, log] = locals(I32, 4);
    return [
      set(group, word(get(list), 0)),
      start(),
      set(item, add(get(group), EDITS_ITEMS_AT)),
      set(
        end,
        i32.add(
          get(item),
          i32.mul(
            word(get(group), EDITS_COUNT),
            i32.const(EDITS_ITEM_BYTES),
          ),
        ),
      ),
      set(log, add(get(group), EDITS_LOG_AT)),
      when(
        i32.gtU(get(end), get(item)),
        loop([
          begin(get(item), get(group)),
          bump(item, EDITS_ITEM_BYTES),
          brIf(0, i32.gtU(get(end), get(item))),
        ]),
      ),
      set(item, add(get(group), EDITS_ITEMS_AT)),
      when(
        i32.gtU(get(end), get(item)),
        loop([
          copyPages(
            get(item),
            add(get(end), -EDITS_ITEM_BYTES),
            word(get(group), EDITS_PAGE_BYTES),
          ),
          bump(item, COPIED * EDITS_ITEM_BYTES),
          brIf(0, i32.gtU(get(end), get(item))),
        ]),
      ),
      set(item, add(get(group), EDITS_ITEMS_AT)),
      when(
        i32.gtU(get(end), get(item)),
        loop([
          set(log, edit(get(item), get(group), get(log))),
          bump(item, EDITS_ITEM_BYTES),
          brIf(0, i32.gtU(get(end), get(item))),
        ]),
      ),
      i32.store(get(group), get(log), EDITS_LOG_END),
      finish(get(list)),
    ];
  });
}
