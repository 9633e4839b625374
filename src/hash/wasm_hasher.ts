// This module is browser compatible.
//
// The batch hasher over the WebAssembly kernels: routes each op to its kernel,
// splits values by length, walks BLAKE3's tree above the chunks, and brings in
// bytes from outside the pool piece by piece. It is used only after it has given
// the scheme's own hash for a few messages.

import type { Scheme } from "@stemma/verify";
import {
  type CompiledKernel,
  compileKernel,
  instantiateKernel,
  type KernelFunction,
  type Kernels,
} from "./kernel.ts";
import { KERNEL_COPY, KERNEL_COPY_SUMMED } from "./kernel_copies.ts";
import {
  KERNEL_SOUND,
  SOUND_FRAME,
  SOUND_KEY_BYTES,
  SOUND_KEY_MAX,
  SOUND_KEY_MIN,
  SOUND_PAGE,
  SOUND_PAGE_BYTES,
  SOUND_RECORD_MAX,
  SOUND_VALUE_BYTES,
} from "./kernel_sound.ts";
import { KERNEL_COPY_TREE } from "./kernel_trees.ts";
import { inlineBytesMax } from "../tree/layout.ts";
import { CHUNK_END, PARENT, ROOT } from "./kernel_blake3.ts";
import {
  CHUNK_AT,
  CHUNKS_AT,
  JOBS_AT,
  MESSAGES_AT,
  PART_ENTRIES,
  PIECE_AT,
  PIECE_BYTES,
  RESERVED_BYTES,
  SUBTREES_AT,
  SUM_AT,
} from "./kernel_layout.ts";
import {
  KERNEL_BRANCH_MESSAGES,
  KERNEL_LEAF_MESSAGES,
} from "./kernel_messages.ts";
import { KERNEL_EDITS } from "./kernel_edits.ts";
import { KERNEL_PAGES } from "./kernel_pages.ts";
import {
  KERNEL_JAM_LEAF,
  KERNEL_PAIR,
  KERNEL_PAIR_LEFT_MASKED,
  KERNEL_PAIR_TOP_CLEARED,
  KERNEL_PAIR_TOP_SET,
  KERNEL_PARENT,
  KERNEL_STEM,
  KERNEL_VALUE32,
} from "./kernel_pairs.ts";
import { KERNEL_FEED, KERNEL_START, KERNEL_STREAM } from "./kernel_stream.ts";
import { KERNEL_CHECKSUM, KERNEL_CHECKSUM_PART } from "./kernel_xxh64.ts";
import {
  type BatchHasher,
  type Checksums,
  OP_EIP8297_BRANCH,
  OP_EIP8297_LEAF,
  OP_JAM_LEAF,
  OP_PAIR,
  OP_PAIR_LEFT_MASKED,
  OP_PAIR_TOP_CLEARED,
  OP_PAIR_TOP_SET,
  OP_STEM,
  OP_VALUE,
  OP_WORDS,
  type PageChecker,
  type PageEditor,
  type PageHasher,
  type PageRule,
  type TreeCopier,
} from "./ops.ts";

export { RESERVED_BYTES } from "./kernel_layout.ts";

/** What the hasher needs of a scheme; without a family it hashes no pages. */
export type KernelScheme =
  & Pick<Scheme, "hash" | "hashName">
  & Partial<Pick<Scheme, "family">>;

/** Calls a kernel on a list; the second thread takes its share here. */
export type ListCall = (
  kernel: string,
  list: number,
  words: number,
  count: number,
) => void;

const CHUNK_BYTES = 1024;
/** This many 32-byte values in a row are worth a call of their own. */
const RUN_MIN = 8;

const PAIR_KERNELS: readonly (string | undefined)[] = pairKernels();

function pairKernels(): string[] {
  const names: string[] = [];
  names[OP_PAIR] = KERNEL_PAIR;
  names[OP_PAIR_TOP_CLEARED] = KERNEL_PAIR_TOP_CLEARED;
  names[OP_PAIR_TOP_SET] = KERNEL_PAIR_TOP_SET;
  names[OP_PAIR_LEFT_MASKED] = KERNEL_PAIR_LEFT_MASKED;
  names[OP_JAM_LEAF] = KERNEL_JAM_LEAF;
  names[OP_STEM] = KERNEL_STEM;
  return names;
}

