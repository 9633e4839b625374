// This module is browser compatible.
/**
 * What a power loss leaves: from a disk with uncertain changes and a choice, the
 * files of one possible disk afterwards. Implements the medium of reliability
 * P8: any subset of the unflushed changes, in any order, each whole or torn;
 * names apart from contents; and ranges that were extended but not flushed may
 * hold anything.
 *
 * @module
 */
import {
  applyWhole,
  type DataChange,
  type Inode,
  type NameChange,
  type SimulatedDisk,
} from "./_sim_disk.ts";
import { SimRandom } from "./_sim_random.ts";
import type { SparseBytes } from "./_sparse_bytes.ts";

/**
 * One power loss among all that are possible at a moment. Plain data: the same
 * choice on the same disk gives the same image, bit for bit.
 */
export interface CrashChoice {
  /**
   * Which uncertain changes survive: every one, none, those whose bit in `mask`
   * is set (in the order they were made), or a sample drawn from `seed`.
   */
  readonly keep: "all" | "none" | "mask" | "sample";
  /** Bits for `keep: "mask"`; bit 0 is the oldest uncertain change. */
  readonly mask: number;
  /** Decides everything else that is left open. */
  readonly seed: number;
  /** Whether surviving writes may be torn, and where. */
  readonly tear: "none" | "byte" | "sector";
  /** Whether changes of one file may have reached the disk in another order. */
  readonly reorder: boolean;
  /**
   * What bytes read as that lie in a range extended but not flushed and that no
   * surviving write covers: zeros, random bytes, or old bytes of the same file.
   */
  readonly noise: "zeros" | "random" | "stale";
}

/** The files of a disk after power loss, by name, and names that changed. */
export interface CrashedFiles {
  readonly files: Map<string, SparseBytes>;
  /** Names whose creation or removal was lost. */
  readonly lostNames: string[];
}

const SECTOR_BYTES = 512;
/** Longer extensions are noise up to here and zeros behind. */
const NOISE_BYTES_MAX = 1 << 20;
const DROP = 0;
const KEEP = 1;
const TEAR = 2;
const SIZE_ONLY = 3;

type Change = DataChange | NameChange;

/** Expands one number into a choice; small seeds cover all kinds evenly. */
export function choiceFromSeed(seed: number): CrashChoice {
  const random = new SimRandom(seed ^ 0x5eed);
  const keep = random.oneIn(8) ? "all" : "sample";
  const tear = (["none", "byte", "sector"] as const)[random.int(3)];
  const reorder = random.oneIn(4);
  const noise = (["zeros", "random", "stale"] as const)[random.int(3)];
  return { keep, mask: 0, seed, tear, reorder, noise };
}

/** Builds the files that `choice` leaves. The disk itself stays as it is. */
export function crashFiles(
  disk: SimulatedDisk,
  choice: CrashChoice,
): CrashedFiles {
  const changes = disk.uncertain();
  const random = new SimRandom(choice.seed);
  const fates = chooseFates(changes, choice, random);
  const lostNames: string[] = [];
  const names = new Map(disk.durableNames);
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i];
    if (change.kind !== "name") continue;
    if (fates[i] === DROP) lostNames.push(change.name);
    else if (change.inode === undefined) names.delete(change.name);
    else names.set(change.name, change.inode);
  }
  const fateOf = new Map<DataChange, number>();
  changes.forEach((change, i) => {
    if (change.kind !== "name") fateOf.set(change, fates[i]);
  });
  const files = new Map<string, SparseBytes>();
  for (const [name, inode] of names) {
    files.set(name, crashInode(inode, fateOf, choice));
  }
  return { files, lostNames };
}

function crashInode(
  inode: Inode,
  fateOf: Map<DataChange, number>,
  choice: CrashChoice,
): SparseBytes {
  const bytes = inode.durable.clone();
  if (inode.changes.length === 0) return bytes;
  // Own numbers for each file, so that one file's fate disturbs no other's.
  const random = new SimRandom(choice.seed + Math.imul(inode.id, 0x632be5ab));
  for (const change of inOrder(inode.changes, choice.reorder, random)) {
    const fate = change.state === "certain" ? KEEP : fateOf.get(change);
    if (fate === undefined || fate === DROP) continue;
    extend(bytes, inode, change, fate, choice, random);
    if (fate === KEEP) applyWhole(bytes, change);
    else if (fate === TEAR) applyTorn(bytes, change, choice, random);
  }
  return bytes;
}

/** Shuffles within each epoch; flushed epochs keep their order. */
function inOrder(
  changes: readonly DataChange[],
  reorder: boolean,
  random: SimRandom,
): readonly DataChange[] {
  if (!reorder) return changes;
  const ranked = changes.map((change, index) => ({
    change,
    rank: change.state === "certain" ? index : random.u32(),
  }));
  ranked.sort((a, b) => a.change.epoch - b.change.epoch || a.rank - b.rank);
  return ranked.map(({ change }) => change);
}

