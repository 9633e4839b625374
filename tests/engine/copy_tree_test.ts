// Parts of pages copied by the kernel, which cuts and compacts pages by it, and by
// JavaScript: byte for byte the same.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { memoryBackend, open } from "../../mod.ts";
import { CHILD, JOIN, metaAt, NODE_BYTES } from "../../src/tree/layout.ts";
import type { PagePool } from "../../src/tree/pool.ts";
import { amount, type Random, random } from "../_amount.ts";
import { drawKeys, drawValue } from "../oracle/mod.ts";
import { type Inside, insideOf } from "./_pages.ts";
import { commit, pageBytesMin, SCHEMES, type Write } from "./_store.ts";

const COPIES = amount(400);

/** Offsets of the head's pages. */
function framesOf({ storage }: Inside): number[] {
  const { pool, versions: { head: { tree } } } = storage, { pages } = pool;
  const frames: number[] = [], stack = [[tree.page, ...tree.sum]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [page, low, high] = next, f = pool.get(page, low, high);
    frames.push(f);
    for (const n of nodesOf(pool, f)) {
      if (pages.kind(f, n) !== CHILD) continue;
      const i = pages.record(f, n) >>> 2;
      stack.push([pages.u32[i], pages.u32[i + 1], pages.u32[i + 2]]);
    }
  }
  return frames;
}

/** Nodes of a page, from the root down. */
function nodesOf({ pages }: PagePool, f: number): number[] {
  const nodes = [pages.root(f)];
  for (const n of nodes) {
    const i = metaAt(f, n);
    if (pages.kind(f, n) === JOIN) nodes.push(...pages.u16.slice(i + 1, i + 3));
  }
  return nodes;
}

/** Copies a part of one page into another, or an empty one, twice; whether it fits. */
function compareCopies(
  pool: PagePool,
  frames: readonly number[],
  draw: Random,
): boolean {
  const { pages, pageBytes, scratchAt: g } = pool;
  const f = draw.pick(frames), n = draw.pick(nodesOf(pool, f));
  if (draw.chance(0.5)) pages.reset(g, 7, 9);
  else {
    const other = draw.pick(frames);
    pages.u8.copyWithin(g, other, other + pageBytes);
  }
  const before = pages.u8.slice(g, g + pageBytes);
  const nodes = pages.subtreeNodes(f, n);
  const heap = pages.subtreeWeight(f, n) - NODE_BYTES * nodes;
  if (!pages.fits(g, nodes, heap)) return false;
  const expected = pages.copySubtree(f, n, g, () => {});
  const bytes = pages.u8.slice(g, g + pageBytes);
  pages.u8.set(before, g);
  assertEquals(pages.copySubtree(f, n, g), expected);
  assertEquals(pages.u8.slice(g, g + pageBytes), bytes);
  return true;
}

for (
  const scheme of [
    "nomt-blake3",
    "jam-blake2b",
    "eip7864-sha256",
    "eip8297-blake3",
  ]
) {
  Deno.test(`the kernel copies parts of pages as JavaScript does under ${scheme}`, async () => {
    const draw = random(`copies ${scheme}`);
    const pageBytes = draw.pick([pageBytesMin(SCHEMES[scheme]), 4096]);
    const options = { scheme: SCHEMES[scheme], pageBytes, hasher: "wasm" };
    const db = await open(memoryBackend(), options as object);
    const inside = insideOf(db), { pool } = inside.storage;
    assert(pool.pages.copyTree !== undefined, "there is no kernel");
    const keys = drawKeys(scheme, "mixed", 1500, draw);
    for (let round = 0; round < 4; round++) {
      // With deletes, so that slots are free.
      await commit(
        db,
        draw.shuffle(keys).slice(0, 800).map((key): Write => [
          key,
          draw.chance(0.3) ? undefined : drawValue(scheme, draw),
        ]),
      );
    }
    const frames = framesOf(inside);
    let fitted = 0;
    for (let i = 0; i < COPIES; i++) {
      if (compareCopies(pool, frames, draw)) fitted++;
    }
    assertGreater(fitted, COPIES / 4);
    await db.check();
    await db.close();
  });
}
