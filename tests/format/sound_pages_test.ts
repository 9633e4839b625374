// Which bytes are taken for a tree page: an oracle that follows docs/format.md step by
// step, and pages in which a few numbers of nodes and header are others.

import { assert, assertEquals } from "@std/assert";
import type { OpenOptions } from "../../mod.ts";
import { schemeByName } from "@stemma/verify";
import { RESERVED_BYTES } from "../../src/hash/kernel_layout.ts";
import { wasmHasher } from "../../src/hash/wasm_hasher.ts";
import { type KeyRule, keyRule } from "../../src/tree/keys.ts";
import { Pages } from "../../src/tree/pages.ts";
import { amount, type Random, random } from "../_amount.ts";
import { headerOf, makeStore, pageOf, SMALL } from "./_forge.ts";

const NONE = 0xffff;
const JOIN = 1, TERMINAL = 2, CHILD = 3;

/** A page as numbers. */
class Reader {
  readonly view: DataView;

  constructor(readonly page: Uint8Array) {
    this.view = new DataView(page.buffer, page.byteOffset, page.length);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  /** Word of a node's meta. */
  meta(n: number, word: number): number {
    return this.u16(160 + 160 * (n >> 2) + 8 * (n & 3) + 2 * word);
  }

  kind(n: number): number {
    return this.meta(n, 0) >> 14;
  }
}

/** Bytes of a terminal's or child entry's record; -1: it cannot be. */
function recordBytes(
  page: Reader,
  n: number,
  above: number,
  rule: KeyRule,
): number {
  const at = page.meta(n, 1), end = page.page.length;
  if (at % 4 !== 0 || at < page.u16(20) || at >= end) return -1;
  if (page.kind(n) === CHILD) {
    if (at + 12 > end || page.meta(n, 2) <= above) return -1;
    if (page.u32(at) === 0) return -1;
    return page.u32(at + 4) === 0 && page.u32(at + 8) === 0 ? -1 : 12;
  }
  const padded = (bytes: number): number => Math.ceil(bytes / 4) * 4;
  const isFixed = rule.fixedBytes > 0;
  const keyBytes = isFixed ? rule.fixedBytes : page.page[at];
  if (keyBytes < rule.min || keyBytes > rule.max) return -1;
  const key = padded(isFixed ? keyBytes : 1 + keyBytes);
  if ((page.meta(n, 0) >> 11 & 1) === 1) {
    if (rule.valueBytes !== undefined || at + key + 56 > end) return -1;
    const length = page.u32(at + key), first = page.u32(at + key + 4);
    return length > 2 ** 29 || first === 0 ? -1 : key + 56;
  }
  const value = page.meta(n, 2);
  if (rule.valueBytes !== undefined && value !== rule.valueBytes) return -1;
  const size = key + padded(value);
  if (at + size > end) return -1;
  const isFree = rule.valueBytes === undefined;
  return isFree && size > Math.floor((end - 32) / 4) - 40 ? -1 : size;
}

/** Whether a page is a tree: no more, no less. */
function isTree(bytes: Uint8Array, number: number, rule: KeyRule): boolean {
  const page = new Reader(bytes), slots = page.u16(14), live = page.u16(16);
  const heap = page.u16(20);
  if (page.u32(0) !== number || page.u16(24) !== 0x5074) return false;
  if (heap > bytes.length || heap % 4 !== 0) return false;
  if (32 + 160 * Math.ceil(slots / 4) > heap) return false;
  const met = new Set<number>(), free = new Set<number>();
  let used = 0;
  /** Whether all is well from a node down. */
  const visit = (n: number, parent: number, above: number): boolean => {
    if (n >= slots || met.has(n)) return false;
    met.add(n);
    const kind = page.kind(n), flags = page.meta(n, 0) >> 12 & 3;
    if (flags !== 0 || page.meta(n, 3) !== parent) return false;
    if (kind === CHILD && parent === NONE) return false;
    if (kind === JOIN) {
      const depth = page.meta(n, 0) & 0xfff;
      return depth > above && depth < 8 * rule.max &&
        visit(page.meta(n, 1), n, depth) && visit(page.meta(n, 2), n, depth);
    }
    if (kind !== TERMINAL && kind !== CHILD) return false;
    const size = recordBytes(page, n, above, rule);
    used += size;
    return size >= 0;
  };
  if (!visit(page.u16(12), NONE, -1)) return false;
  for (let n = page.u16(18); n !== NONE; n = page.meta(n, 1)) {
    if (n >= slots || page.kind(n) !== 0 || free.has(n)) return false;
    free.add(n);
  }
  return met.size === live && met.size + free.size === slots &&
    used === bytes.length - heap - page.u16(22);
}

/** Puts other numbers into a few words of metas, and now and then of the header. */
function change(bytes: Uint8Array, draw: Random): void {
  const page = new Reader(bytes), slots = page.u16(14);
  const node = (): number => draw.chance(0.9) ? draw.int(slots) : NONE;
  for (let left = draw.int(5); left >= 0; left--) {
    if (draw.chance(0.2)) {
      const at = draw.pick([12, 14, 16, 16, 18, 20, 22]);
      const step = draw.pick([-4, -1, 1, 4]);
      page.view.setUint16(at, (page.u16(at) + step) & 0xffff, true);
      continue;
    }
    const n = draw.int(slots), word = draw.int(4);
    const at = 160 + 160 * (n >> 2) + 8 * (n & 3) + 2 * word;
    const old = page.u16(at), from = page.meta(draw.int(slots), word);
    const value = word === 0
      ? draw.pick([0, from, old ^ 1 << draw.int(16), old + 1 & 0xffff])
      : draw.pick([
        node(),
        node(),
        from,
        old + 2 & 0xffff,
        draw.u32() & 0xffff,
      ]);
    page.view.setUint16(at, value, true);
  }
}

/**
 * Adds a terminal that no join leads to, beside one that is there and with its record;
 * all counts in the header say so.
 */
function addTwin(bytes: Uint8Array, draw: Random, rule: KeyRule): void {
  const page = new Reader(bytes), slots = page.u16(14), free = page.u16(18);
  const of = draw.int(slots), twin = free === NONE ? slots : free;
  if (page.kind(of) !== TERMINAL) return;
  if (free !== NONE) page.view.setUint16(18, page.meta(free, 1), true);
  else page.view.setUint16(14, slots + 1, true);
  const at = (n: number): number => 160 + 160 * (n >> 2) + 8 * (n & 3);
  bytes.copyWithin(at(twin), at(of), at(of) + 8);
  page.view.setUint16(16, page.u16(16) + 1, true);
  page.view.setUint16(20, page.u16(20) - recordBytes(page, of, -1, rule), true);
}

/**
 * Takes a terminal away from below its join, and its record from what is in use; live
 * nodes and free slots are counted as before.
 */
function addHole(bytes: Uint8Array, draw: Random, rule: KeyRule): void {
  const page = new Reader(bytes), n = draw.int(page.u16(14));
  if (page.kind(n) !== TERMINAL) return;
  const dead = page.u16(22) + recordBytes(page, n, -1, rule);
  page.view.setUint16(22, dead, true);
  page.view.setUint16(160 + 160 * (n >> 2) + 8 * (n & 3), 0, true);
}

/** All tree pages of a store, by number. */
async function pagesOf(options: OpenOptions): Promise<[number, Uint8Array][]> {
  const draw = random("sound pages");
  const files = await makeStore(async (db) => {
    for (let round = 0; round < 3; round++) {
      using session = db.begin();
      for (let i = 0; i < 60; i++) {
        const key = new Uint8Array(Math.min(32, db.scheme.keyBytesMax));
        key.set([i * 37 & 255, i, i * 91 & 255]);
        const length = db.scheme.valueBytes ?? draw.int(round === 1 ? 200 : 40);
        const value = new Uint8Array(length).fill(1 + round);
        if (draw.chance(0.3)) session.delete(key);
        else session.set(key, value);
      }
      await session.prepare().commit();
      await db.checkpoint();
    }
  }, options);
  const header = headerOf(files), found: [number, Uint8Array][] = [];
  for (let number = 1; number <= header.pageCount; number++) {
    const bytes = pageOf(files, header, number);
    const isPage = bytes.length === header.pageBytes;
    if (isPage && new Reader(bytes).u16(24) === 0x5074) {
      found.push([number, bytes]);
    }
  }
  return found;
}

/** What takes pages: JavaScript, and a kernel. */
function takers(
  name: string,
  pageBytes: number,
): ((number: number, bytes: Uint8Array) => boolean)[] {
  const scheme = schemeByName(name)!, rule = keyRule(scheme);
  return [false, true].map((isKernel) => {
    const at = 1024, frameAt = at + RESERVED_BYTES + pageBytes & -pageBytes;
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64 });
    const pages = new Pages(memory.buffer, pageBytes, rule, 0);
    if (isKernel) {
      const hasher = wasmHasher(memory, at, scheme)!;
      pages.checkPage = hasher.pageChecker!({ ...rule, pageBytes });
      assert(pages.checkPage !== undefined, "there is no kernel");
    }
    const frame = new Uint8Array(memory.buffer, frameAt, pageBytes);
    return (number, bytes) => {
      frame.set(bytes);
      return pages.isSound(frameAt, number, rule.max);
    };
  });
}

