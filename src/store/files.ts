// This module is browser compatible.
//
// Getting at the store's two files: finding out whether there is a store, whether
// it is whole, or whether its creation was cut short, and making a new one. The
// header comes last, so there is a store exactly when there is a valid header.

import type { Scheme } from "@stemma/verify";
import type { StorageBackend } from "../../backends/types.ts";
import { CorruptError, ExistenceError } from "../errors.ts";
import type { Counters } from "../metrics.ts";
import { DEPTH_NONE } from "../tree/layout.ts";
import type { Fault } from "./faults.ts";
import { StoreFile } from "./file.ts";
import {
  type Header,
  HEADER_AREA_BYTES,
  refuseOtherScheme,
  type StoreIdentity,
} from "./header.ts";
import { emptyEntry } from "./history.ts";
import { PageFile, readSlots, type Slot } from "./page_file.ts";
import { noSum } from "./sum.ts";

/** Name of the page file. */
export const PAGES_FILE = "pages.stemma";
/** Name of the commit log. */
export const LOG_FILE = "log.stemma";

/** Whether a store may, must or must not be made. */
export type CreateMode = "never" | "if-missing" | "must";

/** The open files and what the headers say. */
export interface OpenFiles {
  readonly pages: StoreFile;
  readonly log: StoreFile;
  readonly slots: [Slot, Slot];
}

/** How files are opened. */
export interface FilesOptions {
  readonly create: CreateMode;
  readonly scheme: Scheme;
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly counters: Counters;
  readonly faults: ReadonlySet<Fault>;
}

/** Opens the files of a store, or makes them; the lock is held. */
export async function openFiles(
  backend: StorageBackend,
  options: FilesOptions,
): Promise<OpenFiles> {
  const names = await backend.list();
  refuseNames(names, backend, options);
  const has = [LOG_FILE, PAGES_FILE].map((name) => names.includes(name));
  const { create, faults } = options;
  const open = async (name: string, there: boolean): Promise<StoreFile> =>
    new StoreFile(
      name,
      await backend.open(name, { create: !there }),
      options.counters,
      faults,
    );
  if (has[0] !== has[1]) await refuseHalf(backend, open, has, create);
  const opened: StoreFile[] = [];
  try {
    const log = await open(LOG_FILE, has[0]);
    opened.push(log);
    const pages = await open(PAGES_FILE, has[1]);
    opened.push(pages);
    return await settle(backend, { pages, log }, options);
  } catch (error) {
    for (const file of opened) closeQuietly(file);
    throw error;
  }
}

/** Refuses a place that holds no store and must, or must not, get one. */
export function refuseNames(
  names: readonly string[],
  backend: StorageBackend,
  { create, faults }: Pick<FilesOptions, "create" | "faults">,
): void {
  if (names.includes(LOG_FILE) || names.includes(PAGES_FILE)) return;
  if (create === "never") throw noStore(backend);
  if (names.length === 0 || faults.has("create-in-foreign-directory")) return;
  throw new ExistenceError(
    "not-empty",
    `Cannot create store: its place must be empty: found ${names[0]}`,
  );
}

/** One file is missing: creation was cut short, or the store is damaged. */
async function refuseHalf(
  backend: StorageBackend,
  open: (name: string, there: boolean) => Promise<StoreFile>,
  has: boolean[],
  create: CreateMode,
): Promise<void> {
  const file = await open(has[0] ? LOG_FILE : PAGES_FILE, true);
  let size: number, header: Header | undefined;
  try {
    size = file.size();
    header = has[1] ? newest(readSlots(file)) : undefined;
  } finally {
    closeQuietly(file);
  }
  if (header !== undefined && mayLackLog(backend, header)) return;
  const most = has[0] ? 0 : HEADER_AREA_BYTES;
  if (header !== undefined || size > most) {
    throw missingFile(has[0] ? PAGES_FILE : LOG_FILE);
  }
  if (create === "never") throw noStore(backend);
}

