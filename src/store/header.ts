// This module is browser compatible.
//
// The two header slots at the start of the page file (docs/format.md,
// "Header"). A header names one durable version completely: its root page, its
// free map, and the place in the commit log from which everything later is
// replayed. It is valid when its checksum is; of two valid ones the one with
// the higher generation counts.

import type { Scheme } from "@stemma/verify";
import { xxh64 } from "../hash/xxh64.ts";
import { CorruptError, FormatError } from "../errors.ts";
import { keyRule } from "../tree/keys.ts";
import {
  DEPTH_MASK,
  DEPTH_NONE,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
} from "../tree/layout.ts";
import { PagePool } from "../tree/pool.ts";
import { getU64, setU64, viewOf } from "./bytes.ts";
import type { HistoryEntry } from "./history.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from "./segments.ts";
import { PAGES_MAX } from "./space.ts";
import type { Sum } from "./sum.ts";

/** Version of the format of both files. */
export const FORMAT_VERSION = 1;
/** Bytes from one header slot to the next. */
export const SLOT_BYTES = 8192;
/** Bytes before page 1. */
export const HEADER_AREA_BYTES = 2 * SLOT_BYTES;
/** Most bytes of the application's own data in a header or record. */
export const META_BYTES_MAX = 4096;
/** Checksum id of XXH64. */
const CHECKSUM_XXH64 = 1;
/** Longest map of free pages and log segments, in bytes. */
const MAP_BYTES_MAX = 2 ** 29;
/** Bound of sequences, generations and version ids: they never run out. */
const COUNT_MAX = 2 ** 48;
const FIXED_BYTES = 256;
const AT_CHECKSUM = 248;
const AT_META_BYTES = 224;
/** "STEMMAdb". */
const MAGIC = [0x53, 0x54, 0x45, 0x4d, 0x4d, 0x41, 0x64, 0x62];

/** What never changes in the life of a store. */
export interface StoreIdentity {
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly schemeId: number;
  /** Random 64 bits that seed every checksum. */
  readonly storeId: Sum;
}

/** One header slot's contents. */
export interface Header extends StoreIdentity {
  /** Grows by one with each header written. */
  readonly generation: number;
  /** Id of the durable version. */
  readonly versionId: number;
  /** Pages of the page file. */
  readonly pageCount: number;
  readonly rootPage: number;
  readonly rootDepth: number;
  readonly rootSum: Sum;
  /** The durable version as an entry of the history. */
  readonly entry: HistoryEntry;
  /** Where the log goes on behind that version, and its checksum there. */
  readonly logPosition: number;
  readonly logSum: Sum;
  /** Position of the oldest record that can still be undone. */
  readonly windowStart: number;
  /** How many commits can be undone. */
  readonly historyCount: number;
  /** Pages, bytes and checksum of the map (free pages, log segments). */
  readonly mapPage: number;
  readonly mapBytes: number;
  readonly mapSum: Sum;
  /** The application's data of the durable version. */
  readonly meta: Uint8Array;
}

/** A header as bytes. */
export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(FIXED_BYTES + header.meta.length);
  const view = viewOf(bytes);
  bytes.set(MAGIC, 0);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, header.pageBytes, true);
  view.setUint32(16, CHECKSUM_XXH64, true);
  view.setUint32(20, header.schemeId, true);
  view.setUint32(36, header.segmentBytes, true);
  setSum(view, 40, header.storeId);
  setU64(view, 48, header.generation);
  setU64(view, 56, header.entry.sequence);
  setU64(view, 64, header.versionId);
  setU64(view, 72, header.pageCount);
  view.setUint32(80, header.rootPage, true);
  view.setUint32(84, header.rootDepth, true);
  setSum(view, 88, header.rootSum);
  bytes.set(header.entry.root, 96);
  setU64(view, 128, header.logPosition);
  setSum(view, 136, header.logSum);
  setU64(view, 144, header.windowStart);
  setU64(view, 152, header.entry.undoTo);
  setU64(view, 160, header.entry.undoToPosition);
  setU64(view, 168, header.entry.deltaPosition);
  setU64(view, 176, header.entry.position);
  setU64(view, 184, header.mapPage);
  setU64(view, 192, header.mapBytes);
  setSum(view, 200, header.mapSum);
  setU64(view, 208, header.historyCount);
  view.setUint32(AT_META_BYTES, header.meta.length, true);
  bytes.set(header.meta, FIXED_BYTES);
  setSum(view, AT_CHECKSUM, checksum(bytes));
  return bytes;
}

/** Checksum of a header, its own field taken as zeros. */
function checksum(bytes: Uint8Array): Sum {
  const copy = bytes.slice();
  copy.fill(0, AT_CHECKSUM, AT_CHECKSUM + 8);
  const out = new Uint32Array(2);
  xxh64(copy, 0, copy.length, 0, 0, out);
  return out;
}

/**
 * Reads a header slot.
 *
 * @returns The header, or `undefined` when the bytes are none: torn, destroyed
 *   or never written.
 * @throws {FormatError} When it is a header of a version or with features that
 *   this code does not know.
 * @throws {CorruptError} When its checksum is good and what it says cannot be.
 */
