// This module is browser compatible.
//
// Messages of any length. Each lane works on a message of its own, block by block,
// and takes the next one from the list when it is done, so lengths may differ
// freely. Where a lane stands is kept in memory (see kernel_layout.ts), which is
// also what lets a message from outside the pool come in pieces.

import {
  block,
  br,
  brIf,
  type Call,
  type Code,
  get,
  I32,
  i32,
  i8x16,
  leave,
  type Local,
  loop,
  memoryBytes,
  memoryCopy,
  type ModuleWriter,
  set,
  tee,
  V128,
  v128,
  when,
} from "./emitter.ts";
import { type Core, type CoreCode, laneField } from "./kernel_core.ts";
import {
  BLOCK_AT,
  CHUNK_AT,
  HASHES_AT,
  IDLE,
  LANE_A,
  LANE_END,
  LANE_FROM,
  LANE_LEFT,
  LANE_OUT,
  LANE_TOTAL,
  LAST_BLOCKS_AT,
  ROW_AT,
  STATE_AT,
} from "./kernel_layout.ts";
import {
  gatherRow,
  scatter,
  startTransposer,
  transposer,
} from "./kernel_pairs.ts";

/** Exported: hashes an OP_VALUE list (list, count). */
export const KERNEL_STREAM = "stream";
/** Exported: starts one message that comes in pieces (entry). */
export const KERNEL_START = "start";
/** Exported: absorbs blocks of it (address, blocks). */
export const KERNEL_FEED = "feed";

/** Adds: up to 16 bytes at an address, zero padded: (address, bytes) -> row. */
export function defineRow(module: ModuleWriter): Call {
  const signature = { params: [I32, I32], result: V128 };
  return module.func(signature, ({ params, base, local }) => {
    const [at, count] = params;
    const row = local(V128);
    const order = Array.from({ length: 16 }, (_, i) => i);
    return [
      when(i32.geS(get(count), i32.const(16)), [v128.load(get(at)), leave]),
      when(i32.leS(get(count), i32.const(0)), [v128.zero, leave]),
      // A whole row may be read unless memory ends before it does.
      when(
        i32.leU(get(at), i32.sub(memoryBytes, i32.const(16))),
        set(row, v128.load(get(at))),
        [
          memoryCopy(
            i32.add(base, i32.const(ROW_AT)),
            get(at),
            get(count),
          ),
          set(row, v128.load(base, ROW_AT)),
        ],
      ),
      v128.and(
        get(row),
        i8x16.gtU(i8x16.splat(get(count)), v128.const(order)),
      ),
    ];
  });
}

/** Adds: gives a lane (4 x its number) the message of a list entry. */
function defineTake(module: ModuleWriter, core: Core): Call {
  const wordBytes = 16 / core.lanes;
  return module.func({ params: [I32, I32] }, ({ params, base, local }) => {
    const [lane, entry] = params;
    const field = local(I32), word = local(I32);
    const put = (at: number, value: Code): Code =>
      i32.store(get(field), value, at);
    return [
      set(field, i32.add(base, get(lane))),
      put(LANE_FROM, i32.load(get(entry))),
      put(LANE_LEFT, i32.load(get(entry), 4)),
      put(LANE_TOTAL, i32.load(get(entry), 4)),
      put(LANE_OUT, i32.load(get(entry), 8)),
      put(LANE_END, i32.load(base, CHUNK_AT + 8)),
      // The chunk counter belongs to BLAKE3; others set this field block by block.
      put(LANE_A, i32.load(base, CHUNK_AT)),
      i32.store(
        base,
        i32.add(i32.load(base, CHUNK_AT), i32.load(base, CHUNK_AT + 4)),
        CHUNK_AT,
      ),
      set(
        word,
        i32.add(base, i32.mul(get(lane), i32.const(wordBytes / 4))),
      ),
      Array.from({ length: 8 * wordBytes / 4 }, (_, i): Code => {
        const at = 16 * Math.floor(4 * i / wordBytes) + 4 * i % wordBytes;
        const value = i32.load(base, core.initialAt + at);
        return i32.store(get(word), value, STATE_AT + at);
      }),
    ];
  });
}

const idle: Code = i32.const(IDLE);

/** What a step knows of its lanes. */
interface Step {
  readonly core: Core;
  readonly code: CoreCode;
  readonly row: Call;
  readonly base: Code;
  /** Lane by lane: bytes left, where the block lies, whether it is the last. */
  readonly left: readonly Local[];
  readonly from: readonly Local[];
  readonly done: readonly Local[];
  /** Whether any lane is at its last block. */
  readonly any: Local;
}

/** Copies a block that is not whole to the scratch area and pads it. */
function stagePartial(step: Step, lane: number, at: number): Code {
  const { core, code, row, base, left, done } = step;
  const rows = Array.from({ length: core.blockBytes / 16 }, (_, i): Code => {
    const from = i32.add(laneField(base, LANE_FROM, lane), i32.const(16 * i));
    const bytes = i32.sub(get(left[lane]), i32.const(16 * i));
    return v128.store(base, row(from, bytes), at + 16 * i);
  });
  return [
    rows,
    code.pad(base, at, lane, left[lane]),
    set(done[lane], code.isLast(get(left[lane]))),
  ];
}

