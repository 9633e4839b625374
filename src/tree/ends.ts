// This module is browser compatible.
//
// Edits of pages at the ends of paths, many by one call: such a page is left to a
// kernel together with all the keys that lead to it, and what the kernel does not do
// goes through `TreeEdit`. A second thread may work on some groups of pages while
// others are put together; no page above them changes until all of them are settled.

import {
  EDIT_KEY_BYTES,
  EDIT_VALUE_BYTES_MAX,
  EDITS_BIRTH,
  EDITS_BYTES,
  EDITS_COUNT,
  EDITS_ITEM_BYTES,
  EDITS_ITEMS_AT,
  EDITS_ITEMS_MAX,
  EDITS_KEY_BYTES,
  EDITS_KEYS_AT,
  EDITS_LOG_AT,
  EDITS_LOG_END,
  EDITS_PAGE_BYTES,
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
} from "../hash/kernel_layout.ts";
import type { PageEditor } from "../hash/ops.ts";
import type { Changes } from "../changes.ts";
import { partWords } from "./keys.ts";
import { align4, hashAt, inlineBytesMax, metaAt } from "./layout.ts";
import type { PageSource } from "./load_ahead.ts";
import type { EditHost } from "./path.ts";
import type { PagePool } from "./pool.ts";
import type { End, PathSeeker } from "./seek.ts";

/** Groups that are full before the first of them is begun, where pages are read meanwhile. */
const WAITING_GROUPS = 3;
/** Words of a key. */
const KEY_WORDS = EDIT_KEY_BYTES / 4;

/** Edits groups of pages while others are put together: `SecondThread`. */
export interface LaterEdits {
  /** Begins to edit a group; `undefined` when it cannot. */
  editLater(group: number): number | undefined;
  /** Returns when the group has been edited for which `editLater` gave this number. */
  finish(ticket: number): void;
}

/** Told what became of the keys that pages were left to the kernel with. */
export interface EndHost extends EditHost {
  /** A number for the page at the end of a path that is about to be made at `f`. */
  allocateEnd(f: number): number;
  /**
   * Keys have got their values.
   *
   * @param changed How many had another one, or none.
   * @param from Offset of their entries for the log.
   * @param to Where these end.
   */
  edited(changed: number, from: number, to: number): void;
  /** A key of the changes, by its place in the order, has not been seen to. */
  left(i: number): void;
}

/** A page on its way through the kernel. */
interface Item {
  /** Frame and entry above it. */
  above: number;
  entry: number;
  /** Place of its first key in the order. */
  first: number;
}

/** Pages that are left to the kernel. */
export class EndEdits {
  readonly #pool: PagePool;
  readonly #seeker: PathSeeker;
  readonly #host: EndHost;
  readonly #editor: PageEditor;
  readonly #later: LaterEdits | undefined;
  readonly #source: PageSource;
  readonly #at: number;
  readonly #groups: number;
  readonly #items: Item[];
  /** What to wait for, for each group that somebody else edits. */
  readonly #tickets: (number | undefined)[] = [];
  readonly #valueBytesMax: number;
  /** The oldest group, how many are full, how many of these begun, items of the next one. */
  #oldest = 0;
  #full = 0;
  #begun = 0;
  #count = 0;
  /** Pages that storage was told of before they were loaded. */
  #expected = 0;
  /** Where its next key goes. */
  #keysEnd = 0;
  #birth = 0;

