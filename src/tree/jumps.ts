// This module is browser compatible.
//
// Where searches may begin: for the first bits of a key a node that every key with
// these bits comes through, so that what is above it is not walked again. Holds for
// one version, and is filled by searches that began at its root. A jump counts only
// while the node's page is in the frame where it was seen: as long as anything reads
// a version, the numbers of its pages are not given to others, and when they change
// the tree is another object.

import type { TreeRoot } from "./path.ts";
import type { PagePool } from "./pool.ts";

/** Bits of a key that count, at most: with half a MiB the slots stay in a CPU's cache. */
const BITS_MAX = 16;
/** Words of a slot: page, and its frame's offset plus a node. */
const WORDS = 2;

/** The jumps of one reader. */
export class Jumps {
  readonly #pool: PagePool;
  /** Bits of a key that choose a slot; there are at most as many as frames. */
  readonly bits: number;
  readonly #pageMask: number;
  readonly #shift: number;
  #slots: Uint32Array | undefined;
  #tree: TreeRoot | undefined;
  /** Searches in the version until it is worth emptying the slots for it. */
  #wait = 0;

  constructor(pool: PagePool) {
    this.#pool = pool;
    this.bits = Math.min(BITS_MAX, 31 - Math.clz32(pool.frameCount));
    this.#shift = 24 - this.bits;
    this.#pageMask = -pool.pageBytes;
  }

  /** Offset of the page that {@linkcode find} tells; the rest is the node's number. */
  pageAt(at: number): number {
    return (at & this.#pageMask) >>> 0;
  }

  /** Where to begin: offset of a page plus number of a node, or 0. */
  find(tree: TreeRoot, key: Uint8Array): number {
    if (tree !== this.#tree) return this.#meet(tree);
    if (this.#wait > 0) return this.#settle();
    const slot = this.#slot(key), slots = this.#slots!;
    const at = slots[slot + 1];
    if (at === 0) return 0;
    return this.#pool.refind(slots[slot], this.pageAt(at)) ? at : 0;
  }

  /**
   * Notes a node that all keys with the first bits of `key` come through: the join
   * above it lies above depth {@linkcode bits}.
   */
  note(key: Uint8Array, f: number, n: number): void {
    if (this.#wait > 0) return;
    const slot = this.#slot(key), slots = this.#slots!;
    slots[slot] = this.#pool.pages.pageOf(f);
    slots[slot + 1] = f + n;
  }

  #slot(key: Uint8Array): number {
    const head = key[0] << 16 | key[1] << 8 | key[2];
    return (head >> this.#shift) * WORDS;
  }

  #meet(tree: TreeRoot): number {
    this.#tree = tree;
    this.#wait = 1 << this.bits >> 6;
    return 0;
  }

  #settle(): number {
    if (--this.#wait === 0) {
      if (this.#slots === undefined) {
        this.#slots = new Uint32Array(WORDS << this.bits);
      } else this.#slots.fill(0);
    }
    return 0;
  }
}