/** The hasher over one instance of the kernels. */
export class WasmHasher implements BatchHasher, Checksums {
  readonly #kernels: Kernels;
  readonly #kernel: CompiledKernel;
  readonly #base: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #checksum: KernelFunction;
  readonly #checksumPart: KernelFunction;
  readonly #stream: KernelFunction;
  readonly #copy: KernelFunction;
  readonly #hasChunks: boolean;
  readonly #alone: ListCall = (name, list, _words, count) =>
    this.#kernels[name](list, count, 0);
  #call: ListCall = this.#alone;
  #engine: () => string = () => "wasm-simd";
  #hashes = 0;

  constructor(
    kernel: CompiledKernel,
    memory: WebAssembly.Memory,
    reservedAt: number,
  ) {
    this.#kernel = kernel;
    this.#base = reservedAt;
    this.#kernels = instantiateKernel(kernel, memory, reservedAt);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    this.#checksum = this.#kernels[KERNEL_CHECKSUM];
    this.#checksumPart = this.#kernels[KERNEL_CHECKSUM_PART];
    this.#stream = this.#kernels[KERNEL_STREAM];
    this.#copy = this.#kernels[KERNEL_COPY];
    this.#hasChunks = this.#kernels[KERNEL_PARENT] !== undefined;
  }

  get engine(): string {
    return this.#engine();
  }

  get hashes(): number {
    return this.#hashes;
  }

  /** The compiled kernels, for a second thread. */
  get compiled(): CompiledKernel {
    return this.#kernel;
  }

  /** The kernels of this thread's instance. */
  get kernels(): Kernels {
    return this.#kernels;
  }

  /** Lets something else divide lists; without arguments, nothing does. */
  setListCall(
    call: ListCall = this.#alone,
    engine: () => string = () => "wasm-simd",
  ): void {
    this.#engine = engine;
    this.#call = call;
  }

  hashBatch(op: number, list: number, count: number): void {
    if (count === 0) return;
    const name = PAIR_KERNELS[op];
    if (name !== undefined) this.#call(name, list, OP_WORDS[op], count);
    else if (op === OP_VALUE) this.#values(list, count);
    else if (op === OP_EIP8297_LEAF || op === OP_EIP8297_BRANCH) {
      this.#messages(op, list, count);
    } else throw new RangeError(`Cannot hash a batch: unknown op ${op}`);
    this.#hashes += count;
  }

