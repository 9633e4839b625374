// This module is browser compatible.
//
// Applies a set of changes to a version: sorts them, edits the tree in parts
// that fit into the pool, hashes each part, puts large values into overflow
// extents, and writes down old and new values for the log.

import type { Scheme } from "@stemma/verify";
import type { BatchHasher } from "../hash/ops.ts";
import type { SecondThread } from "../hash/threads.ts";
import type { Changes } from "../changes.ts";
import { type Stored, TreeEdit } from "../tree/edit.ts";
import { EndEdits, type EndHost } from "../tree/ends.ts";
import { HashingPass } from "../tree/hashing.ts";
import { keyRecordBytes, type KeyRule, partAt, PREFIX } from "../tree/keys.ts";
import {
  inlineBytesMax,
  OVERFLOW_HASH_AT,
  OVERFLOW_RECORD_BYTES,
} from "../tree/layout.ts";
import type { PagePool } from "../tree/pool.ts";
import { Scout } from "../tree/scout.ts";
import { beginBatch, type Slice, writeEntry } from "./record.ts";
import type { Payload } from "./payload.ts";
import type { Space } from "./space.ts";
import type { PageFile } from "./page_file.ts";
import { noSum } from "./sum.ts";
import type { Version } from "./versions.ts";
import { readValue } from "./values.ts";
import type { WriteAhead } from "./write_ahead.ts";

/** Share of the pool's frames that one part of an edit may hold. */
const PART = 1 / 2;
/** Share of unwritten ones above which some are written between two parts. */
const UNWRITTEN_MAX = 3 / 4;
/** Frames after which a part is hashed, while it still is in the CPU's cache. */
const PART_FRAMES = 512;
/** The same where kernels hash pages before a part ends: what is left is little. */
const LONG_PART_FRAMES = 16384;
/** Frames after which pages are settled that a kernel edits: two for each. */
const SETTLED_FRAMES = 1024;
/** Pages that are hashed together, while they still are in the CPU's cache. */
const GROUP_PAGES = 16;
/** Changes from which on waking the second thread pays. */
const SHARED_CHANGES_MIN = 256;

/** Keys that may be left by the kernel before they are seen to. */
const LEFT_MAX = 256;
/** Changes that are read ahead together: pages push out more than these soon. */
const AHEAD_CHANGES = 64;
/** Changes from which on pages are looked for that the kernel can edit. */
const ENDS_CHANGES_MIN = 32;

/** Old values up to this length are read into memory that is there. */
const OLD_BYTES = 1 << 16;

const ABSENT: Slice = {
  bytes: new Uint8Array(0),
  words: undefined,
  at: 0,
  length: -1,
};

