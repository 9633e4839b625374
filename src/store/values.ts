// This module is browser compatible.
//
// Reading a terminal's value from the page that holds it, or from the overflow
// extent that the page refers to.

import { OVERFLOW_HASH_AT } from "../tree/layout.ts";
import type { Pages } from "../tree/pages.ts";
import type { PageFile } from "./page_file.ts";

/** Longest bytes that are copied next to others. */
const SHORT_BYTES = 64;
/** What short copies share: as much as one of them can keep from being collected. */
const SHARED_BYTES = 2048;

let shared = new ArrayBuffer(SHARED_BYTES), sharedEnd = 0;

/**
 * A terminal's value: a copy.
 *
 * @param into Takes a value from an extent, if it is long enough.
 */
export function readValue(
  pages: Pages,
  file: PageFile,
  f: number,
  n: number,
  into?: Uint8Array,
): Uint8Array {
  const at = pages.valueAt(f, n), length = pages.valueBytes(f, n);
  if (!pages.isOverflow(f, n)) return copied(pages.u8, at, length);
  const i = at >>> 2;
  const sum = pages.u32.slice(i + 4, i + 6);
  const room = into !== undefined && into.length >= length ? into : undefined;
  return file.readExtent(pages.u32[i + 1], length, sum, room);
}

/**
 * A copy of some bytes. Short ones share a buffer: one of its own costs more than
 * finding the value, ten times what a view costs. They begin at multiples of eight.
 */
export function copied(u8: Uint8Array, at: number, length: number): Uint8Array {
  if (length > SHORT_BYTES) return u8.slice(at, at + length);
  if (sharedEnd + length > SHARED_BYTES) {
    shared = new ArrayBuffer(SHARED_BYTES);
    sharedEnd = 0;
  }
  const out = new Uint8Array(shared, sharedEnd, length);
  sharedEnd += length + 7 & ~7;
  for (let i = 0; i < length; i++) out[i] = u8[at + i];
  return out;
}

/** The value hash in an overflow reference: a copy; `undefined` if inline. */
export function overflowHash(
  pages: Pages,
  f: number,
  n: number,
): Uint8Array | undefined {
  if (!pages.isOverflow(f, n)) return undefined;
  const at = pages.valueAt(f, n) + OVERFLOW_HASH_AT;
  return pages.u8.slice(at, at + 32);
}