  digest(message: Uint8Array, out: number): void {
    const length = message.length;
    if (this.#hasChunks && length > CHUNK_BYTES) {
      this.#long(length, out, (from, bytes) => {
        this.#copyIn(message, from, bytes);
        return this.#base + PIECE_AT;
      });
    } else {
      this.#setJob(0, this.#base + PIECE_AT, length, out);
      this.#kernels[KERNEL_START](this.#base + JOBS_AT);
      this.#feed(message);
    }
    this.#hashes += 1;
  }

  pageHasher(
    family: Scheme["family"],
    valueBytesMax: number,
  ): PageHasher | undefined {
    if (this.#kernels[KERNEL_PAGES] === undefined) return undefined;
    if (this.#hasChunks && valueBytesMax > CHUNK_BYTES) return undefined;
    return (list, count) => this.hashPages(family, list, count);
  }

  pageEditor(
    family: Scheme["family"],
    valueBytesMax: number,
  ): PageEditor | undefined {
    if (this.#kernels[KERNEL_EDITS] === undefined) return undefined;
    if (this.#hasChunks && valueBytesMax > CHUNK_BYTES) return undefined;
    return (group) => this.editPages(family, group);
  }

  treeCopier(keyBytes: number): TreeCopier | undefined {
    const copyTree = this.#kernels[KERNEL_COPY_TREE];
    if (copyTree === undefined) return undefined;
    const list = this.#base + JOBS_AT, words = this.#words, i = list >>> 2;
    return (from, node, to) => {
      words[i] = from;
      words[i + 1] = node;
      words[i + 2] = to;
      words[i + 3] = keyBytes;
      copyTree(list);
      return words[i];
    };
  }

  pageChecker(rule: PageRule): PageChecker | undefined {
    const isSound = this.#kernels[KERNEL_SOUND];
    if (isSound === undefined) return undefined;
    const list = this.#base + JOBS_AT, words = this.#words, i = list >>> 2;
    const recordMax = inlineBytesMax(rule.pageBytes);
    return (frame, page) => {
      words[i + SOUND_FRAME / 4] = frame;
      words[i + SOUND_PAGE / 4] = page;
      words[i + SOUND_PAGE_BYTES / 4] = rule.pageBytes;
      words[i + SOUND_KEY_BYTES / 4] = rule.fixedBytes;
      words[i + SOUND_KEY_MIN / 4] = rule.min;
      words[i + SOUND_KEY_MAX / 4] = rule.max;
      words[i + SOUND_VALUE_BYTES / 4] = rule.valueBytes ?? -1;
      words[i + SOUND_RECORD_MAX / 4] = recordMax;
      isSound(list);
      return words[i] === 1;
    };
  }

  /** Edits pages, as a {@linkcode PageEditor} does. */
  editPages(family: Scheme["family"], group: number): void {
    const list = this.#base + JOBS_AT, words = this.#words, i = list >>> 2;
    words[i] = group;
    this.#kernels[KERNEL_EDITS](list, 0, 0);
    this.countPages(family, words[i], words[i + 1], words[i + 2]);
  }

  /** Hashes pages, as a {@linkcode PageHasher} does. */
  hashPages(family: Scheme["family"], list: number, count: number): void {
    this.#kernels[KERNEL_PAGES](list, count, 0);
    const words = this.#words, i = list >>> 2;
    this.countPages(family, words[i], words[i + 1], words[i + 2]);
  }

  /** Counts what was hashed in pages. */
  countPages(
    _family: Scheme["family"],
    values: number,
    leaves: number,
    nodes: number,
  ): void {
    this.#hashes += values + leaves + nodes;
  }

  copy(to: number, from: number, length: number): void {
    this.#copy(to, from, length);
  }

  copySummed(list: number, count: number, length: number): void {
    this.#kernels[KERNEL_COPY_SUMMED](list, count, length);
  }

  checksum(
    offset: number,
    length: number,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void {
    this.#checksum(offset, length, 0, seedLo, seedHi);
    this.#takeSum(out);
  }

  checksumOf(
    bytes: Uint8Array,
    seedLo: number,
    seedHi: number,
    out: Uint32Array,
  ): void {
    const at = this.#base + PIECE_AT, { length } = bytes;
    let done = 0;
    for (; length - done > PIECE_BYTES; done += PIECE_BYTES) {
      this.#copyIn(bytes, done, PIECE_BYTES);
      this.#checksumPart(at, PIECE_BYTES, done, seedLo, seedHi);
    }
    this.#copyIn(bytes, done, length - done);
    this.#checksum(at, length - done, done, seedLo, seedHi);
    this.#takeSum(out);
  }

  #takeSum(out: Uint32Array): void {
    const at = (this.#base + SUM_AT) >>> 2;
    out[0] = this.#words[at];
    out[1] = this.#words[at + 1];
  }

  /** Values: runs of 32-byte ones, runs of others, and long ones by chunks. */
  #values(list: number, count: number): void {
    const words = this.#words;
    const lengthAt = (list >>> 2) + 1;
    const longest = this.#hasChunks ? CHUNK_BYTES : 0xffff_ffff;
    for (let from = 0; from < count;) {
      let to = from;
      while (to < count && words[lengthAt + 3 * to] === 32) to++;
      if (to - from >= RUN_MIN || to === count) {
        this.#call(KERNEL_VALUE32, list + 12 * from, 3, to - from);
        from = to;
        continue;
      }
      let run = 0;
      for (; to < count && run < RUN_MIN; to++) {
        const length = words[lengthAt + 3 * to];
        if (length > longest) break;
        run = length === 32 ? run + 1 : 0;
      }
      if (run === RUN_MIN) to -= run;
      if (to > from) this.#call(KERNEL_STREAM, list + 12 * from, 3, to - from);
      for (; to < count && words[lengthAt + 3 * to] > longest; to++) {
        this.#longValue(lengthAt + 3 * to);
      }
      from = to;
    }
  }

  #longValue(at: number): void {
    const offset = this.#words[at - 1];
    this.#long(this.#words[at], this.#words[at + 1], (from) => offset + from);
  }

  /** EIP-8297 messages: put together a part at a time, then hashed. */
  #messages(op: number, list: number, count: number): void {
    const name = op === OP_EIP8297_LEAF
      ? KERNEL_LEAF_MESSAGES
      : KERNEL_BRANCH_MESSAGES;
    const bytes = 4 * OP_WORDS[op];
    for (let from = 0; from < count; from += PART_ENTRIES) {
      const part = Math.min(PART_ENTRIES, count - from);
      this.#kernels[name](list + bytes * from, part);
      this.#stream(this.#base + JOBS_AT, part);
    }
  }

  /** Absorbs the message of lane 0 piece by piece. */
  #feed(message: Uint8Array): void {
    const { blockBytes, swapped } = this.#kernel.core;
    const length = message.length;
    // SHA-256 always pads; the BLAKEs have one block at least.
    const blocks = swapped
      ? Math.floor((length + 8) / blockBytes) + 1
      : Math.max(1, Math.ceil(length / blockBytes));
    const perPiece = PIECE_BYTES / blockBytes;
    for (let done = 0; done < blocks; done += perPiece) {
      const from = done * blockBytes;
      this.#copyIn(message, from, Math.min(PIECE_BYTES, length - from));
      this.#kernels[KERNEL_FEED](
        this.#base + PIECE_AT,
        Math.min(perPiece, blocks - done),
      );
    }
  }

  #copyIn(message: Uint8Array, from: number, bytes: number): void {
    const piece = message.subarray(from, from + bytes);
    this.#bytes.set(piece, this.#base + PIECE_AT);
  }

  /**
   * BLAKE3 of a message of more than one chunk: subtrees of 64 chunks, joined as
   * soon as two of one size stand side by side with more input to come.
   */
  #long(
    length: number,
    out: number,
    piece: (from: number, bytes: number) => number,
  ): void {
    const chunks = this.#base + CHUNKS_AT;
    const stack = this.#base + SUBTREES_AT;
    let depth = 0;
    let from = 0;
    for (; length - from > PIECE_BYTES; from += PIECE_BYTES) {
      const at = piece(from, PIECE_BYTES);
      this.#subtree(at, PIECE_BYTES, from, PARENT);
      this.#bytes.copyWithin(stack + 32 * depth, chunks, chunks + 32);
      depth++;
      let whole = from / PIECE_BYTES + 1;
      for (; (whole & 1) === 0; whole >>>= 1) {
        depth--;
        const left = stack + 32 * (depth - 1);
        this.#join(left, left + 32, left, PARENT);
      }
    }
    const bytes = length - from;
    const last = depth === 0 ? PARENT | ROOT : PARENT;
    this.#subtree(piece(from, bytes), bytes, from, last);
    while (depth > 0) {
      depth--;
      const flags = depth === 0 ? PARENT | ROOT : PARENT;
      this.#join(stack + 32 * depth, chunks, chunks, flags);
    }
    this.#bytes.copyWithin(out, chunks, chunks + 32);
  }

  /** Chaining value of up to 64 chunks, to CHUNKS_AT; `last`: flags at the top. */
  #subtree(at: number, bytes: number, from: number, last: number): void {
    let count = Math.ceil(bytes / CHUNK_BYTES);
    const jobs = this.#base + JOBS_AT;
    const value = (i: number): number => this.#base + CHUNKS_AT + 32 * i;
    for (let i = 0; i < count; i++) {
      const rest = bytes - i * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES, rest);
      this.#setJob(i, at + i * CHUNK_BYTES, length, value(i));
    }
    this.#setChunks(from / CHUNK_BYTES, 1, CHUNK_END);
    this.#stream(jobs, count);
    this.#setChunks(0, 0, CHUNK_END | ROOT);
    while (count > 1) {
      const pairs = count >>> 1;
      for (let i = 0; i < pairs; i++) {
        this.#setJob(i, value(2 * i), value(2 * i + 1), value(i));
      }
      const flags = count === 2 ? last : PARENT;
      this.#kernels[KERNEL_PARENT](jobs, pairs, flags);
      if ((count & 1) === 1) {
        const odd = value(count - 1);
        this.#bytes.copyWithin(value(pairs), odd, odd + 32);
      }
      count -= pairs;
    }
  }

  #join(left: number, right: number, out: number, flags: number): void {
    this.#setJob(0, left, right, out);
    this.#kernels[KERNEL_PARENT](this.#base + JOBS_AT, 1, flags);
  }

  #setJob(i: number, a: number, b: number, c: number): void {
    const at = ((this.#base + JOBS_AT) >>> 2) + 3 * i;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
  }

  #setChunks(counter: number, step: number, endFlags: number): void {
    const at = (this.#base + CHUNK_AT) >>> 2;
    this.#words[at] = counter;
    this.#words[at + 1] = step;
    this.#words[at + 2] = endFlags;
  }
}