/** Decides between a store, an unfinished one and a damaged one. */
async function settle(
  backend: StorageBackend,
  files: { pages: StoreFile; log: StoreFile },
  options: FilesOptions,
): Promise<OpenFiles> {
  const { pages, log } = files, { create } = options;
  const slots = readSlots(pages);
  const header = newest(slots);
  if (header !== undefined) {
    if (create === "must") {
      throw new ExistenceError(
        "already-exists",
        `Cannot create store: ${backend.name} holds one already`,
      );
    }
    refuseOtherScheme(header, options.scheme);
    const isOnly = slots.some((slot) => slot.header === undefined);
    if (isOnly) await makeDurable(files, header, options);
    return { ...files, slots };
  }
  const unfinished = log.size() === 0 && pages.size() <= HEADER_AREA_BYTES;
  if (!unfinished) {
    throw new CorruptError(
      "Cannot open store: neither header slot holds a valid header",
      { file: "pages", position: 0 },
    );
  }
  if (create === "never") throw noStore(backend);
  await writeFirstHeader(backend, pages, options);
  return { ...files, slots: readSlots(pages) };
}

/**
 * The only header may be of a process that was killed before its flush, or whose
 * flush failed. As long as there is no commit, it can be written anew; later it
 * is more than the first header, and the disk has taken that one.
 */
async function makeDurable(
  { pages, log }: { pages: StoreFile; log: StoreFile },
  header: Header,
  { counters }: FilesOptions,
): Promise<void> {
  const { pageBytes, storeId } = header;
  const file = new PageFile(pages, pageBytes, storeId, counters);
  if (header.generation === 1 && log.size() === 0) file.writeHeader(0, header);
  await file.flush();
}

/**
 * Where no directory can be synced, a crash right after creation may keep one
 * name and lose the other; nothing was checkpointed then.
 */
function mayLackLog(backend: StorageBackend, header: Header): boolean {
  return !backend.supports.directorySync && header.generation === 1;
}

async function writeFirstHeader(
  backend: StorageBackend,
  pages: StoreFile,
  options: FilesOptions,
): Promise<void> {
  const identity: StoreIdentity = {
    pageBytes: options.pageBytes,
    segmentBytes: options.segmentBytes,
    schemeId: options.scheme.id,
    storeId: crypto.getRandomValues(new Uint32Array(2)),
  };
  const file = new PageFile(
    pages,
    identity.pageBytes,
    identity.storeId,
    options.counters,
  );
  // The names must last before the header makes them a store.
  await backend.sync?.();
  file.writeHeader(0, firstHeader(identity));
  await file.flush();
}

/** The header of a store without a commit. */
function firstHeader(identity: StoreIdentity): Header {
  return {
    ...identity,
    generation: 1,
    versionId: 0,
    pageCount: 0,
    rootPage: 0,
    rootDepth: DEPTH_NONE,
    rootSum: noSum(),
    entry: emptyEntry(),
    logPosition: 0,
    logSum: noSum(),
    windowStart: 0,
    historyCount: 0,
    mapPage: 0,
    mapBytes: 0,
    mapSum: noSum(),
    meta: new Uint8Array(0),
  };
}

/** The valid header of the higher generation. */
export function newest(slots: [Slot, Slot]): Header | undefined {
  const [a, b] = [slots[0].header, slots[1].header];
  if (a === undefined || b === undefined) return a ?? b;
  return a.generation > b.generation ? a : b;
}

/** Closes a file after something else has failed already. */
export function closeQuietly(file: { close(): void }): void {
  try {
    file.close();
  } catch {
    // The first failure is the one to report.
  }
}

function noStore(backend: StorageBackend): ExistenceError {
  return new ExistenceError(
    "no-store",
    `Cannot open store: ${backend.name} holds none`,
  );
}

function missingFile(name: string): CorruptError {
  return new CorruptError(`Cannot open store: ${name} is missing`, {
    file: name === LOG_FILE ? "log" : "pages",
  });
}
