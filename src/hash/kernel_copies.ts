// This module is browser compatible.
//
// Copies within the pool. Copying a page that has left the CPU's caches is waiting; the
// lines of several pages come from memory together.

import { COPY_SUM, COPY_WORDS } from "./ops.ts";
import {
  brIf,
  type Call,
  get,
  I32,
  i32,
  i64,
  loop,
  memoryCopy,
  type ModuleWriter,
  select,
  set,
  V128,
  v128,
  when,
} from "./emitter.ts";
import { SUM_AT } from "./kernel_layout.ts";
import { add, bump } from "./kernel_page_rules.ts";

/** Exported: (to, from, length). The engine's own copying is slow in shared memory. */
export const KERNEL_COPY = "copy";
/** Exported: (list, count, length); see `Checksums.copySummed`. */
export const KERNEL_COPY_SUMMED = "copySummed";

/** Pages that are copied together. */
export const COPIED = 4;
/** Bytes of a line of the CPU's cache. */
const LINE = 64;

/** Where a list of copies has what. */
export interface CopyList {
  /** Bytes of an entry. */
  readonly stride: number;
  /** Where in it the addresses are that are copied from and to. */
  readonly from: number;
  readonly to: number;
}

/**
 * (entry, last, length): copies the pages of {@linkcode COPIED} entries of a list, a line
 * of each in turn. Behind the last entry it is that again.
 */
export function defineCopyPages(
  module: ModuleWriter,
  { stride, from: fromAt, to: toAt }: CopyList,
): Call {
  const signature = { params: [I32, I32, I32] };
  return module.func(signature, ({ params, locals }) => {
    const [entry, last, length] = params;
    const from = locals(I32, COPIED), to = locals(I32, COPIED);
    const parts = locals(V128, LINE / 16);
    return [
      from.map((_, k) => [
        set(from[k], i32.load(get(entry), fromAt)),
        set(to[k], i32.load(get(entry), toAt)),
        when(i32.gtU(get(last), get(entry)), bump(entry, stride)),
      ]),
      loop([
        from.map((_, k) => [
          parts.map((part, i) => set(part, v128.load(get(from[k]), 16 * i))),
          parts.map((part, i) => v128.store(get(to[k]), get(part), 16 * i)),
          bump(from[k], LINE),
          bump(to[k], LINE),
        ]),
        bump(length, -LINE),
        brIf(0, get(length)),
      ]),
    ];
  });
}

/**
 * Adds the kernels of this file to a module.
 *
 * @param checksum (offset, length, 0, low and high half of the seed).
 */
export function defineCopies(module: ModuleWriter, checksum: Call): void {
  const params = [I32, I32, I32], stride = 4 * COPY_WORDS;
  module.func({ params, name: KERNEL_COPY }, ({ params }) => {
    const [to, from, length] = params.map(get);
    return memoryCopy(to, from, length);
  });
  const copyPages = defineCopyPages(module, { stride, from: 0, to: 4 });
  module.func(
    { params, name: KERNEL_COPY_SUMMED },
    ({ params, base, locals }) => {
      const [at, count, length] = params, [end, stop] = locals(I32, 2);
      const next = add(get(at), COPIED * stride);
      const word = (i: number) => i32.load(get(at), 4 * i);
      return [
        set(end, i32.add(get(at), i32.mul(get(count), i32.const(stride)))),
        when(
          get(count),
          loop([
            copyPages(get(at), add(get(end), -stride), get(length)),
            set(stop, select(next, get(end), i32.gtU(get(end), next))),
            // Each copy is in the CPU's cache now.
            loop([
              checksum(word(1), get(length), i32.const(0), word(2), word(3)),
              i64.store(get(at), i64.load(base, SUM_AT), 4 * COPY_SUM),
              bump(at, stride),
              brIf(0, i32.gtU(get(stop), get(at))),
            ]),
            brIf(0, i32.gtU(get(end), get(at))),
          ]),
        ),
      ];
    },
  );
}
