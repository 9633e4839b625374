// This module is browser compatible.
//
// The inside of one page: allocating nodes and heap records, reading and
// writing their fields, copying a subtree from page to page, compaction, and the
// check that a page from storage has the shape of a tree. Every function takes
// the byte offset `f` of a frame; a page keeps the invariant that live nodes,
// live heap bytes and garbage add up to what its header says.

import {
  align4,
  AT_BIRTH,
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
  END,
  EXTEND,
  FREE,
  GROUP_BYTES,
  groupBytes,
  hashAt,
  HEIGHT_MASK,
  inlineBytesMax,
  JOIN,
  KIND_SHIFT,
  metaAt,
  METAS_AT,
  NODE_BYTES,
  NONE,
  OVERFLOW,
  OVERFLOW_RECORD_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_MAGIC,
  VALUE_BYTES_MAX,
} from "./layout.ts";
import type { PageChecker, TreeCopier } from "../hash/ops.ts";
import { keyRecordBytes, type KeyRule } from "./keys.ts";

/** Told when a node moves, so that what is kept beside the page can follow. */
export type OnMove = (from: number, to: number) => void;

/** Page operations over one block of memory. */
export class Pages {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly pageBytes: number;
  readonly rule: KeyRule;
  /** Offset of the key inside a heap record: 1 behind a length byte. */
  readonly keyShift: number;
  readonly #scratch: number;
  readonly #stack: Int32Array;
  /** Nodes from the root down, what each weighs with all below it, and their heights. */
  readonly #order: Uint16Array;
  readonly #weights: Int32Array;
  readonly #heights: Uint8Array;
  /** Whether there are such kernels; see {@linkcode swizzle}. */
  swizzles = false;
  /** What copies parts of pages that nobody keeps data for, if there is such a thing. */
  copyTree: TreeCopier | undefined;
  /** What does {@linkcode isSound}, if there is such a thing. */
  checkPage: PageChecker | undefined;
  #touched = 0;

  /**
   * @param buffer The memory.
   * @param pageBytes Bytes a page.
   * @param rule How keys are stored.
   * @param scratch Offset of a spare frame, for compaction.
   */
  constructor(
    buffer: ArrayBufferLike,
    pageBytes: number,
    rule: KeyRule,
    scratch: number,
  ) {
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.pageBytes = pageBytes;
    this.rule = rule;
    this.keyShift = rule.fixedBytes === 0 ? 1 : 0;
    this.#scratch = scratch;
    const nodes = pageBytes / NODE_BYTES + 2 | 0;
    this.#stack = new Int32Array(3 * nodes);
    this.#order = new Uint16Array(nodes);
    this.#weights = new Int32Array(nodes);
    this.#heights = new Uint8Array(nodes);
  }

  /** Makes the frame an empty page. */
  reset(f: number, page: number, birth: number): void {
    this.u8.fill(0, f, f + this.pageBytes);
    this.u32[f + AT_PAGE >>> 2] = page;
    this.setBirth(f, birth);
    this.u16[f + AT_ROOT >>> 1] = NONE;
    this.u16[f + AT_FREE >>> 1] = NONE;
    this.u16[f + AT_HEAP >>> 1] = this.pageBytes;
    this.u16[f + AT_MAGIC >>> 1] = PAGE_MAGIC;
  }

  /** Number of the page in the frame. */
  pageOf(f: number): number {
    return this.u32[f + AT_PAGE >>> 2];
  }

  setPage(f: number, page: number): void {
    this.u32[f + AT_PAGE >>> 2] = page;
  }

  /** Id of the version that made the page. */
  birthOf(f: number): number {
    const i = f + AT_BIRTH >>> 2;
    return this.u32[i] + this.u32[i + 1] * 2 ** 32;
  }

  setBirth(f: number, birth: number): void {
    const i = f + AT_BIRTH >>> 2;
    this.u32[i] = birth >>> 0;
    this.u32[i + 1] = Math.floor(birth / 2 ** 32);
  }

  /**
   * Reads a word of each group of nodes of a page that is about to be walked: the
   * loads overlap, those of a walk wait for each other.
   */
  touchNodes(f: number): void {
    const { u16, u32 } = this;
    const end = f + PAGE_HEADER_BYTES + groupBytes(u16[f + AT_SLOTS >>> 1]) >>>
      2;
    let sum = 0;
    for (let i = f + METAS_AT >>> 2; i < end; i += GROUP_BYTES >>> 2) {
      sum ^= u32[i];
    }
    this.#touched = sum;
  }

