// This module is browser compatible.
//
// Puts EIP-8297 messages together in the reserved area, with a list for the kernel
// that hashes messages of any length: their keys and prefixes have no fixed size.

import {
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  type Local,
  loop,
  memoryCopy,
  type ModuleWriter,
  set,
  tee,
  v128,
  when,
} from "./emitter.ts";
import { JOBS_AT, MESSAGE_BYTES, MESSAGES_AT } from "./kernel_layout.ts";

/** Exported: (list, count) -> list of `count` messages at JOBS_AT. */
export const KERNEL_LEAF_MESSAGES = "leafMessages";
export const KERNEL_BRANCH_MESSAGES = "branchMessages";

/** Copies 32 bytes. */
function copy32(to: Code, from: Code, offset: number): Code {
  return [0, 16].map((i) => v128.store(to, v128.load(from, i), offset + i));
}

interface Builder {
  /** First word of the list entry, end of the message so far, list made. */
  readonly entry: Local;
  readonly message: Local;
  readonly job: Local;
  /** Free for use. */
  readonly a: Local;
  readonly b: Local;
  readonly c: Local;
  readonly d: Local;
}

/** Adds a function that makes one message for each entry of a list. */
function defineBuilder(
  module: ModuleWriter,
  name: string,
  words: number,
  write: (builder: Builder) => Code,
): Call {
  return module.func(
    { params: [I32, I32], name },
    ({ params, base, locals }) => {
      const [entry, count] = params;
      const [message, job, a, b, c, d] = locals(I32, 6);
      const bump = (local: Local, by: number): Code =>
        set(local, i32.add(get(local), i32.const(by)));
      return [
        set(message, i32.add(base, i32.const(MESSAGES_AT))),
        set(job, i32.add(base, i32.const(JOBS_AT))),
        loop([
          write({ entry, message, job, a, b, c, d }),
          i32.store(get(job), get(message)),
          i32.store(get(job), i32.load(get(entry), 4 * words - 4), 8),
          bump(entry, 4 * words),
          bump(message, MESSAGE_BYTES),
          bump(job, 12),
          brIf(0, tee(count, i32.sub(get(count), i32.const(1)))),
        ]),
      ];
    },
  );
}

/** 00 ‖ key ‖ value. */
function leafMessage({ entry, message, job, a, b }: Builder): Code {
  return [
    set(a, i32.load(get(entry), 4)), // bytes of the key
    i32.store8(get(message), i32.const(0)),
    memoryCopy(
      i32.add(get(message), i32.const(1)),
      i32.load(get(entry)),
      get(a),
    ),
    set(b, i32.add(get(message), get(a))),
    copy32(get(b), i32.load(get(entry), 8), 1),
    i32.store(get(job), i32.add(get(a), i32.const(33)), 4),
  ];
}

/** Packs the bits; `a`: end of the prefix in the message (less 3). */
function packBits({ entry, message, a, b, c, d }: Builder): Code {
  const first = i32.load(get(entry), 4);
  const shift = i32.and(first, i32.const(7));
  const seven = i32.const(7), three = i32.const(3);
  return [
    // a: to, b: from, c: bits left, d: byte.
    set(a, get(message)),
    set(b, i32.add(i32.load(get(entry)), i32.shrU(first, three))),
    set(c, i32.load(get(entry), 8)),
    when(
      i32.gtS(get(c), i32.const(0)),
      loop([
        set(d, i32.shl(i32.load8(get(b)), shift)),
        // The next byte is read only when it holds a bit of the run.
        when(
          i32.gtS(i32.add(shift, get(c)), i32.const(8)),
          set(
            d,
            i32.or(
              get(d),
              i32.shrU(
                i32.load8(get(b), 1),
                i32.sub(i32.const(8), shift),
              ),
            ),
          ),
        ),
        when(
          i32.leS(get(c), seven),
          set(d, i32.and(get(d), i32.shrU(i32.const(0xff00), get(c)))),
        ),
        i32.store8(get(a), get(d), 3),
        set(a, i32.add(get(a), i32.const(1))),
        set(b, i32.add(get(b), i32.const(1))),
        brIf(
          0,
          i32.gtS(tee(c, i32.sub(get(c), i32.const(8))), i32.const(0)),
        ),
      ]),
    ),
  ];
}

/** 01 ‖ bit count ‖ packed bits ‖ left ‖ right. */
function branchMessage(builder: Builder): Code {
  const { entry, message, job, a } = builder;
  const count = i32.load(get(entry), 8);
  return [
    i32.store8(get(message), i32.const(1)),
    i32.store8(get(message), i32.shrU(count, i32.const(8)), 1),
    i32.store8(get(message), count, 2),
    packBits(builder),
    copy32(get(a), i32.load(get(entry), 12), 3),
    copy32(get(a), i32.load(get(entry), 16), 35),
    i32.store(
      get(job),
      i32.add(i32.sub(get(a), get(message)), i32.const(67)),
      4,
    ),
  ];
}

/** Adds the functions of this file to a module. */
export function defineMessages(
  module: ModuleWriter,
): { leafMessages: Call; branchMessages: Call } {
  return {
    leafMessages: defineBuilder(module, KERNEL_LEAF_MESSAGES, 4, leafMessage),
    branchMessages: defineBuilder(
      module,
      KERNEL_BRANCH_MESSAGES,
      6,
      branchMessage,
    ),
  };
}