  /**
   * @param at Offset of the region for groups.
   * @param groups Groups that it has room for.
   * @param source Told of pages that are loaded when their group begins.
   */
  constructor(
    pool: PagePool,
    seeker: PathSeeker,
    host: EndHost,
    editor: PageEditor,
    { at, groups }: { at: number; groups: number },
    source: PageSource,
    later?: LaterEdits,
  ) {
    this.#pool = pool;
    this.#seeker = seeker;
    this.#host = host;
    this.#editor = editor;
    this.#at = at;
    this.#groups = groups;
    this.#later = later;
    this.#source = source;
    this.#valueBytesMax = Math.min(
      EDIT_VALUE_BYTES_MAX,
      inlineBytesMax(pool.pageBytes) - EDIT_KEY_BYTES,
    );
    this.#items = Array.from(
      { length: groups * EDITS_ITEMS_MAX },
      () => ({ above: 0, entry: 0, first: 0 }),
    );
  }

  /** Whether pages have to be settled before the next is left to the kernel. */
  get isFull(): boolean {
    return this.#full === this.#groups;
  }

  /** Pages loaded so far that storage had been told of. */
  get expected(): number {
    return this.#expected;
  }

  /** Starts the making of a version. */
  start(birth: number): void {
    this.#birth = birth;
  }

  /**
   * Leaves a page to the kernel, with the keys from place `i` of the order on that
   * lead to it; there is room for one.
   *
   * @returns How many keys; 0 when the first is not for the kernel.
   */
  take(changes: Changes, order: Uint32Array, i: number): number {
    const first = order[i], at = changes.keyAt(first);
    if (!this.#isSimple(changes, first)) return 0;
    const length = changes.keyBytes(first);
    const end = this.#seeker.seekEnd(at, length, this.#source.canExpect);
    if (end === undefined) return 0;
    const { words } = changes;
    if (this.#count === 0) this.#startGroup();
    const keys = this.#keysEnd, top = this.#groupAt() + EDITS_LOG_AT;
    let j = i, last = at;
    for (; j < order.length; j++) {
      const entry = order[j], next = changes.keyAt(entry);
      if (j > i) {
        if (!this.#isSimple(changes, entry)) break;
        const parted = partWords(
          words,
          last >>> 2,
          words,
          next >>> 2,
          KEY_WORDS,
        );
        if (parted <= end.above) break;
      }
      if (!this.#pushKey(changes, entry, top)) break;
      last = next;
    }
    this.#seeker.passEnd(last);
    this.#pushItem(end, keys, i, j - i);
    if (
      this.#count === EDITS_ITEMS_MAX ||
      this.#keysEnd + KEY_BYTES_MAX > top
    ) this.#endGroup();
    return j - i;
  }

  /** Waits for all pages, hangs them into the tree, and tells of their keys. */
  settle(): void {
    if (this.#count > 0) this.#endGroup();
    while (this.#begun < this.#full) this.#beginNext();
    while (this.#full > 0) this.settleOldest();
  }

  /** The same for the group of pages that was full first. */
  settleOldest(): void {
    if (this.#begun === 0) this.#beginNext();
    const group = this.#oldest, ticket = this.#tickets[group];
    if (ticket !== undefined) this.#later!.finish(ticket);
    this.#oldest = (group + 1) % this.#groups;
    this.#full--;
    this.#begun--;
    this.#settleGroup(group);
  }

  /** Gives back the frames of pages that are not settled; nobody works on them. */
  drop(): void {
    const { pages: { u32 } } = this.#pool;
    if (this.#count > 0) this.#full++;
    for (; this.#full > 0; this.#full--) {
      const at = this.#at + this.#oldest * EDITS_BYTES;
      this.#oldest = (this.#oldest + 1) % this.#groups;
      const count = u32[at + EDITS_COUNT >>> 2];
      for (let k = 0; k < count; k++) {
        const i = at + EDITS_ITEMS_AT + k * EDITS_ITEM_BYTES >>> 2;
        const to = u32[i + (ITEM_TO >>> 2)];
        if (to === 0) continue;
        if (to === u32[i + (ITEM_FROM >>> 2)]) this.#pool.discard(to);
        else this.#pool.unstage(to);
      }
    }
    this.#count = 0;
    this.#begun = 0;
  }

  /** Whether a change is one for the kernel. */
  #isSimple(changes: Changes, entry: number): boolean {
    const length = changes.valueBytes(entry);
    return length >= 0 && length <= this.#valueBytesMax;
  }

  /** The group being put together. */
  get #next(): number {
    return (this.#oldest + this.#full) % this.#groups;
  }

  #groupAt(): number {
    return this.#at + this.#next * EDITS_BYTES;
  }

  #startGroup(): void {
    const { u32 } = this.#pool.pages, i = this.#groupAt() >>> 2;
    u32[i + (EDITS_COUNT >>> 2)] = 0;
    u32[i + (EDITS_BIRTH >>> 2)] = this.#birth >>> 0;
    u32[i + (EDITS_BIRTH >>> 2) + 1] = Math.floor(this.#birth / 2 ** 32);
    u32[i + (EDITS_PAGE_BYTES >>> 2)] = this.#pool.pageBytes;
    u32[i + (EDITS_KEY_BYTES >>> 2)] = this.#pool.pages.rule.fixedBytes;
    this.#keysEnd = this.#groupAt() + EDITS_KEYS_AT;
  }

  /** Writes down a key with its value; false when there is no room. */
  #pushKey(changes: Changes, entry: number, top: number): boolean {
    const { u32 } = this.#pool.pages, { words } = changes;
    const length = changes.valueBytes(entry), count = align4(length) >>> 2;
    let to = this.#keysEnd >>> 2;
    if (4 * (to + KEY_WORDS + 1 + count) > top) return false;
    const key = changes.keyAt(entry) >>> 2,
      value = changes.valueAt(entry) >>> 2;
    for (let k = 0; k < KEY_WORDS; k++) u32[to++] = words[key + k];
    u32[to++] = length;
    for (let k = 0; k < count; k++) u32[to++] = words[value + k];
    this.#keysEnd = 4 * to;
    return true;
  }

  #pushItem(end: End, keys: number, first: number, count: number): void {
    const { pages, pages: { u32 } } = this.#pool;
    // What storage alone has is changed where it is: nobody else has loaded it.
    let to = end.frame;
    if (to === 0) {
      this.#source.expect(pages.childPage(end.parent, end.entry));
    } else if (!end.isLoaded) to = this.#pool.stageEmpty(to);
    const group = this.#groupAt();
    const i = group + EDITS_ITEMS_AT + this.#count * EDITS_ITEM_BYTES >>> 2;
    u32[i + (ITEM_FROM >>> 2)] = end.frame;
    u32[i + (ITEM_TO >>> 2)] = to;
    u32[i + (ITEM_HOME >>> 2)] = hashAt(end.parent, end.entry);
    u32[i + (ITEM_ABOVE >>> 2)] = end.above;
    u32[i + (ITEM_ROOT >>> 2)] = pages.u16[metaAt(end.parent, end.entry) + 2];
    u32[i + (ITEM_KEYS >>> 2)] = keys;
    u32[i + (ITEM_COUNT >>> 2)] = count;
    const item = this.#items[this.#next * EDITS_ITEMS_MAX + this.#count];
    item.above = end.parent;
    item.entry = end.entry;
    item.first = first;
    this.#count++;
    u32[group + EDITS_COUNT >>> 2] = this.#count;
  }

  #endGroup(): void {
    this.#full++;
    this.#count = 0;
    // Pages of the last ones are being read meanwhile.
    const waiting = this.#source.canExpect ? WAITING_GROUPS : 0;
    while (this.#full - this.#begun > waiting) this.#beginNext();
  }

  /** Has the first group edited that has not been begun. */
  #beginNext(): void {
    const group = (this.#oldest + this.#begun) % this.#groups;
    const at = this.#at + group * EDITS_BYTES;
    this.#loadItems(group, at);
    const ticket = this.#later?.editLater(at);
    this.#tickets[group] = ticket;
    this.#begun++;
    if (ticket === undefined) this.#editor(at);
  }

  /** Loads the pages of a group that are not there, each into the frame it stays in. */
  #loadItems(group: number, at: number): void {
    const { u32 } = this.#pool.pages, count = u32[at + EDITS_COUNT >>> 2];
    for (let k = 0; k < count; k++) {
      const i = at + EDITS_ITEMS_AT + k * EDITS_ITEM_BYTES >>> 2;
      if (u32[i + (ITEM_TO >>> 2)] !== 0) continue;
      const { above, entry } = this.#items[group * EDITS_ITEMS_MAX + k];
      const f = this.#pool.childLoaded(above, entry);
      this.#expected++;
      u32[i + (ITEM_FROM >>> 2)] = u32[i + (ITEM_TO >>> 2)] = f;
    }
  }

  #settleGroup(group: number): void {
    const at = this.#at + group * EDITS_BYTES;
    const { u32 } = this.#pool.pages, count = u32[at + EDITS_COUNT >>> 2];
    let changed = 0;
    for (let k = 0; k < count; k++) {
      const item = at + EDITS_ITEMS_AT + k * EDITS_ITEM_BYTES;
      const place = this.#items[group * EDITS_ITEMS_MAX + k];
      this.#hang(item, place);
      this.#tellLeft(item, place.first);
      changed += u32[item + ITEM_CHANGED >>> 2];
    }
    const end = u32[at + EDITS_LOG_END >>> 2];
    this.#host.edited(changed, at + EDITS_LOG_AT, end);
  }

  /** Hangs a page into the tree, if it is another one now. */
  #hang(item: number, { above, entry }: Item): void {
    const pool = this.#pool, { pages, pages: { u32 } } = pool;
    const i = item >>> 2;
    const to = u32[i + (ITEM_TO >>> 2)], from = u32[i + (ITEM_FROM >>> 2)];
    const frame = u32[i + (ITEM_FRAME >>> 2)];
    const isChanged = u32[i + (ITEM_CHANGED >>> 2)] > 0;
    const birth = u32[i + (ITEM_BIRTH >>> 2)] +
      u32[i + (ITEM_BIRTH >>> 2) + 1] * 2 ** 32;
    const isOwn = birth === this.#birth;
    if (from !== to && (!isChanged || isOwn)) pool.unstage(to);
    // Pinned pages count as this version's own.
    if (!isOwn && (!isChanged || from !== to)) pool.unpin(from);
    // Its hash is still in its cell.
    if (!isChanged) return pages.setClean(above, entry);
    let page = u32[i + (ITEM_PAGE >>> 2)];
    if (isOwn) pool.touch(from);
    else {
      this.#host.supersede(page, birth);
      page = this.#host.allocateEnd(to);
      pool.adopt(to, page, this.#birth);
      pool.counters.pagesMade++;
    }
    pages.setChildPage(above, entry, page);
    pages.u16[metaAt(above, entry) + 2] = u32[i + (ITEM_ROOT >>> 2)];
    if (u32[i + (ITEM_IS_HASHED >>> 2)] === 0) {
      return pages.swizzle(above, entry, frame);
    }
    pages.copyHash(item + ITEM_HASH, hashAt(above, entry));
    pages.setClean(above, entry);
  }

  /** Tells which keys have not been seen to. */
  #tellLeft(item: number, first: number): void {
    const { u32 } = this.#pool.pages, count = u32[item + ITEM_COUNT >>> 2];
    for (let k = u32[item + ITEM_DONE >>> 2]; k < count; k++) {
      this.#host.left(first + k);
    }
  }
}

/** Room for the longest key with its value. */
const KEY_BYTES_MAX = EDIT_KEY_BYTES + 4 + EDIT_VALUE_BYTES_MAX;