  /** As {@linkcode touchNodes}, for the key and the value of a terminal. */
  touchRecord(f: number, n: number): void {
    const { u32 } = this, i = this.record(f, n) >>> 2;
    this.#touched = u32[i] ^ u32[i + 15];
  }

  /** What was read to no other end, so that the reads are not optimised away. */
  get touched(): number {
    return this.#touched;
  }

  root(f: number): number {
    return this.u16[f + AT_ROOT >>> 1];
  }

  setRoot(f: number, n: number): void {
    this.u16[f + AT_ROOT >>> 1] = n;
    if (n !== NONE) this.u16[metaAt(f, n) + 3] = NONE;
  }

  kind(f: number, n: number): number {
    return this.u16[metaAt(f, n)] >> KIND_SHIFT;
  }

  depth(f: number, n: number): number {
    return this.u16[metaAt(f, n)] & DEPTH_MASK;
  }

  parent(f: number, n: number): number {
    return this.u16[metaAt(f, n) + 3];
  }

  /** Bytes that nodes and heap records of the page use. */
  weight(f: number): number {
    return this.u16[f + AT_LIVE >>> 1] * NODE_BYTES + this.heapLive(f);
  }

  /** Live bytes of the heap. */
  heapLive(f: number): number {
    return this.pageBytes - this.u16[f + AT_HEAP >>> 1] -
      this.u16[f + AT_GARBAGE >>> 1];
  }

  liveNodes(f: number): number {
    return this.u16[f + AT_LIVE >>> 1];
  }

  /** Offset in memory of the heap record of a terminal or child entry. */
  record(f: number, n: number): number {
    return f + this.u16[metaAt(f, n) + 1];
  }

  /** Offset in memory of a terminal's key. */
  keyAt(f: number, n: number): number {
    return f + this.u16[metaAt(f, n) + 1] + this.keyShift;
  }

  /** Length of a terminal's key. */
  keyBytes(f: number, n: number): number {
    return this.rule.fixedBytes || this.u8[this.record(f, n)];
  }

  /** Offset in memory of a terminal's value, or of its overflow reference. */
  valueAt(f: number, n: number): number {
    return this.record(f, n) + keyRecordBytes(this.rule, this.keyBytes(f, n));
  }

  /** Whether a terminal's value lies in an overflow extent. */
  isOverflow(f: number, n: number): boolean {
    return (this.u16[metaAt(f, n)] & OVERFLOW) !== 0;
  }

  /** Length of a terminal's value, in bytes. */
  valueBytes(f: number, n: number): number {
    return this.isOverflow(f, n)
      ? this.u32[this.valueAt(f, n) >>> 2]
      : this.u16[metaAt(f, n) + 2];
  }

  /** Bytes of a node's heap record; 0 for a join. */
  recordBytes(f: number, n: number): number {
    const kind = this.kind(f, n);
    if (kind === JOIN) return 0;
    if (kind === CHILD) return CHILD_RECORD_BYTES;
    const key = keyRecordBytes(this.rule, this.keyBytes(f, n));
    if (this.isOverflow(f, n)) return key + OVERFLOW_RECORD_BYTES;
    return key + align4(this.u16[metaAt(f, n) + 2]);
  }

  /** Page number that a child entry refers to. */
  childPage(f: number, n: number): number {
    return this.u32[this.record(f, n) >>> 2];
  }

  /** Points a child entry at a page whose checksum is not known yet. */
  setChildPage(f: number, n: number, page: number): void {
    const i = this.record(f, n) >>> 2;
    this.u32[i] = page;
    this.u32[i + 1] = 0;
    this.u32[i + 2] = 0;
  }

  /** Whether `nodes` more nodes and `heap` more bytes fit as the page lies. */
  fits(f: number, nodes: number, heap: number): boolean {
    const live = this.liveNodes(f);
    const slots = Math.max(this.u16[f + AT_SLOTS >>> 1], live + nodes);
    return PAGE_HEADER_BYTES + groupBytes(slots) + heap <=
      this.u16[f + AT_HEAP >>> 1];
  }

