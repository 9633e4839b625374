// This module is browser compatible.
//
// Checkpoints: which two headers are durable and what each keeps from being
// reused. A checkpoint writes the head's pages and the map of what is free, flushes,
// overwrites the older header slot and flushes again; only then do the pages and
// log segments go that nothing but the overwritten header needed.

import { CorruptError } from "../errors.ts";
import type { PagePool } from "../tree/pool.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { Fault } from "./faults.ts";
import type { StoreFile } from "./file.ts";
import type { OpenFiles } from "./files.ts";
import type { Header } from "./header.ts";
import type { HistoryEntry } from "./history.ts";
import type { PageFile } from "./page_file.ts";
import type { Segments } from "./segments.ts";
import { Space } from "./space.ts";
import { noSum, type Sum } from "./sum.ts";
import { Version, type Versions } from "./versions.ts";

/** A durable header and what it keeps from being reused. */
interface Durable {
  readonly slot: number;
  readonly generation: number;
  readonly version: Version;
  readonly logPosition: number;
  readonly windowStart: number;
  readonly mapPage: number;
  readonly mapPages: number;
}

/** What a checkpoint makes durable. */
export interface CheckpointPlace {
  readonly head: Version;
  readonly entry: HistoryEntry;
  readonly meta: Uint8Array;
  /** Behind the head's record. */
  readonly logPosition: number;
  readonly logSum: Sum;
  /** From here on the history needs the log. */
  readonly windowStart: number;
  readonly historyCount: number;
}

/** A checkpoint whose pages are written but need not be durable. */
export interface PendingCheckpoint {
  readonly head: Version;
  readonly header: Header;
}

/** The parts of a store that checkpoints deal with. */
export interface CheckpointParts {
  readonly pool: PagePool;
  readonly file: PageFile;
  readonly space: Space;
  readonly versions: Versions;
  free(first: number, count: number): void;
}

type MapReference = Pick<Header, "mapPage" | "mapBytes" | "mapSum">;

