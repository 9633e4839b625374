// Stores made by hand: takes a good store apart, lets a test change its bytes, and
// puts every checksum right again, so that what is wrong can only be found by
// looking at what the bytes say.

import { StemmaError } from "@stemma/verify";
import {
  memoryBackend,
  open,
  type OpenOptions,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { xxh64 } from "../../src/hash/xxh64.ts";
import {
  decodeHeader,
  encodeHeader,
  type Header,
  HEADER_AREA_BYTES,
  SLOT_BYTES,
} from "../../src/store/header.ts";

/** The bytes of a closed store. */
export interface Files {
  pages: Uint8Array<ArrayBuffer>;
  log: Uint8Array<ArrayBuffer>;
}

/** Options of every store that these tests make. */
export const SMALL: OpenOptions = {
  pageBytes: 512,
  segmentBytes: 1024,
  cacheBytes: 0,
};

/** Makes a store, lets `fill` write to it, closes it, and returns its bytes. */
export async function makeStore(
  fill: (db: Stemma) => Promise<void>,
  options: OpenOptions = SMALL,
  close: (db: Stemma) => Promise<void> = (db) => db.close(),
): Promise<Files> {
  const backend = memoryBackend();
  const db = await open(backend, options);
  await fill(db);
  await close(db);
  return {
    pages: await readAll(backend, "pages.stemma"),
    log: await readAll(backend, "log.stemma"),
  };
}

async function readAll(
  backend: StorageBackend,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await backend.open(name, { create: false });
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  file.close();
  return bytes;
}

/** A backend that holds these bytes. */
export async function backendOf(files: Files): Promise<StorageBackend> {
  const backend = memoryBackend();
  for (const [name, bytes] of Object.entries(files)) {
    const file = await backend.open(`${name}.stemma`, { create: true });
    file.write(bytes, 0);
    file.close();
  }
  return backend;
}

/** A copy that may be changed. */
export function copyOf(files: Files): Files {
  return { pages: files.pages.slice(), log: files.log.slice() };
}

/** The newest header of a store. */
export function headerOf(files: Files): Header {
  const slots = [0, 1].map((slot) =>
    decodeHeader(files.pages.slice(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES))
  ).filter((header) => header !== undefined);
  return slots.sort((a, b) => b.generation - a.generation)[0];
}

/** Puts a header into the first slot, and zeros into the other one. */
export function setHeader(files: Files, header: Header): void {
  files.pages.fill(0, 0, HEADER_AREA_BYTES);
  files.pages.set(encodeHeader(header), 0);
}

/** XXH64 with the seed of a page or extent. */
export function pageSum(
  { storeId }: Header,
  page: number,
  bytes: Uint8Array,
): Uint32Array {
  const sum = new Uint32Array(2);
  xxh64(bytes, 0, bytes.length, (storeId[0] ^ page) >>> 0, storeId[1], sum);
  return sum;
}

/** A view of a page. */
export function pageOf(files: Files, header: Header, page: number): Uint8Array {
  const at = HEADER_AREA_BYTES + (page - 1) * header.pageBytes;
  return files.pages.subarray(at, at + header.pageBytes);
}

/** Changes the root page and the header that refers to it. */
export function changeRoot(
  files: Files,
  change: (page: Uint8Array) => void,
): Files {
  const forged = copyOf(files), header = headerOf(forged);
  const page = pageOf(forged, header, header.rootPage);
  change(page);
  const rootSum = pageSum(header, header.rootPage, page);
  setHeader(forged, { ...header, rootSum });
  return forged;
}

/** Offsets of the heap records of a page's child entries. */
export function childrenOf(page: Uint8Array): number[] {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const records: number[] = [];
  for (let n = 0; n < view.getUint16(14, true); n++) {
    const meta = 160 + (n >> 2) * 160 + (n & 3) * 8;
    if (view.getUint16(meta, true) >> 14 !== 3) continue;
    records.push(view.getUint16(meta + 2, true));
  }
  return records;
}

/** Changes a page that the root page leads to, and all that refer to it. */
export function changeChild(
  files: Files,
  which: number,
  change: (page: Uint8Array) => void,
): Files {
  const forged = copyOf(files), header = headerOf(files);
  return changeRoot(forged, (root) => {
    const records = childrenOf(root);
    if (records.length === 0) return;
    const record = records[which % records.length];
    const view = new DataView(root.buffer, root.byteOffset, root.length);
    const number = view.getUint32(record, true);
    const at = HEADER_AREA_BYTES + (number - 1) * header.pageBytes;
    const page = new Uint8Array(root.buffer, at, header.pageBytes);
    change(page);
    const [low, high] = pageSum(header, number, page);
    view.setUint32(record + 4, low, true);
    view.setUint32(record + 8, high, true);
  });
}

/** Changes the map of free pages and segments, which stays as long as it is. */
export function changeMap(
  files: Files,
  change: (map: Uint8Array) => void,
): Files {
  const forged = copyOf(files), header = headerOf(forged);
  const at = HEADER_AREA_BYTES + (header.mapPage - 1) * header.pageBytes;
  const map = forged.pages.subarray(at, at + header.mapBytes);
  change(map);
  setHeader(forged, {
    ...header,
    mapSum: pageSum(header, header.mapPage, map),
  });
  return forged;
}

/** What happened to a forged store: nothing, or a typed error. */
export type Outcome = "good" | StemmaError;

/**
 * Does everything that can be done with a store. Whatever is thrown and is no
 * typed error is thrown on.
 */
export async function useAll(
  files: Files,
  keys: readonly Uint8Array[],
  options: OpenOptions = SMALL,
): Promise<Outcome[]> {
  const backend = await backendOf(files);
  const outcomes: Outcome[] = [];
  const attempt = async <T>(step: () => T | Promise<T>): Promise<
    T | undefined
  > => {
    try {
      const result = await step();
      outcomes.push("good");
      return result;
    } catch (error) {
      if (!(error instanceof StemmaError)) throw error;
      outcomes.push(error);
      return undefined;
    }
  };
  const db = await attempt(() =>
    open(backend, { ...options, create: "never" })
  );
  if (db === undefined) return outcomes;
  await attempt(() => keys.forEach((key) => db.get(key)));
  await attempt(() => Array.from(db.entries()));
  await attempt(() => Array.from(db.entries({ reverse: true, limit: 3 })));
  await attempt(() => {
    using snapshot = db.snapshot();
    snapshot.prove(keys);
  });
  await attempt(() => db.check());
  await attempt(() => {
    for (const { root } of db.history()) db.snapshot(root).close();
  });
  await attempt(() => change(db, keys, 1));
  await attempt(() => db.rollback(1));
  await attempt(() => change(db, keys, 2));
  await attempt(() => change(db, keys, undefined));
  await attempt(() => db.checkpoint());
  await attempt(() => Array.from(db.entries()));
  await attempt(() => db.close());
  return outcomes;
}

/** Sets or deletes every key in one commit. */
async function change(
  db: Stemma,
  keys: readonly Uint8Array[],
  byte: number | undefined,
): Promise<void> {
  using session = db.begin();
  const length = db.scheme.valueBytes ?? 40;
  for (const key of keys) {
    if (byte === undefined) session.delete(key);
    else session.set(key, new Uint8Array(length).fill(byte));
  }
  await session.prepare().commit();
}

/** Whether any step was refused as corrupt. */
export function isRefused(outcomes: readonly Outcome[]): boolean {
  return outcomes.some((outcome) =>
    outcome !== "good" && outcome.code === "corrupt"
  );
}

/**
 * Changes payloads in the log of a store that was never checkpointed, where
 * segment n lies in place n, and puts all checksums right again.
 *
 * @param change Given each frame's payload and whether a record begins in it.
 */
export function changeLog(
  files: Files,
  change: (payload: Uint8Array, isFirst: boolean, frame: Uint8Array) => void,
): Files {
  const forged = copyOf(files), { storeId, segmentBytes } = headerOf(files);
  const { log } = forged, view = new DataView(log.buffer);
  const out = new Uint32Array(2);
  let at = 32, low = 0, high = 0;
  for (;;) {
    const left = segmentBytes - at % segmentBytes;
    if (left < 56 || left === segmentBytes) {
      at += left === segmentBytes ? 32 : left + 32;
    }
    if (at + 48 > log.length || view.getUint32(at, true) !== 0x6d724674) break;
    const length = view.getUint32(at + 4, true);
    const end = at + 48 + Math.ceil(length / 8) * 8;
    const isFirst = (view.getUint32(at + 40, true) & 1) !== 0;
    const payload = log.subarray(at + 48, at + 48 + length);
    change(payload, isFirst, log.subarray(at, end));
    view.setUint32(at + 16, low, true);
    view.setUint32(at + 20, high, true);
    const seed = (storeId[0] ^ view.getUint32(at + 4, true)) >>> 0;
    xxh64(log, at + 16, at + 44, seed, storeId[1], out);
    view.setUint32(at + 44, out[0], true);
    xxh64(log, at + 16, end, seed, storeId[1], out);
    [low, high] = out;
    view.setUint32(at + 8, low, true);
    view.setUint32(at + 12, high, true);
    at = end;
  }
  return forged;
}

/** Puts the checksum of a record's header right, where it lies in one frame. */
export function resealRecord(payload: Uint8Array, sequence: number): void {
  if (payload.length < 104) return;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const length = 104 + view.getUint32(4, true);
  if (length > payload.length) return;
  payload.fill(0, 96, 104);
  const out = new Uint32Array(2);
  xxh64(payload.slice(0, length), 0, length, sequence, 0x5265636f, out);
  view.setUint32(96, out[0], true);
  view.setUint32(100, out[1], true);
}