  /** Whether they would fit after {@linkcode keepOnly} of the root. */
  fitsCompacted(f: number, nodes: number, heap: number): boolean {
    return PAGE_HEADER_BYTES + groupBytes(this.liveNodes(f) + nodes) +
        this.heapLive(f) + heap <= this.pageBytes;
  }

  /** Takes a node slot; the caller has checked {@linkcode fits}. */
  allocateNode(f: number): number {
    const free = this.u16[f + AT_FREE >>> 1];
    this.u16[f + AT_LIVE >>> 1]++;
    if (free !== NONE) {
      this.u16[f + AT_FREE >>> 1] = this.u16[metaAt(f, free) + 1];
      return free;
    }
    return this.u16[f + AT_SLOTS >>> 1]++;
  }

  /** Gives back a node slot and its heap record. */
  freeNode(f: number, n: number): void {
    this.u16[f + AT_GARBAGE >>> 1] += this.recordBytes(f, n);
    const i = metaAt(f, n);
    this.u16[i] = 0;
    this.u16[i + 1] = this.u16[f + AT_FREE >>> 1];
    this.u16[f + AT_FREE >>> 1] = n;
    this.u16[f + AT_LIVE >>> 1]--;
  }

  /** Takes heap bytes; returns their offset from the start of the page. */
  allocateHeap(f: number, bytes: number): number {
    return this.u16[f + AT_HEAP >>> 1] -= bytes;
  }

  /** Writes a join. */
  makeJoin(
    f: number,
    n: number,
    depth: number,
    left: number,
    right: number,
    parent: number,
  ): void {
    const i = metaAt(f, n);
    this.u16[i] = JOIN << KIND_SHIFT | depth;
    this.u16[i + 1] = left;
    this.u16[i + 2] = right;
    this.u16[i + 3] = parent;
    this.u16[metaAt(f, left) + 3] = n;
    this.u16[metaAt(f, right) + 3] = n;
  }

  /** Makes node `n` a child entry for a page. */
  makeChild(
    f: number,
    n: number,
    page: number,
    rootDepth: number,
    parent: number,
  ): void {
    const i = metaAt(f, n);
    this.u16[i] = CHILD << KIND_SHIFT;
    this.u16[i + 1] = this.allocateHeap(f, CHILD_RECORD_BYTES);
    this.u16[i + 2] = rootDepth;
    this.u16[i + 3] = parent;
    this.setChildPage(f, n, page);
  }

  /**
   * Tells a dirty child entry the frame of its page, 0 when that is not known: it lies
   * in the hash cell until the hash is there, for kernels that hash without a table.
   */
  swizzle(f: number, n: number, frame: number): void {
    if (this.swizzles) this.u32[hashAt(f, n) >>> 2] = frame;
  }

  /** A node's hash is good again. */
  setClean(f: number, n: number): void {
    this.u16[metaAt(f, n)] &= ~DIRTY;
  }

  /** Puts `to` in the place of `from` below `from`'s parent. */
  replaceInParent(f: number, from: number, to: number): void {
    const parent = this.parent(f, from);
    if (parent === NONE) return this.setRoot(f, to);
    const i = metaAt(f, parent);
    if (this.u16[i + 1] === from) this.u16[i + 1] = to;
    else this.u16[i + 2] = to;
    this.u16[metaAt(f, to) + 3] = parent;
  }

  /** Copies a 32-byte hash; both offsets are multiples of 4. */
  copyHash(from: number, to: number): void {
    const u32 = this.u32;
    const a = from >>> 2, b = to >>> 2;
    for (let i = 0; i < 8; i++) u32[b + i] = u32[a + i];
  }

  /** Bytes of the subtree below and including `n`. */
  subtreeWeight(f: number, n: number): number {
    const stack = this.#stack;
    let top = 0, bytes = 0;
    stack[top++] = n;
    while (top > 0) {
      const at = stack[--top];
      bytes += NODE_BYTES + this.recordBytes(f, at);
      if (this.kind(f, at) === JOIN) {
        const i = metaAt(f, at);
        stack[top++] = this.u16[i + 1];
        stack[top++] = this.u16[i + 2];
      }
    }
    return bytes;
  }