/** The two header slots in the life of an open store. */
export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #segments: Segments;
  readonly #pages: StoreFile;
  readonly #log: StoreFile;
  readonly #identity: Header;
  readonly #faults: ReadonlySet<Fault>;
  #newer: Durable;
  #older: Durable | undefined;
  /** Whether this process knows that the newer header is durable. */
  #isSure = false;
  /** Headers whose writing failed; any of them may be in the older one's slot. */
  #attempted: Durable[] = [];

  /** Reads the maps of both headers; the head's version is pinned by one. */
  constructor(
    parts: CheckpointParts,
    segments: Segments,
    files: OpenFiles,
    header: Header,
    faults: ReadonlySet<Fault>,
  ) {
    this.#parts = parts;
    this.#segments = segments;
    this.#pages = files.pages;
    this.#log = files.log;
    this.#identity = header;
    this.#faults = faults;
    this.#newer = this.#loadSlots(files, header);
  }

  /** The version that the newer header holds. */
  get version(): Version {
    return this.#newer.version;
  }

  /** Writes the pages of a held version, and the map. */
  begin(place: CheckpointPlace): PendingCheckpoint {
    const { head } = place, { space, versions } = this.#parts;
    const map = this.#finding(() => {
      this.#writePages(head);
      this.#forgetChecksums();
      return this.#writeMap(place);
    });
    const header: Header = {
      ...this.#identity,
      ...place,
      ...map,
      generation: this.#newer.generation + 1,
      versionId: versions.nextId - 1,
      pageCount: space.pageCount,
      rootPage: head.tree.page,
      rootDepth: head.tree.depth,
      rootSum: Uint32Array.from(head.tree.sum),
    };
    return { head, header };
  }

  /**
   * Makes what was begun durable by a header; the hold on the version passes
   * to the header. Commits may be published meanwhile.
   *
   * @param flush Flushes the page file; what it throws is final.
   */
  async finish(
    { head, header }: PendingCheckpoint,
    flush: () => Promise<void>,
  ): Promise<void> {
    const { file } = this.#parts, faults = this.#faults;
    const slot = faults.has("single-header-slot") ? 0 : 1 - this.#newer.slot;
    const durable = durableOf(slot, header, head, file);
    try {
      // The process that wrote the newer header may have been killed before its
      // flush, or that may have failed: only what is written anew is flushed.
      if (!this.#isSure && this.#older !== undefined) {
        file.writeHeader(this.#newer.slot, this.#identity);
      }
      if (!faults.has("header-before-page-flush")) await flush();
      this.#isSure = true;
    } catch (error) {
      this.#parts.free(durable.mapPage, durable.mapPages);
      throw error;
    }
    try {
      file.writeHeader(slot, header);
      await flush();
    } catch (error) {
      this.#parts.versions.hold(head);
      this.#attempted.push(durable);
      throw error;
    }
    this.#settle(durable);
  }

  /** Runs a step that writes, and notes whether it finds room. */
  #finding<T>(step: () => T): T {
    const { space } = this.#parts;
    try {
      const result = step();
      space.hasRoom = true;
      return result;
    } catch (error) {
      space.hasRoom = false;
      throw error;
    }
  }

  #writePages(head: Version): void {
    if (head.tree.page === 0 || isKnown(head.tree.sum)) return;
    this.#move(head, false);
    const sum = noSum(), { tree } = head;
    this.#parts.pool.writer.writeTree(tree.page, sum);
    tree.sum = [sum[0], sum[1]];
  }

  /**
   * Writes pages of the head that are not about to change again, so that the next
   * edit finds room for its own; none of it counts before the next checkpoint.
   */
  writeAhead(head: Version): void {
    if (head.tree.page === 0 || isKnown(head.tree.sum)) return;
    this.#finding(() => this.#move(head, true));
  }

  /** Writes the head's pages together, where nobody else knows their numbers. */
  #move(head: Version, endsOnly: boolean): void {
    const { pool: { writer }, versions, space: numbers } = this.#parts;
    const after = this.#faults.has("move-shared-pages")
      ? 0
      : versions.headAloneAfter;
    if (after === undefined || writer.holdsChecksums) return;
    const move = { after, endsOnly, numbers };
    const moved = writer.renumber(head.tree.page, move);
    // A new object: whoever remembers page numbers does so for the old one.
    head.tree = { ...head.tree, page: moved.root };
    writer.writeMoved(moved);
  }

  /**
   * Cuts what nobody uses off the ends of both files; of the log there stays as much as
   * was written from checkpoint to checkpoint.
   */
  shrink(): void {
    const { space, file } = this.#parts;
    space.trim();
    file.shrink(space.pageCount);
    const { bytes } = this.#segments, to = this.#newer.logPosition;
    const from = this.#older?.logPosition ?? to;
    // It begins and ends within segments.
    const keep = to === from ? 0 : Math.ceil((to - from) / bytes) + 1;
    const size = this.#segments.trim(keep);
    if (this.#log.size() > size) this.#log.truncate(size);
  }

  /** Writes the map of free pages and live segments. */
  #writeMap({ windowStart, logPosition }: CheckpointPlace): MapReference {
    const { space, versions, file } = this.#parts, segments = this.#segments;
    const free = space.clone();
    for (const version of versions.pinned()) {
      version.retained.forEach((first, count) => free.forget(first, count));
    }
    for (const version of versions.loose()) {
      version.made.forEach((first, count) => free.forget(first, count));
    }
    for (const durable of [this.#newer, this.#older, ...this.#attempted]) {
      if (durable === undefined) continue;
      free.forget(durable.mapPage, durable.mapPages);
    }
    const map = new ByteWriter();
    free.encodeFree(map);
    // Whoever opens this header must spare what the older one needs, too.
    const from = Math.min(
      windowStart,
      logPosition,
      this.#newer.windowStart,
      this.#newer.logPosition,
    );
    segments.encode(map, Math.floor(from / segments.bytes), logPosition);
    const bytes = map.done(), mapSum = noSum();
    const mapPage = space.allocateRun(
      file.extentPages(bytes.length),
    );
    try {
      file.writeExtent(mapPage, bytes, mapSum);
    } catch (error) {
      space.release(mapPage, file.extentPages(bytes.length));
      throw error;
    }
    return { mapPage, mapBytes: bytes.length, mapSum };
  }

  /** A header is durable: what only the one it replaced needed is free. */
  #settle(durable: Durable): void {
    const gone = this.#older;
    this.#older = this.#newer;
    this.#newer = durable;
    if (gone !== undefined) this.#releaseSlot(gone);
    this.#attempted.splice(0).forEach((one) => this.#releaseSlot(one));
    if (this.#faults.has("reuse-pages-of-older-header")) {
      this.#releaseSlot(this.#older);
      this.#older = undefined;
    }
    const segments = this.#segments;
    // Whatever either header's segment table lists: the older one may be all
    // that is left, and its chain must not run into a segment used again.
    const older = this.#older ?? durable;
    const needed = this.#faults.has("log-reclaimed-too-early")
      ? durable.logPosition
      : Math.min(
        durable.windowStart,
        durable.logPosition,
        older.windowStart,
        older.logPosition,
      );
    segments.release(Math.floor(needed / segments.bytes));
  }

  /** Keeps the checksums of root pages, and lets go of all others. */
  #forgetChecksums(): void {
    const { pool: { writer }, versions } = this.#parts, sum = noSum();
    for (const { tree } of versions.live()) {
      if (tree.page === 0 || isKnown(tree.sum)) continue;
      if (!writer.checksumOf(tree.page, sum)) return;
      tree.sum = [sum[0], sum[1]];
    }
    writer.forgetChecksums();
  }

  #releaseSlot(durable: Durable): void {
    const { mapPage, mapPages, version } = durable;
    if (mapPages > 0) this.#parts.free(mapPage, mapPages);
    this.#parts.versions.release(version);
  }

  /** Reads the free maps of both headers; pages free in both are free. */
  #loadSlots(files: OpenFiles, header: Header): Durable {
    const { space, versions, file } = this.#parts, { head } = versions;
    const newerSlot = files.slots[0].header === header ? 0 : 1;
    const olderHeader = files.slots[1 - newerSlot].header;
    this.#loadMap(space, header, true);
    versions.hold(head);
    const newer = durableOf(newerSlot, header, head, file);
    if (
      olderHeader === undefined || olderHeader.pageBytes !== header.pageBytes
    ) {
      return newer;
    }
    const used = new Space();
    try {
      this.#loadMap(used, olderHeader, false);
    } catch (error) {
      // A header whose map is gone cannot be opened; it protects nothing.
      if (error instanceof CorruptError) return newer;
      throw error;
    }
    const older = new Version(olderHeader.versionId, treeOf(olderHeader), 0);
    versions.adoptOlder(older);
    for (const page of space.freeHereUsedIn(used)) {
      space.use(page);
      const isMap = page >= olderHeader.mapPage &&
        page < olderHeader.mapPage + file.extentPages(olderHeader.mapBytes);
      if (!isMap) older.retained.push(page, 1, 0);
    }
    this.#older = durableOf(1 - newerSlot, olderHeader, older, file);
    return newer;
  }

  #loadMap(space: Space, header: Header, withLog: boolean): void {
    const { mapPage, mapBytes, mapSum, pageCount } = header;
    const { file, pool } = this.#parts;
    const inFile = Math.max(
      0,
      // An extent at the end of the file need not fill its last page.
      Math.ceil(
        (this.#pages.size() - file.positionOf(1)) / pool.pageBytes,
      ),
    );
    if (mapBytes === 0) {
      space.reset(Math.min(pageCount, inFile));
      if (withLog) this.#segments.extend();
      return;
    }
    const map = new ByteReader(
      file.readExtent(mapPage, mapBytes, mapSum),
    );
    space.reset(Math.min(pageCount, inFile));
    space.decodeFree(map, pageCount);
    for (let i = 0; i < file.extentPages(mapBytes); i++) {
      space.use(mapPage + i);
    }
    if (!withLog) return;
    const { windowStart, logPosition } = header;
    const needed = Math.min(windowStart, logPosition);
    this.#segments.decode(map, logPosition, needed);
  }
}

/** Where a header's tree hangs. */
export function treeOf(header: Header): Version["tree"] {
  return {
    page: header.rootPage,
    depth: header.rootDepth,
    sum: [header.rootSum[0], header.rootSum[1]],
    hash: header.entry.root,
  };
}

function durableOf(
  slot: number,
  header: Header,
  version: Version,
  file: PageFile,
): Durable {
  return {
    slot,
    generation: header.generation,
    version,
    logPosition: header.logPosition,
    windowStart: header.windowStart,
    mapPage: header.mapPage,
    mapPages: file.extentPages(header.mapBytes),
  };
}

function isKnown(sum: readonly [number, number]): boolean {
  return sum[0] !== 0 || sum[1] !== 0;
}
