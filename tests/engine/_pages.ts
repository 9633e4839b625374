// A look at the pages of a store: how full they are, how deep they lie, and
// which ones the head reaches.

import type { OpenOptions, Stemma } from "../../mod.ts";
import type { Core } from "../../src/core.ts";
import { FAULTS } from "../../src/store/faults.ts";
import type { Storage } from "../../src/store/storage.ts";
import { CHILD, PAGE_HEADER_BYTES, TERMINAL } from "../../src/tree/layout.ts";
import { openSmall } from "./_store.ts";

/** A store in memory and its inside. */
export interface Inside {
  readonly db: Stemma;
  readonly storage: Storage;
}

/** Opens a store in memory that only counts hashes, with its inside. */
export async function openInside(options: OpenOptions): Promise<Inside> {
  const defaults: OpenOptions = {
    cacheBytes: 32 << 20,
    segmentBytes: 1 << 16,
    history: { commits: 0 },
  };
  const only = { [FAULTS]: new Set(["count-hashes-only"]) };
  return insideOf(await openSmall({ ...defaults, ...options, ...only }));
}

/** A store with its inside. */
export function insideOf(db: Stemma): Inside {
  using snapshot = db.snapshot();
  const { core } = snapshot as unknown as { core: Core };
  return { db, storage: core.storage };
}

/** What the pages of the head look like. */
export interface PageReport {
  /** Pages of the tree. */
  pages: number;
  /** Pages of overflow extents. */
  extentPages: number;
  /** Pages that lead to others, and terminals in them. */
  innerPages: number;
  innerEntries: number;
  /** Terminals. */
  entries: number;
  /** Pages on the longest way from the root page to a terminal. */
  depth: number;
  /** The same for the mean terminal. */
  depthMean: number;
  /** Least and mean share of a page that is used, the root page left out. */
  fillMin: number;
  fillMean: number;
}

/** Walks all pages of the head. */
export function reportPages({ storage }: Inside): PageReport {
  const { pool, file } = storage, { pages } = pool;
  const { tree } = storage.versions.head;
  const report: PageReport = {
    pages: 0,
    extentPages: 0,
    innerPages: 0,
    innerEntries: 0,
    entries: 0,
    depth: 0,
    depthMean: 0,
    fillMin: 1,
    fillMean: 1,
  };
  if (tree.page === 0) return report;
  const room = pool.pageBytes - PAGE_HEADER_BYTES;
  let filled = 0;
  const stack = [[tree.page, tree.sum[0], tree.sum[1], 1]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [page, low, high, depth] = next;
    const f = pool.get(page, low, high);
    report.pages++;
    report.depth = Math.max(report.depth, depth);
    const fill = pages.weight(f) / room;
    if (depth > 1) {
      report.fillMin = Math.min(report.fillMin, fill);
      filled += fill;
    }
    const entries = report.entries;
    let isInner = false;
    for (let n = 0; n < pages.u16[f + 14 >>> 1]; n++) {
      const kind = pages.kind(f, n);
      if (kind === CHILD) {
        isInner = true;
        const i = pages.record(f, n) >>> 2;
        const [child, low, high] = pages.u32.subarray(i, i + 3);
        stack.push([child, low, high, depth + 1]);
      } else if (kind === TERMINAL) {
        report.entries++;
        report.depthMean += depth;
        if (!pages.isOverflow(f, n)) continue;
        report.extentPages += file.extentPages(pages.valueBytes(f, n));
      }
    }
    if (isInner) {
      report.innerPages++;
      report.innerEntries += report.entries - entries;
    }
  }
  report.depthMean /= report.entries;
  if (report.pages > 1) report.fillMean = filled / (report.pages - 1);
  return report;
}

/** Pages in use that nothing of the head is in, once both headers hold it. */
export async function unreachedPages(inside: Inside): Promise<number> {
  const { db, storage } = inside;
  await db.checkpoint();
  await db.checkpoint();
  const { pages, extentPages } = reportPages(inside);
  return storage.space.pageCount - storage.space.freeCount - pages -
    extentPages;
}