const warm = new WeakSet<WebAssembly.Module>();
const WARM_UP_CALLS = 20;
const WARM_UP_ENTRIES = 8;

/**
 * Runs small batches until the compiler has seen them often: a first long call
 * would stay in slow baseline code to its end. More calls than these gained
 * nothing measurable. Once per compiled module.
 */
function warmUp(hasher: WasmHasher, reservedAt: number): void {
  if (warm.has(hasher.compiled.module)) return;
  warm.add(hasher.compiled.module);
  const names = [...PAIR_KERNELS.filter((name) => name !== undefined)];
  names.push(KERNEL_VALUE32);
  const list = reservedAt + JOBS_AT;
  for (let i = 0; i < WARM_UP_CALLS; i++) {
    for (const name of names) hasher.kernels[name](list, WARM_UP_ENTRIES, 0);
    hasher.kernels[KERNEL_STREAM](list, WARM_UP_ENTRIES);
    hasher.kernels[KERNEL_CHECKSUM](reservedAt + PIECE_AT, 512, 0, 0);
  }
}

/** Writes a list of 8 that every kernel can take; four-word ones read on. */
function writeWarmUpList(memory: WebAssembly.Memory, reservedAt: number): void {
  const words = new Uint32Array(memory.buffer);
  const at = (reservedAt + JOBS_AT) >>> 2;
  for (let i = 0; i < 4 * WARM_UP_ENTRIES; i++) {
    words[at + i] = reservedAt + MESSAGES_AT;
  }
}