/** Turns changes into pages. */
export class Writer implements EndHost {
  readonly #pool: PagePool;
  readonly #space: Space;
  readonly #file: PageFile;
  readonly #hasher: BatchHasher;
  readonly #rule: KeyRule;
  readonly #edit: TreeEdit;
  readonly #pass: HashingPass;
  readonly #second: SecondThread | undefined;
  readonly #ends: EndEdits | undefined;
  readonly #ahead: WriteAhead;
  readonly #scout: Scout;
  /** Places in the order of keys that the kernel does not see to. */
  readonly #left: number[] = [];
  #order: Uint32Array = new Uint32Array(0);
  #changed = 0;
  readonly #keepsPrefixFree: boolean;
  readonly #inlineMax: number;
  readonly #reference: Uint8Array = new Uint8Array(OVERFLOW_RECORD_BYTES);
  readonly #referenceWords: Uint32Array = new Uint32Array(
    this.#reference.buffer,
  );
  readonly #stored: Stored = {
    words: this.#referenceWords,
    at: 0,
    length: 0,
    overflow: false,
  };
  readonly #key: Slice = { ...ABSENT };
  readonly #value: Slice = { ...ABSENT };
  readonly #old: Slice = { ...ABSENT };
  readonly #oldExtent: Uint8Array = new Uint8Array(OLD_BYTES);
  #version!: Version;
  #changes!: Changes;
  #payload: Payload | undefined;
  #entry = 0;
  #isTold = false;
  #isShared = false;
  #partFrames = PART_FRAMES;
  /** Frames that the part held when its pages were settled last. */
  #settled = 0;
  /** Frames that a part may hold in any case. */
  readonly #pinnedMax: number;

  constructor(
    pool: PagePool,
    space: Space,
    file: PageFile,
    hasher: BatchHasher,
    scheme: Scheme,
    rule: KeyRule,
    edits: { readonly at: number; readonly groups: number },
    ahead: WriteAhead,
    second?: SecondThread,
  ) {
    this.#second = second;
    this.#ahead = ahead;
    this.#pool = pool;
    this.#space = space;
    this.#file = file;
    this.#hasher = hasher;
    this.#rule = rule;
    this.#edit = new TreeEdit(pool, scheme, this);
    this.#pass = new HashingPass(pool, hasher, scheme, second);
    this.#scout = new Scout(pool, file);
    this.#keepsPrefixFree = rule.fixedBytes === 0;
    this.#inlineMax = inlineBytesMax(pool.pageBytes);
    this.#pinnedMax = pool.frameCount * PART;
    const { pages, pageBytes } = pool;
    pages.copyTree = hasher.treeCopier?.(rule.fixedBytes);
    pages.checkPage = hasher.pageChecker?.({ ...rule, pageBytes });
    const editor = hasher.pageEditor?.(scheme.family, this.#inlineMax);
    if (editor === undefined) return;
    const later = second && {
      editLater: (group: number) => second.editLater(scheme.family, group),
      finish: (ticket: number) => second.finish(ticket),
    };
    this.#ends = new EndEdits(
      pool,
      this.#edit.seeker,
      this,
      editor,
      edits,
      file,
      later,
    );
  }

  /**
   * Applies changes to a version that is not committed.
   *
   * @param payload Receives what the log needs; without it nothing is kept.
   * @returns Keys whose value changed.
   * @throws {KeyPrefixError} The version is of no use after that.
   */
  apply(version: Version, changes: Changes, payload?: Payload): number {
    this.#version = version;
    this.#changes = changes;
    this.#payload = payload;
    if (payload !== undefined) beginBatch(payload.tail);
    const isShared = changes.count >= SHARED_CHANGES_MIN &&
      (this.#second?.isReady ?? false);
    const ends = changes.count >= ENDS_CHANGES_MIN ? this.#ends : undefined;
    this.#isShared = isShared;
    const part = this.#pass.hashesPages ? LONG_PART_FRAMES : PART_FRAMES;
    this.#partFrames = Math.min(part, this.#pinnedMax);
    if (isShared) this.#second!.begin();
    this.#ahead.begin();
    try {
      const changed = this.#applyAll(changes, ends);
      payload?.trim();
      return changed;
    } finally {
      if (isShared) this.#endSharing();
      this.#ends?.drop();
      // After a failure too: a checkpoint writes no page that is held.
      this.#edit.end();
      this.#pool.unpinAll();
    }
  }

  #endSharing(): void {
    this.#pass.takeBack();
    this.#second!.end();
  }

  #applyAll(changes: Changes, ends: EndEdits | undefined): number {
    const order = changes.sorted();
    this.#start();
    const changed = ends === undefined
      ? this.#applyByKeys(order)
      : this.#applyByPages(ends, order);
    this.#finish();
    return changed;
  }

  #applyByKeys(order: Uint32Array): number {
    let changed = 0;
    for (let i = 0, ahead = 0; i < order.length; i++) {
      if (i === ahead) ahead = this.#lookAhead(order, i);
      this.#hashClosed();
      if (this.#keepsPrefixFree) changed += this.#makeWay(order, i);
      if (this.#applyOne(order[i])) changed++;
    }
    return changed;
  }

  /** Applies all changes, those to pages at the ends of paths page by page. */
  #applyByPages(ends: EndEdits, order: Uint32Array): number {
    const changes = this.#changes, pool = this.#pool, left = this.#left;
    this.#order = order;
    this.#changed = 0;
    left.length = 0;
    ends.start(this.#version.id);
    for (let i = 0, ahead = 0; i < order.length;) {
      if (i >= ahead) ahead = this.#lookAhead(order, i);
      if (pool.pinned > this.#partFrames) {
        this.#settle(ends);
        this.#nextPart();
      } else if (pool.pinned > this.#settled + SETTLED_FRAMES) {
        this.#settle(ends);
      } else if (left.length >= LEFT_MAX) {
        this.#settle(ends);
      } else if (ends.isFull) {
        if (this.#isShared) ends.settleOldest();
        else this.#settle(ends);
      }
      const count = ends.take(changes, order, i);
      if (count === 0) left.push(i);
      i += Math.max(1, count);
    }
    this.#settle(ends);
    return this.#changed;
  }

  /**
   * Makes the next changes quick to see to, and has pages read for those behind them; in
   * the beginning for both. Returns where these changes end.
   */
  #lookAhead(order: Uint32Array, from: number): number {
    const changes = this.#changes, scout = this.#scout;
    const to = Math.min(from + AHEAD_CHANGES, order.length);
    changes.readAhead(from, to);
    if (!scout.isNeeded(this.#ends?.expected ?? 0)) return to;
    const end = Math.min(to + AHEAD_CHANGES, order.length);
    for (let i = from === 0 ? 0 : to; i < end; i++) {
      scout.look(changes.bytes, changes.keyAt(order[i]));
    }
    return to;
  }

  /** Hangs pages into the tree, and does key by key what the kernel has left. */
  #settle(ends: EndEdits): void {
    ends.settle();
    const left = this.#left, { seeker } = this.#edit;
    if (left.length > 0) {
      const framesMax = Math.min(2 * this.#partFrames, this.#pinnedMax);
      seeker.forget();
      for (const i of left.sort((a, b) => a - b)) {
        if (this.#applyOne(this.#order[i], framesMax)) this.#changed++;
      }
      left.length = 0;
      seeker.forget();
    }
    this.#hashClosed();
    this.#settled = this.#pool.pinned;
  }

  /** Hashes closed pages, if there are some, or lets the second thread begin to. */
  #hashClosed(): void {
    const { closed } = this.#edit.seeker;
    if (closed.length < GROUP_PAGES) return;
    this.#pass.runClosed(closed, this.#isShared);
    closed.length = 0;
  }

  edited(changed: number, from: number, to: number): void {
    this.#changed += changed;
    this.#payload?.tail.bytes(this.#pool.pages.u8, from, to - from);
  }

  left(i: number): void {
    this.#left.push(i);
  }

  /**
   * A key may take the place of longer ones that are deleted with it: those
   * come right behind it, and go first. Returns how many did.
   */
  #makeWay(order: Uint32Array, i: number): number {
    const changes = this.#changes, key = changes.key(order[i]);
    if (changes.isDelete(order[i])) return 0;
    let gone = 0;
    for (let j = i + 1; j < order.length; j++) {
      const next = changes.key(order[j]);
      const isLonger = partAt(key, 0, key.length, next, 0, next.length) ===
        PREFIX;
      if (!isLonger) break;
      if (changes.isDelete(order[j]) && this.#applyOne(order[j])) gone++;
    }
    return gone;
  }

  allocatePage(): number {
    const page = this.#space.allocate();
    this.#version.made.push(page, 1, this.#version.id);
    return page;
  }

  allocateEnd(f: number): number {
    const version = this.#version, page = this.#ahead.number(version, f);
    if (page === 0) return this.allocatePage();
    version.made.push(page, 1, version.id);
    return page;
  }

  supersede(page: number, birth: number): void {
    this.#replace(page, 1, birth);
  }

  /** The terminal's value goes: notes it for the log, frees its extent. */
  before(f: number, n: number): void {
    const pages = this.#pool.pages;
    this.#isTold = true;
    if (this.#payload !== undefined) this.#noteOld(f, n);
    if (!pages.isOverflow(f, n)) return;
    const i = pages.valueAt(f, n) >>> 2, u32 = pages.u32;
    const birth = u32[i + 2] + u32[i + 3] * 2 ** 32;
    this.#replace(u32[i + 1], this.#file.extentPages(u32[i]), birth);
  }

  reopen(): void {
    this.#pass.takeBack();
  }

  /** Writes bytes to pages that live and die with the version. */
  spool(version: Version, bytes: Uint8Array, sum: Uint32Array): number {
    const count = this.#file.extentPages(bytes.length);
    const first = this.#space.allocateRun(count);
    version.made.push(first, count, version.id);
    version.unused.push(first, count, version.id);
    this.#file.writeExtent(first, bytes, sum);
    return first;
  }

  #replace(first: number, count: number, birth: number): void {
    const version = this.#version;
    if (birth === version.id) version.unused.push(first, count, birth);
    else version.replaced.push(first, count, birth);
  }

  #start(): void {
    const { tree, id } = this.#version;
    const { bytes, words } = this.#changes;
    this.#settled = 0;
    this.#edit.start(tree, id, bytes, words);
  }

  #finish(): void {
    this.#pass.runClosed(this.#edit.seeker.closed, this.#isShared);
    this.#pass.run(this.#edit.extended, this.#changes.bytes);
    this.#version.tree = this.#edit.root();
    this.#edit.end();
    this.#pool.unpinAll();
  }

  /** Hashes what has been done so far, and goes on. */
  #nextPart(): void {
    const pool = this.#pool;
    this.#finish();
    if (pool.unwritten > pool.frameCount * UNWRITTEN_MAX) {
      pool.writer.writeBack();
    }
    this.#start();
  }

  /**
   * Puts or deletes one entry; returns whether anything changed.
   *
   * @param framesMax Frames from which on a new part begins.
   */
  #applyOne(entry: number, framesMax = this.#partFrames): boolean {
    const changes = this.#changes, pool = this.#pool;
    if (pool.pinned > framesMax) this.#nextPart();
    this.#entry = entry;
    this.#isTold = false;
    const at = changes.keyAt(entry), length = changes.keyBytes(entry);
    if (changes.isDelete(entry)) return this.#edit.delete(at, length);
    const changed = this.#edit.put(at, length, this.#store(entry));
    if (!changed) this.#dropExtent();
    else if (!this.#isTold && this.#payload !== undefined) {
      this.#note(ABSENT);
    }
    return changed;
  }

  #noteOld(f: number, n: number): void {
    const { pages } = this.#pool, old = this.#old;
    if (pages.isOverflow(f, n)) {
      const room = this.#oldExtent;
      old.bytes = readValue(pages, this.#file, f, n, room);
      old.words = undefined;
      old.at = 0;
      old.length = old.bytes.length;
    } else {
      old.bytes = pages.u8;
      old.words = pages.u32;
      old.at = pages.valueAt(f, n);
      old.length = pages.valueBytes(f, n);
    }
    this.#note(old);
  }

  /** Writes the entry for the log. */
  #note(old: Slice): void {
    const changes = this.#changes, entry = this.#entry;
    const key = this.#key, value = this.#value;
    key.bytes = changes.bytes;
    key.words = changes.words;
    key.at = changes.keyAt(entry);
    key.length = changes.keyBytes(entry);
    changes.locate(entry, value);
    writeEntry(this.#payload!.tail, this.#rule, key, value, old);
  }

  /** The entry's value as it goes behind its key. */
  #store(entry: number): Stored {
    const changes = this.#changes, stored = this.#stored;
    const length = changes.valueBytes(entry);
    const key = keyRecordBytes(this.#rule, changes.keyBytes(entry));
    if (length <= this.#inlineMax - key) {
      stored.words = changes.words;
      stored.at = changes.valueAt(entry);
      stored.length = length;
      stored.overflow = false;
    } else {
      this.#writeExtent(changes.value(entry)!);
      stored.words = this.#referenceWords;
      stored.at = 0;
      stored.length = OVERFLOW_RECORD_BYTES;
      stored.overflow = true;
    }
    return stored;
  }

  /** Puts a value into an extent and makes the reference to it. */
  #writeExtent(value: Uint8Array): void {
    const version = this.#version, sum = noSum();
    const count = this.#file.extentPages(value.length);
    const first = this.#space.allocateRun(count);
    version.made.push(first, count, version.id);
    this.#file.writeExtent(first, value, sum);
    const { digestAt, pages } = this.#pool;
    this.#hasher.digest(value, digestAt);
    const words = this.#referenceWords;
    words[0] = value.length;
    words[1] = first;
    words[2] = version.id >>> 0;
    words[3] = Math.floor(version.id / 2 ** 32);
    words.set(sum, 4);
    this.#reference.set(
      pages.u8.subarray(digestAt, digestAt + 32),
      OVERFLOW_HASH_AT,
    );
  }

  /** The store holds the value already: its new extent is not needed. */
  #dropExtent(): void {
    if (!this.#stored.overflow) return;
    const words = this.#referenceWords;
    const count = this.#file.extentPages(words[0]);
    this.#version.unused.push(words[1], count, this.#version.id);
  }
}