/** Finds the block that a lane absorbs; an idle lane absorbs what is there. */
function stage(step: Step, lane: number): Code {
  const { core, code, base, left, from, done } = step;
  const at = LAST_BLOCKS_AT + lane * core.blockBytes;
  return [
    set(left[lane], laneField(base, LANE_LEFT, lane)),
    set(from[lane], i32.add(base, i32.const(at))),
    set(done[lane], i32.const(0)),
    when(
      i32.geS(get(left[lane]), i32.const(core.blockBytes)),
      [
        set(from[lane], laneField(base, LANE_FROM, lane)),
        set(done[lane], code.isLast(get(left[lane]))),
      ],
      when(i32.ne(get(left[lane]), idle), stagePartial(step, lane, at)),
    ),
    code.prepare(base, lane, left[lane]),
  ];
}

/** Moves a lane on by a block. */
function advance(step: Step, lane: number): Code {
  const { core, base, left, done, any } = step;
  const size = i32.const(core.blockBytes);
  const rest = i32.sub(get(left[lane]), size);
  const from = i32.add(laneField(base, LANE_FROM, lane), size);
  return [
    when(i32.ne(get(left[lane]), idle), [
      i32.store(base, rest, LANE_LEFT + 4 * lane),
      i32.store(base, from, LANE_FROM + 4 * lane),
    ]),
    set(any, i32.or(get(any), get(done[lane]))),
  ];
}

/** Puts out a lane's hash when it is done, and sets the lane free. */
function finish(step: Step, lane: number): Code {
  const { base, done } = step;
  const halves = [0, 16].map((at) => {
    const hash = v128.load(base, HASHES_AT + 32 * lane + at);
    return v128.store(laneField(base, LANE_OUT, lane), hash, at);
  });
  return when(get(done[lane]), [
    i32.store(base, idle, LANE_LEFT + 4 * lane),
    halves,
  ]);
}

/** Adds: every lane absorbs a block of its message. */
function defineStep(
  module: ModuleWriter,
  core: Core,
  code: CoreCode,
  row: Call,
): Call {
  return module.func({}, ({ base, local, locals }) => {
    const left = locals(I32, core.lanes), from = locals(I32, core.lanes);
    const done = locals(I32, core.lanes), any = local(I32);
    const step: Step = { core, code, row, base, left, from, done, any };
    const t = transposer(locals);
    const lanes = left.map((_, lane) => lane);
    const gather = Array.from(
      { length: core.blockBytes / 16 },
      (_, i): Code => {
        const rows = from.map((at) => v128.load(get(at), 16 * i));
        return gatherRow(core, t, base, BLOCK_AT, i, rows);
      },
    );
    const put = (lane: number, half: 0 | 1, hash: Code): Code =>
      v128.store(base, hash, HASHES_AT + 32 * lane + 16 * half);
    return [
      startTransposer(core, t),
      set(any, i32.const(0)),
      lanes.map((lane) => stage(step, lane)),
      gather,
      code.absorb(base),
      lanes.map((lane) => advance(step, lane)),
      when(get(any), [
        scatter(core, t, base, put),
        lanes.map((lane) => finish(step, lane)),
      ]),
    ];
  });
}

/** Adds the kernels of this file to a module. */
export function defineStream(
  module: ModuleWriter,
  core: Core,
  code: CoreCode,
  row: Call,
): Call {
  const take = defineTake(module, core);
  const step = defineStep(module, core, code, row);
  const lanes = Array.from({ length: core.lanes }, (_, lane) => lane);
  const stop = (base: Code): Code =>
    lanes.map((lane) => i32.store(base, idle, LANE_LEFT + 4 * lane));
  const two = [I32, I32];
  const stream = module.func({ params: two, name: KERNEL_STREAM }, (body) => {
    const [list, count] = body.params;
    const end = body.local(I32), busy = body.local(I32);
    const base = body.base;
    const refill = (lane: number): Code => [
      when(
        i32.eq(laneField(base, LANE_LEFT, lane), idle),
        when(i32.ne(get(list), get(end)), [
          take(i32.const(4 * lane), get(list)),
          set(list, i32.add(get(list), i32.const(12))),
          set(busy, i32.const(1)),
        ]),
        set(busy, i32.const(1)),
      ),
    ];
    return [
      stop(base),
      set(end, i32.add(get(list), i32.mul(get(count), i32.const(12)))),
      block(loop([
        set(busy, i32.const(0)),
        lanes.map(refill),
        brIf(1, i32.eq(get(busy), i32.const(0))),
        step(),
        br(0),
      ])),
    ];
  });
  module.func({ params: [I32], name: KERNEL_START }, ({ params, base }) => [
    stop(base),
    take(i32.const(0), get(params[0])),
  ]);
  module.func({ params: two, name: KERNEL_FEED }, ({ params, base }) => {
    const [at, blocks] = params;
    return [
      i32.store(base, get(at), LANE_FROM),
      loop([
        step(),
        brIf(0, tee(blocks, i32.sub(get(blocks), i32.const(1)))),
      ]),
    ];
  });
  return stream;
}
