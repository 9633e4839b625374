// Stores to measure bars on: each state is built once and then copied, as files.

import { hugePages } from "../../backends/huge_pages.ts";
import type { SchemeName } from "@stemma/verify";
import { collectGarbage, copyFolder, settleDisk } from "../measure.ts";
import { StemmaSubject, type SubjectOptions } from "../peers/stemma.ts";
import type { Subject } from "../subject.ts";
import { type Batch, type Workload, workload } from "../workloads.ts";
import type { BarContext } from "./_bar.ts";
import { runStep } from "./process.ts";

/** Writes of a commit in most bars. */
export const WRITES = 20_000;

/** Keys of a state, as a power of two, above which it is loaded in bulk. */
const BATCHES_MAX = 20;

/** Commits from one checkpoint to the next while a store comes of age. */
const AGING_COMMITS = 40;
/**
 * Checkpoints until its page file has room for what two headers keep and a third writes,
 * and its log segments to use again: it keeps a history of 128 commits, too.
 */
const AGING_CHECKPOINTS = 5;

/** The writes of most bars: half of them on fresh keys, unless told otherwise. */
export function writes(
  { seed }: BarContext,
  capacity: number,
  fresh = 50,
): Workload {
  const size = WRITES, reads = 0, deletes = 0;
  return workload("randw", { capacity, size, fresh, reads, deletes, seed });
}

/** Fills a store with batches. */
async function fill(subject: Subject, batches: Iterable<Batch>): Promise<void> {
  for (const batch of batches) await subject.commit(batch);
  await subject.settle?.();
}

/** Fills a store with a workload's state. */
export async function load(subject: Subject, work: Workload): Promise<void> {
  await fill(subject, work.load());
}

/**
 * Writes to keys that a store has until it is as one that has long been in use: what it
 * writes from then on goes where its files have been before, and not into memory that
 * the system, or the host of a virtual machine, has to find first.
 */
export async function age(
  context: BarContext,
  subject: Subject,
  capacity: number,
): Promise<void> {
  const iterations = writes(context, capacity, 0).iterations();
  for (let round = 0; round < AGING_CHECKPOINTS; round++) {
    for (let i = 0; i < AGING_COMMITS; i++) {
      await subject.commit(iterations.next().value);
    }
    await subject.settle?.();
  }
}

/** Share of a cache in use from which on it counts as full. */
const FULL_SHARE = 0.98;

let copies = 0;

/** A copy of a state: gone when it is closed, memory and files. */
class CopiedStore extends StemmaSubject {
  readonly #folder: string;

  constructor(opened: StemmaSubject, folder: string) {
    super(opened.db, opened.backend);
    this.#folder = folder;
  }

  override async close(): Promise<void> {
    await super.close();
    await Deno.remove(this.#folder, { recursive: true });
    collectGarbage();
  }
}

/** A store that has long been in use has all of its memory. */
const allMemory = (memory: ArrayBufferLike): boolean =>
  hugePages(memory, { populate: true });

/** Options of a store to measure on. */
export type StoreOptions = SubjectOptions & { readonly scheme: SchemeName };

function templateOf(
  { directory }: BarContext,
  work: Workload,
  capacity: number,
  scheme: SchemeName,
): string {
  return `${directory}/${work.name}-${scheme}-${capacity}`;
}

/** Makes the store that others are copies of; of age, if it is of {@linkcode writes}. */
export async function build(
  context: BarContext,
  capacity: number,
  scheme: SchemeName,
  work: Workload = writes(context, capacity),
): Promise<void> {
  context.log(`loading 2^${capacity} keys, ${scheme}`);
  const template = templateOf(context, work, capacity, scheme);
  const building = `${template}.building`;
  const subject = await StemmaSubject.open(building, { scheme });
  // Each batch of a large state in any order would write a good part of it anew.
  const isBulk = capacity > BATCHES_MAX;
  await fill(subject, isBulk ? work.loadInOrder!() : work.load());
  if (work.name === "randw") await age(context, subject, capacity);
  await subject.close();
  await Deno.rename(building, template);
}

/**
 * Opens a copy of the store with a workload's state, built when first asked for: the
 * large ones of {@linkcode writes} in a process of their own.
 *
 * @param isLast Whether nobody needs the state after this: then it is no copy, so that
 *   the system need not keep both in memory.
 */
export async function openLoaded(
  context: BarContext,
  capacity: number,
  work: Workload,
  storeOptions: StoreOptions,
  isLast = false,
): Promise<StemmaSubject> {
  const options = { prepareMemory: allMemory, ...storeOptions };
  const { scheme } = options;
  const template = templateOf(context, work, capacity, scheme);
  if (!await Deno.stat(template).then(() => true, () => false)) {
    if (work.name === "randw") await runStep("load", context, capacity, scheme);
    else await build(context, capacity, scheme, work);
  }
  if (isLast) {
    await settleDisk();
    return await StemmaSubject.open(template, options);
  }
  const copy = `${context.directory}/copy-${copies++}-${Deno.pid}`;
  await copyFolder(template, copy);
  await settleDisk();
  return new CopiedStore(await StemmaSubject.open(copy, options), copy);
}

/** Reads all there is, so that caches are warm. */
export function warm(subject: StemmaSubject, work: Workload): void {
  for (const { keys } of work.load()) {
    subject.read({ reads: keys, keys: [], values: [] });
  }
}

/** Loads pages until the cache is full or there are no others. */
export function fillCache({ db }: StemmaSubject, work: Workload): void {
  for (const { keys } of work.load()) {
    using session = db.begin();
    session.warmUp(keys);
    const { cacheBytes, cacheBytesMax } = db.metrics();
    if (cacheBytes > FULL_SHARE * cacheBytesMax) return;
  }
}

/**
 * Reads the files of a state once: those of a store in use are in the system's memory,
 * and what nobody has touched for a while may not be.
 */
export async function touchFiles(
  context: BarContext,
  work: Workload,
  capacity: number,
  scheme: SchemeName,
): Promise<void> {
  const folder = templateOf(context, work, capacity, scheme);
  const piece = new Uint8Array(1 << 20);
  for await (const { name } of Deno.readDir(folder)) {
    using file = await Deno.open(`${folder}/${name}`);
    while (await file.read(piece) !== null);
  }
}

/** The next batches of a workload. */
export function take(
  iterations: Iterator<Batch, never>,
  count: number,
): Batch[] {
  const batches = Array.from({ length: count }, () => iterations.next().value);
  collectGarbage();
  return batches;
}