  /**
   * The part of a page that is least high, and less than the page: a join below the
   * root, of at least `min` bytes with all below it, that leaves at least as much. The
   * heaviest of equally high ones; NONE if there is none.
   */
  lowestPart(f: number, min: number): number {
    const u16 = this.u16, order = this.#order, weights = this.#weights;
    const heights = this.#heights, count = this.#weigh(f);
    const max = this.weight(f) - min;
    let best = NONE, height = heights[this.root(f)] - 1, most = 0;
    for (let k = 1; k < count; k++) {
      const n = order[k], weight = weights[n];
      if (u16[metaAt(f, n)] >> KIND_SHIFT !== JOIN) continue;
      if (weight < min || weight > max || heights[n] > height) continue;
      if (heights[n] === height && weight <= most) continue;
      best = n;
      height = heights[n];
      most = weight;
    }
    return best;
  }

  /** Lists a page's nodes, parents first, with weights and heights; returns how many. */
  #weigh(f: number): number {
    const u16 = this.u16, order = this.#order;
    const weights = this.#weights, heights = this.#heights;
    let count = 0;
    order[count++] = this.root(f);
    for (let k = 0; k < count; k++) {
      const i = metaAt(f, order[k]);
      if (u16[i] >> KIND_SHIFT !== JOIN) continue;
      order[count++] = u16[i + 1];
      order[count++] = u16[i + 2];
    }
    for (let k = count - 1; k >= 0; k--) {
      const n = order[k], i = metaAt(f, n), kind = u16[i] >> KIND_SHIFT;
      let weight = NODE_BYTES + this.recordBytes(f, n), height = 0;
      if (kind === CHILD) height = u16[i] & HEIGHT_MASK || HEIGHT_MASK;
      if (kind === JOIN) {
        const left = u16[i + 1], right = u16[i + 2];
        weight += weights[left] + weights[right];
        height = Math.max(heights[left], heights[right]);
      }
      weights[n] = weight;
      heights[n] = height;
    }
    return count;
  }

  /** Whether a page leads to others. */
  leadsOn(f: number): boolean {
    const { u16 } = this, slots = u16[f + AT_SLOTS >>> 1];
    for (let n = 0; n < slots; n++) {
      if (u16[metaAt(f, n)] >> KIND_SHIFT === CHILD) return true;
    }
    return false;
  }

  /** Whether an entry leads to an end of paths, as far as it says. */
  isEnd(f: number, n: number): boolean {
    const meta = this.u16[metaAt(f, n)];
    return meta >> KIND_SHIFT === CHILD && (meta & HEIGHT_MASK) === END;
  }

  /** Says in an entry how high the page at `g` is, to which it leads. */
  setHeight(f: number, n: number, g: number): void {
    const i = metaAt(f, n);
    this.u16[i] = this.u16[i] & ~HEIGHT_MASK | this.#height(g);
  }

  /** Height of a page, as far as its entries tell. */
  #height(f: number): number {
    const { u16 } = this, slots = u16[f + AT_SLOTS >>> 1];
    let height = 0;
    for (let n = 0; n < slots; n++) {
      const meta = u16[metaAt(f, n)];
      if (meta >> KIND_SHIFT !== CHILD) continue;
      if ((meta & HEIGHT_MASK) === 0) return 0;
      height = Math.max(height, meta & HEIGHT_MASK);
    }
    return Math.min(height + 1, HEIGHT_MASK);
  }

  /** Nodes that a page has room for. */
  get slotsMax(): number {
    return Math.floor(this.pageBytes / NODE_BYTES);
  }

  /**
   * Lists the records of a page's child entries.
   *
   * @param out Receives them, as indices of words; {@linkcode slotsMax} long.
   * @returns How many.
   */
  childRecords(f: number, out: Uint32Array): number {
    const { u16 } = this, slots = u16[f + AT_SLOTS >>> 1];
    this.touchNodes(f);
    let count = 0;
    for (let n = 0; n < slots; n++) {
      const i = metaAt(f, n);
      if (u16[i] >> KIND_SHIFT === CHILD) out[count++] = f + u16[i + 1] >>> 2;
    }
    return count;
  }

  /** Makes a join an entry for the page that all below it have been copied to. */
  becomeChild(f: number, n: number, page: number, rootDepth: number): void {
    const stack = this.#stack, { u16, u32 } = this, i = metaAt(f, n);
    let top = 0, record = 0;
    stack[top++] = u16[i + 1];
    stack[top++] = u16[i + 2];
    while (top > 0) {
      const at = stack[--top], j = metaAt(f, at);
      if (u16[j] >> KIND_SHIFT === JOIN) {
        stack[top++] = u16[j + 1];
        stack[top++] = u16[j + 2];
      } else record = u16[j + 1];
      this.freeNode(f, at);
    }
    // The entry's record takes the place of one that is not needed any more.
    u16[f + AT_GARBAGE >>> 1] -= CHILD_RECORD_BYTES;
    u16[i] = CHILD << KIND_SHIFT | u16[i] & (DIRTY | EXTEND);
    u16[i + 1] = record;
    u16[i + 2] = rootDepth;
    u32.fill(0, f + record >>> 2, (f + record >>> 2) + 3);
    u32[f + record >>> 2] = page;
  }

  /** Nodes of the subtree below and including `n`. */
  subtreeNodes(f: number, n: number): number {
    const stack = this.#stack;
    let top = 0, nodes = 0;
    stack[top++] = n;
    while (top > 0) {
      const at = stack[--top];
      nodes++;
      if (this.kind(f, at) !== JOIN) continue;
      const i = metaAt(f, at);
      stack[top++] = this.u16[i + 1];
      stack[top++] = this.u16[i + 2];
    }
    return nodes;
  }

  /**
   * Copies the subtree at `n` of page `f` into page `g`, in pre-order.
   *
   * @param onMove Told of each node with a flag that others keep data for; omitted: there
   *   is none.
   * @returns The copy's node in `g`, its parent link not set.
   */
  copySubtree(f: number, n: number, g: number, onMove?: OnMove): number {
    if (onMove === undefined && this.copyTree !== undefined) {
      return this.copyTree(f, n, g);
    }
    const stack = this.#stack, u16 = this.u16;
    let top = 0, root = NONE;
    stack[top++] = n;
    stack[top++] = NONE;
    stack[top++] = 0;
    while (top > 0) {
      const side = stack[--top], parent = stack[--top], from = stack[--top];
      const to = this.#copyNode(f, from, g, onMove);
      if (parent === NONE) root = to;
      else u16[metaAt(g, parent) + 1 + side] = to;
      u16[metaAt(g, to) + 3] = parent;
      if (this.kind(f, from) !== JOIN) continue;
      const i = metaAt(f, from);
      stack[top++] = u16[i + 2];
      stack[top++] = to;
      stack[top++] = 1;
      stack[top++] = u16[i + 1];
      stack[top++] = to;
      stack[top++] = 0;
    }
    return root;
  }

  #copyNode(f: number, n: number, g: number, onMove?: OnMove): number {
    const u16 = this.u16;
    const to = this.allocateNode(g);
    this.copyHash(hashAt(f, n), hashAt(g, to));
    const i = metaAt(f, n), j = metaAt(g, to);
    u16[j] = u16[i];
    u16[j + 1] = u16[i + 1];
    u16[j + 2] = u16[i + 2];
    const bytes = this.recordBytes(f, n);
    if (bytes > 0) {
      const heap = this.allocateHeap(g, bytes), u32 = this.u32;
      // Records are whole words, and mostly short.
      const end = g + heap + bytes >>> 2;
      let from = f + u16[i + 1] >>> 2;
      for (let word = g + heap >>> 2; word < end;) u32[word++] = u32[from++];
      u16[j + 1] = heap;
    }
    if ((u16[i] & EXTEND) !== 0) onMove?.(hashAt(f, n), hashAt(g, to));
    return to;
  }

  /** Frees every node but the subtree at `n`, and closes all gaps. */
  keepOnly(f: number, n: number, onMove?: OnMove): void {
    const scratch = this.#scratch;
    this.u8.copyWithin(scratch, f, f + this.pageBytes);
    this.reset(f, this.pageOf(scratch), this.birthOf(scratch));
    const tell = onMove &&
      ((from: number, to: number) => onMove(from - scratch + f, to));
    this.setRoot(f, this.copySubtree(scratch, n, f, tell));
  }

  /** Clears the flags that mean work for the hashing pass. */
  clearFlags(f: number, n: number): void {
    this.u16[metaAt(f, n)] &= ~(DIRTY | EXTEND);
  }

  /**
   * Whether bytes from storage have the shape of a page: every live node
   * reached once from the root, every other one once from the free list, depths
   * growing, records inside the heap, values of a length that the scheme takes.
   * After this nothing done to the page can leave it or run for ever.
   */
  isSound(f: number, page: number, keyBytesMax: number): boolean {
    if (this.checkPage !== undefined) return this.checkPage(f, page);
    const u16 = this.u16, depths = 8 * keyBytesMax;
    const slots = u16[f + AT_SLOTS >>> 1], heap = u16[f + AT_HEAP >>> 1];
    const live = this.liveNodes(f);
    if (
      this.pageOf(f) !== page || u16[f + AT_MAGIC >>> 1] !== PAGE_MAGIC ||
      heap > this.pageBytes || (heap & 3) !== 0 || live > slots || live === 0 ||
      PAGE_HEADER_BYTES + groupBytes(slots) > heap ||
      !this.#isSoundFreeList(f, slots, slots - live)
    ) return false;
    const root = this.root(f);
    let nodes = 0, joins = 0, bytes = 0;
    for (let n = 0; n < slots; n++) {
      const i = metaAt(f, n), meta = u16[i], kind = meta >> KIND_SHIFT;
      if (kind === FREE) continue;
      nodes++;
      const parent = u16[i + 3];
      let above = -1;
      if (n !== root) {
        if (parent >= slots) return false;
        const p = metaAt(f, parent);
        above = u16[p] ^ JOIN << KIND_SHIFT;
        // A written page has no flags, so this is the depth of a join.
        if (above > DEPTH_MASK) return false;
        if ((u16[p + 1] === n) === (u16[p + 2] === n)) return false;
      } else if (parent !== NONE || kind === CHILD) return false;
      if (kind === JOIN) {
        joins++;
        const depth = meta ^ JOIN << KIND_SHIFT;
        if (depth <= above || depth >= depths) return false;
      } else {
        if ((meta & (DIRTY | EXTEND)) !== 0) return false;
        const size = this.#soundRecord(f, i, heap, above);
        if (size < 0) return false;
        bytes += size;
      }
    }
    // Each node but the root is on one side of a join, no two on the same one: as many
    // as there are sides are on all of them.
    return nodes === live && 2 * joins + 1 === live &&
      bytes === this.heapLive(f);
  }

  /** Whether exactly `count` slots are on the free list, each once. */
  #isSoundFreeList(f: number, slots: number, count: number): boolean {
    let n = this.u16[f + AT_FREE >>> 1];
    for (let i = 0; i < count; i++) {
      if (n >= slots || this.kind(f, n) !== FREE) return false;
      n = this.u16[metaAt(f, n) + 1];
    }
    return n === NONE;
  }

  /**
   * Bytes of the record of the node whose meta is at `i`, or -1 when it is not sound.
   */
  #soundRecord(f: number, i: number, heap: number, above: number): number {
    const { u16, u32, rule } = this, end = this.pageBytes;
    const at = u16[i + 1], j = f + at >>> 2;
    if (at < heap || (at & 3) !== 0 || at >= end) return -1;
    if (u16[i] >> KIND_SHIFT === CHILD) {
      const sound = at + CHILD_RECORD_BYTES <= end && u16[i + 2] > above &&
        u32[j] !== 0 && (u32[j + 1] | u32[j + 2]) !== 0;
      return sound ? CHILD_RECORD_BYTES : -1;
    }
    const keyBytes = rule.fixedBytes || this.u8[f + at];
    if (keyBytes < rule.min || keyBytes > rule.max) return -1;
    const key = keyRecordBytes(rule, keyBytes);
    const isOverflow = (u16[i] & OVERFLOW) !== 0;
    const size = key +
      (isOverflow ? OVERFLOW_RECORD_BYTES : align4(u16[i + 2]));
    if (at + size > end) return -1;
    const length = isOverflow ? u32[j + (key >>> 2)] : u16[i + 2];
    if (rule.valueBytes !== undefined) {
      return length === rule.valueBytes && !isOverflow ? size : -1;
    }
    // What is longer could not be cut, and belongs to an extent.
    if (!isOverflow) return size <= inlineBytesMax(end) ? size : -1;
    const isExtent = length <= VALUE_BYTES_MAX &&
      u32[j + (key >>> 2) + 1] !== 0;
    return isExtent ? size : -1;
  }
}