/** Whether the kernels give the scheme's hash for a few messages. */
function agrees(
  hasher: WasmHasher,
  memory: WebAssembly.Memory,
  reservedAt: number,
  scheme: KernelScheme,
): boolean {
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const at = reservedAt + MESSAGES_AT, list = reservedAt + JOBS_AT;
  const isHash = (out: number, message: Uint8Array): boolean =>
    scheme.hash(message).every((byte, i) => byte === bytes[out + i]);
  for (const length of [0, 32, 129, 1025]) {
    const message = new Uint8Array(length).fill(length);
    hasher.digest(message, at);
    if (!isHash(at, message)) return false;
  }
  const pairs = [0, 1, 2, 3, 4];
  const pair = (i: number): number => at + 128 * i;
  for (const i of pairs) {
    bytes.fill(i + 1, pair(i), pair(i) + 64);
    words.set([pair(i), pair(i) + 32, pair(i) + 64], list / 4 + 3 * i);
  }
  hasher.hashBatch(OP_PAIR, list, pairs.length);
  return pairs.every((i) =>
    isHash(pair(i) + 64, bytes.slice(pair(i), pair(i) + 64))
  );
}

function isShared(buffer: ArrayBufferLike): boolean {
  return Object.prototype.toString.call(buffer) ===
    "[object SharedArrayBuffer]";
}

/**
 * Makes the hasher over the WebAssembly kernels.
 *
 * @param memory The pool. It must not grow afterwards.
 * @param reservedAt Byte offset, a multiple of 16, of {@linkcode RESERVED_BYTES}
 * bytes that belong to the hasher.
 * @param scheme The scheme; its hash counts, and its family for whole pages.
 * @returns `undefined` when there are no kernels for that hash, WebAssembly SIMD
 * is missing or forbidden, or the kernels do not give the scheme's hash.
 * @throws {RangeError} When the reserved bytes are not aligned or not all there.
 */
export function wasmHasher(
  memory: WebAssembly.Memory,
  reservedAt: number,
  scheme: KernelScheme,
): WasmHasher | undefined {
  const end = reservedAt + RESERVED_BYTES;
  if ((reservedAt & 15) !== 0 || end > memory.buffer.byteLength) {
    throw new RangeError(
      `Cannot place kernels: ${RESERVED_BYTES} bytes are needed at a multiple ` +
        `of 16: received offset ${reservedAt} of ${memory.buffer.byteLength}`,
    );
  }
  const { hashName, family } = scheme;
  const kernel = compileKernel(hashName, isShared(memory.buffer), family);
  if (kernel === undefined) return undefined;
  const hasher = new WasmHasher(kernel, memory, reservedAt);
  if (!agrees(hasher, memory, reservedAt, scheme)) return undefined;
  writeWarmUpList(memory, reservedAt);
  warmUp(hasher, reservedAt);
  return hasher;
}