/** Grows the file for a change; what the change does not cover is noise. */
function extend(
  bytes: SparseBytes,
  inode: Inode,
  change: DataChange,
  fate: number,
  choice: CrashChoice,
  random: SimRandom,
): void {
  const from = bytes.size;
  const end = change.position + change.bytes.length;
  if (end <= from) return;
  bytes.truncate(end);
  const to = fate === KEEP ? change.position : end;
  if (choice.noise === "zeros" || change.state === "certain") return;
  if (to <= from) return;
  const noise = new Uint8Array(Math.min(to - from, NOISE_BYTES_MAX));
  if (choice.noise === "stale") readStale(noise, inode, from, random);
  else for (let i = 0; i < noise.length; i++) noise[i] = random.u32();
  bytes.write(noise, from);
}

/** What a reused disk block holds: what this file once had, here or nearby. */
function readStale(
  noise: Uint8Array,
  inode: Inode,
  position: number,
  random: SimRandom,
): void {
  const source = inode.ghost ?? inode.durable;
  const slots = Math.floor(source.size / SECTOR_BYTES) + 1;
  const elsewhere = random.int(slots) * SECTOR_BYTES;
  const here = inode.ghost !== undefined && random.oneIn(2);
  source.read(noise, here ? position : elsewhere);
}

/** Keeps a part of a write: a head, a tail, or pieces in between. */
function applyTorn(
  bytes: SparseBytes,
  change: DataChange,
  choice: CrashChoice,
  random: SimRandom,
): void {
  const length = change.bytes.length;
  const pieces = random.int(3) + 1;
  const cuts: number[] = [0];
  for (let i = 0; i < pieces; i++) {
    let cut = random.int(length + 1);
    if (choice.tear === "sector") {
      const end = change.position + cut;
      cut = Math.max(0, end - end % SECTOR_BYTES - change.position);
    }
    cuts.push(cut);
  }
  cuts.sort((a, b) => a - b);
  cuts.push(length);
  // The head survives more often than not: disks write forwards.
  let kept = !random.oneIn(4);
  for (let i = 1; i < cuts.length; i++) {
    if (kept && cuts[i] > cuts[i - 1]) {
      const piece = change.bytes.subarray(cuts[i - 1], cuts[i]);
      bytes.write(piece, change.position + cuts[i - 1]);
    }
    kept = !kept;
  }
}

function chooseFates(
  changes: readonly Change[],
  choice: CrashChoice,
  random: SimRandom,
): Uint8Array {
  const fates = new Uint8Array(changes.length);
  if (choice.keep === "all") fates.fill(KEEP);
  else if (choice.keep === "mask") {
    for (let i = 0; i < fates.length; i++) {
      fates[i] = Math.floor(choice.mask / 2 ** i) % 2;
    }
  } else if (choice.keep === "sample") sampleFates(changes, fates, random);
  if (choice.tear !== "none") tearSome(changes, fates, random);
  return fates;
}

/** The patterns that find bugs: all but one, only one, a head, a tail, a file. */
function sampleFates(
  changes: readonly Change[],
  fates: Uint8Array,
  random: SimRandom,
): void {
  const count = fates.length;
  const pattern = random.int(8);
  const at = random.int(count + 1);
  if (pattern === 0) fates.fill(KEEP).fill(DROP, at, at + 1);
  else if (pattern === 1) fates.fill(KEEP, at, at + 1);
  else if (pattern === 2) fates.fill(KEEP, 0, at);
  else if (pattern === 3) fates.fill(KEEP, at);
  else if (pattern === 4) keepSomeFiles(changes, fates, random);
  else {
    const oneIn = pattern === 5 ? 8 : pattern === 6 ? 4 : 2;
    for (let i = 0; i < count; i++) {
      const rare = random.oneIn(oneIn);
      fates[i] = rare === (pattern !== 6) ? KEEP : DROP;
    }
  }
  const sizesSurvive = random.oneIn(4);
  const namesSurvive = !random.oneIn(4);
  for (let i = 0; i < count; i++) {
    if (changes[i].kind === "name") {
      fates[i] = namesSurvive || random.oneIn(2) ? KEEP : DROP;
    } else if (fates[i] === DROP && sizesSurvive) {
      if (changes[i].kind === "write") fates[i] = SIZE_ONLY;
    }
  }
}

function keepSomeFiles(
  changes: readonly Change[],
  fates: Uint8Array,
  random: SimRandom,
): void {
  const bits = random.u32();
  for (let i = 0; i < fates.length; i++) {
    const id = changes[i].inode?.id ?? 0;
    fates[i] = (bits >>> (id % 32)) & 1;
  }
}

/** Tears the last surviving write half of the time, else any of them. */
function tearSome(
  changes: readonly Change[],
  fates: Uint8Array,
  random: SimRandom,
): void {
  const writes: number[] = [];
  for (let i = 0; i < fates.length; i++) {
    const change = changes[i];
    if (fates[i] !== KEEP || change.kind !== "write") continue;
    if (change.bytes.length > 1) writes.push(i);
  }
  if (writes.length === 0) return;
  const count = random.oneIn(4) ? 1 + random.int(3) : 1;
  for (let i = 0; i < count; i++) {
    const last = random.oneIn(2) && i === 0;
    const pick = last ? writes.length - 1 : random.int(writes.length);
    fates[writes[pick]] = TEAR;
  }
}