for (
  const [name, pageBytes] of [
    ["nomt-blake3", 512],
    ["jam-blake2b", 1024],
    ["eip7864-blake3", 512],
    ["eip8297-blake3", 2048],
  ] as const
) {
  Deno.test(`a page of ${name} is taken if it is a tree, and otherwise not`, async () => {
    const rule = keyRule(schemeByName(name)!);
    const all = takers(name, pageBytes);
    const isTaken = (number: number, bytes: Uint8Array): boolean => {
      const [taken, byKernel] = all.map((take) => take(number, bytes));
      assertEquals(byKernel, taken, "the kernel and JavaScript differ");
      return taken;
    };
    const stored = await pagesOf({ ...SMALL, scheme: name, pageBytes }),
      draw = random(`spoilt ${name}`);
    assert(stored.length > 5);
    for (const [number, bytes] of stored) {
      assert(isTree(bytes, number, rule), `page ${number} as it was written`);
      assert(isTaken(number, bytes));
      assert(!isTaken(number + 1, bytes));
    }
    let taken = 0;
    for (let i = 0; i < amount(20_000); i++) {
      const [number, bytes] = draw.pick(stored), spoilt = bytes.slice();
      const how = draw.int(10);
      if (how === 0) addTwin(spoilt, draw, rule);
      else if (how === 1) addHole(spoilt, draw, rule);
      else change(spoilt, draw);
      const wanted = isTree(spoilt, number, rule);
      assertEquals(isTaken(number, spoilt), wanted, `change ${i}`);
      if (wanted) taken++;
    }
    assert(taken > 0, "some changes leave a tree");
  });
}
