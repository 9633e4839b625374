// This module is browser compatible.
//
// What several kernels do with the nodes of a page: small pieces of code, and functions
// that each of them adds to its module.

import {
  AT_FREE,
  AT_LIVE,
  AT_SLOTS,
  JOIN,
  KIND_SHIFT,
  NONE,
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
  set,
  v128,
  when,
} from "./emitter.ts";
import { add, bump, KINDS, metaOf } from "./kernel_page_rules.ts";

/** Two bytes at an address. */
export const half = (address: Code, at = 0): Code => i32.load16(address, at);
/** Whether the first word of a node's meta is a join's. */
export const isJoin = (meta: Local): Code =>
  i32.eq(
    i32.and(get(meta), i32.const(KINDS)),
    i32.const(JOIN << KIND_SHIFT),
  );
/** A number of bytes, up to whole words. */
export const padded = (length: Code): Code =>
  i32.and(add(length, 3), i32.const(-4));

/** Copies 32 bytes. */
export const copy32 = (to: Code, from: Code, fromAt = 0): Code => [
  v128.store(to, v128.load(from, fromAt)),
  v128.store(to, v128.load(from, fromAt + 16), 16),
];

/** (to, from, length): copies whole words. */
export function defineCopyWords(module: ModuleWriter): Call {
  const signature = { params: [I32, I32, I32] };
  return module.func(signature, ({ params }) => {
    const [to, from, length] = params;
    return when(
      get(length),
      loop([
        i32.store(get(to), i32.load(get(from))),
        bump(to, 4),
        bump(from, 4),
        bump(length, -4),
        brIf(0, get(length)),
      ]),
    );
  });
}

/** (page) -> a free slot; there is one. */
export function defineAllocate(module: ModuleWriter): Call {
  const signature = { params: [I32], result: I32 };
  return module.func(signature, ({ params, local }) => {
    const f = params[0], n = local(I32);
    return [
      i32.store16(get(f), add(half(get(f), AT_LIVE), 1), AT_LIVE),
      set(n, half(get(f), AT_FREE)),
      when(i32.ne(get(n), i32.const(NONE)), [
        i32.store16(get(f), half(metaOf(get(f), get(n)), 2), AT_FREE),
        get(n),
        leave,
      ]),
      set(n, half(get(f), AT_SLOTS)),
      i32.store16(get(f), add(get(n), 1), AT_SLOTS),
      get(n),
    ];
  });
}