export function decodeHeader(slot: Uint8Array): Header | undefined {
  if (slot.length < FIXED_BYTES) return undefined;
  if (MAGIC.some((byte, i) => slot[i] !== byte)) return undefined;
  const view = viewOf(slot);
  const metaBytes = view.getUint32(AT_META_BYTES, true);
  if (metaBytes > META_BYTES_MAX || FIXED_BYTES + metaBytes > slot.length) {
    return undefined;
  }
  const bytes = slot.subarray(0, FIXED_BYTES + metaBytes);
  const sum = checksum(bytes), stored = getSum(view, AT_CHECKSUM);
  if (sum[0] !== stored[0] || sum[1] !== stored[1]) return undefined;
  refuseUnknown(view);
  const header = decodeFields(slot, view);
  const wrong = whatIsWrong(header);
  if (wrong === undefined) return header;
  throw new CorruptError(`Cannot open store: header says ${wrong}`, {
    file: "pages",
  });
}

function decodeFields(slot: Uint8Array, view: DataView): Header {
  const metaBytes = view.getUint32(AT_META_BYTES, true);
  return {
    pageBytes: view.getUint32(12, true),
    segmentBytes: view.getUint32(36, true),
    schemeId: view.getUint32(20, true),
    storeId: getSum(view, 40),
    generation: getU64(view, 48),
    versionId: getU64(view, 64),
    pageCount: getU64(view, 72),
    rootPage: view.getUint32(80, true),
    rootDepth: view.getUint32(84, true),
    rootSum: getSum(view, 88),
    entry: {
      sequence: getU64(view, 56),
      root: slot.slice(96, 128),
      undoTo: getU64(view, 152),
      undoToPosition: getU64(view, 160),
      deltaPosition: getU64(view, 168),
      position: getU64(view, 176),
    },
    logPosition: getU64(view, 128),
    logSum: getSum(view, 136),
    windowStart: getU64(view, 144),
    historyCount: getU64(view, 208),
    mapPage: getU64(view, 184),
    mapBytes: getU64(view, 192),
    mapSum: getSum(view, 200),
    meta: slot.slice(FIXED_BYTES, FIXED_BYTES + metaBytes),
  };
}

/** Refuses what a later version of this code may write. */
function refuseUnknown(view: DataView): void {
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION) {
    throw new FormatError(
      "format-version",
      `Cannot open store: format version must be ${FORMAT_VERSION}: found ${version}`,
    );
  }
  const checksumId = view.getUint32(16, true);
  const readOnly = view.getUint32(28, true);
  const incompatible = view.getUint32(32, true);
  if (checksumId !== CHECKSUM_XXH64 || readOnly !== 0 || incompatible !== 0) {
    throw new FormatError(
      "format-feature",
      "Cannot open store: it uses features that this version does not know: " +
        `checksum ${checksumId}, features ${readOnly} and ${incompatible}`,
    );
  }
}

/** The first thing in a header that no store can say; `undefined` if none. */
function whatIsWrong(header: Header): string | undefined {
  const { pageBytes, segmentBytes, pageCount, entry } = header;
  if (!isPowerOfTwo(pageBytes, PAGE_BYTES_MIN, PAGE_BYTES_MAX)) {
    return `pages of ${pageBytes} bytes`;
  }
  if (!isPowerOfTwo(segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)) {
    return `log segments of ${segmentBytes} bytes`;
  }
  if (pageCount > PAGES_MAX) return `${pageCount} pages`;
  const { generation, versionId } = header;
  if (Math.max(generation, versionId, entry.sequence) > COUNT_MAX) {
    return `generation ${generation}, version ${versionId}`;
  }
  if (entry.undoTo >= Math.max(entry.sequence, 1)) {
    return `commit ${entry.undoTo} below commit ${entry.sequence}`;
  }
  if (header.windowStart > header.logPosition) return "a window without log";
  return wrongPlace(header);
}

/** What is wrong with where a header's tree and map are, if anything. */
function wrongPlace(header: Header): string | undefined {
  const { rootPage, rootDepth, rootSum, pageCount, mapPage, mapBytes } = header;
  const isEmpty = header.entry.root.every((byte) => byte === 0);
  const isUnknown = rootSum[0] === 0 && rootSum[1] === 0;
  if (
    isEmpty !== (rootPage === 0) || rootPage > pageCount ||
    (!isEmpty && isUnknown)
  ) return `root page ${rootPage}`;
  if (rootDepth > DEPTH_MASK && rootDepth !== DEPTH_NONE) {
    return `a root at depth ${rootDepth}`;
  }
  if (mapBytes === 0) return undefined;
  const mapEnd = mapPage + Math.ceil(mapBytes / header.pageBytes);
  const hasPlace = mapPage > 0 && mapEnd <= pageCount + 1;
  return hasPlace && mapBytes <= MAP_BYTES_MAX
    ? undefined
    : `a map of ${mapBytes} bytes`;
}

function isPowerOfTwo(value: number, least: number, most: number): boolean {
  return (value & (value - 1)) === 0 && value >= least && value <= most;
}

/** Refuses a store of another scheme, or with pages too small for this one. */
export function refuseOtherScheme(header: Header, scheme: Scheme): void {
  if (header.schemeId !== scheme.id) {
    throw new FormatError(
      "scheme-mismatch",
      `Cannot open store: scheme must be ${scheme.id} (${scheme.name}): found ` +
        `${header.schemeId}`,
    );
  }
  if (header.pageBytes >= PagePool.pageBytesMin(keyRule(scheme))) return;
  throw new CorruptError(
    `Cannot open store: header says pages of ${header.pageBytes} bytes, too ` +
      `small for ${scheme.name}`,
    { file: "pages" },
  );
}

function setSum(view: DataView, at: number, sum: Sum): void {
  view.setUint32(at, sum[0], true);
  view.setUint32(at + 4, sum[1], true);
}

function getSum(view: DataView, at: number): Sum {
  return Uint32Array.of(
    view.getUint32(at, true),
    view.getUint32(at + 4, true),
  );
}
