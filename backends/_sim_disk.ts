// This module is browser compatible.
/**
 * The disk below the simulated backend: for every file the durable bytes and
 * the changes since, for the directory the durable names and the changes since.
 *
 * Invariant: a file's durable bytes, followed by its changes in order, give the
 * bytes that an open handle sees. A change is *pending* until its file is
 * flushed; *doubtful* after a flush of it failed (it may be on the disk or not,
 * and no later flush helps it); *certain* when it was flushed but lies behind a
 * doubtful one and so cannot be folded into the durable bytes yet.
 *
 * @module
 */
import { SparseBytes } from "./_sparse_bytes.ts";

/** Small blocks: an image copies the ones that a lost or torn write touches. */
export const BLOCK_BYTES = 4096;

/** One write or truncate since the last successful flush. */
export interface DataChange {
  readonly kind: "write" | "truncate";
  readonly sequence: number;
  readonly inode: Inode;
  /** Where a write starts, or the size a truncate sets. */
  readonly position: number;
  /** What a write wrote; empty for a truncate. */
  readonly bytes: Uint8Array;
  /** How many flushes of the file were asked for before. */
  readonly epoch: number;
  state: "pending" | "doubtful" | "certain";
}

/** One creation or removal since the last successful directory sync. */
export interface NameChange {
  readonly kind: "name";
  readonly sequence: number;
  readonly name: string;
  /** The file made, or undefined for a removal. */
  readonly inode: Inode | undefined;
  state: "pending" | "doubtful";
}

/** A file apart from its name. */
export interface Inode {
  readonly id: number;
  /** What handles see. */
  readonly cached: SparseBytes;
  /** What certainly survives, before `changes`. */
  readonly durable: SparseBytes;
  readonly changes: DataChange[];
  epoch: number;
  /** What it held before it was last cut: disk blocks may come back with it. */
  ghost: SparseBytes | undefined;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Files, names, and what would be lost if the power failed now. */
export class SimulatedDisk {
  /** The names as handles see them. */
  readonly names: Map<string, Inode> = new Map();
  /** The names that certainly survive. */
  readonly durableNames: Map<string, Inode> = new Map();
  /** Creations and removals not synced yet, in order. */
  nameChanges: NameChange[] = [];
  /** Whoever has the store's lock. */
  lockOwner: object | undefined;
  #sequence = 0;
  #inodes = 0;
  #uncertain: readonly (DataChange | NameChange)[] | undefined;

  /** Puts a file there, durable with its name: how an image becomes a disk. */
  restore(name: string, bytes: SparseBytes): void {
    const inode = this.#newInode(bytes);
    this.names.set(name, inode);
    this.durableNames.set(name, inode);
    this.#uncertain = undefined;
  }

  /** Creates an empty file; its name is pending. */
  create(name: string): Inode {
    const inode = this.#newInode(new SparseBytes(BLOCK_BYTES));
    this.names.set(name, inode);
    this.#changeName(name, inode);
    return inode;
  }

  /** Removes a name; the removal is pending. */
  remove(name: string): void {
    this.names.delete(name);
    this.#changeName(name, undefined);
  }

  /** Writes bytes; they are copied. */
  write(inode: Inode, bytes: Uint8Array, position: number): void {
    inode.cached.write(bytes, position);
    this.#change("write", inode, position, bytes.slice());
  }

  /** Sets a file's size. */
  truncate(inode: Inode, size: number): void {
    if (size < inode.cached.size) inode.ghost = inode.cached.clone();
    inode.cached.truncate(size);
    this.#change("truncate", inode, size, NOTHING);
  }

  /** Begins a flush: later changes are not part of it. Gives its epoch. */
  beginFlush(inode: Inode): number {
    return inode.epoch++;
  }

  /** Ends a flush that worked: what it covers survives, save the doubtful. */
  endFlush(inode: Inode, epoch: number): void {
    const changes = inode.changes;
    let done = 0;
    while (done < changes.length && changes[done].epoch <= epoch) {
      const change = changes[done];
      if (change.state === "doubtful") break;
      applyWhole(inode.durable, change);
      done++;
    }
    changes.splice(0, done);
    for (const change of changes) {
      if (change.epoch <= epoch && change.state === "pending") {
        change.state = "certain";
      }
    }
    this.#uncertain = undefined;
  }

  /** Ends a flush that failed: what it covers is doubtful from now on. */
  failFlush(inode: Inode, epoch: number): void {
    for (const change of inode.changes) {
      if (change.epoch <= epoch && change.state === "pending") {
        change.state = "doubtful";
      }
    }
  }

  /** Makes the names durable, save those a failed sync left in doubt. */
  syncNames(): void {
    const doubtful: NameChange[] = [];
    for (const change of this.nameChanges) {
      if (change.state === "doubtful") {
        doubtful.push(change);
        continue;
      }
      if (change.inode === undefined) this.durableNames.delete(change.name);
      else this.durableNames.set(change.name, change.inode);
      const before = doubtful.findIndex((other) => other.name === change.name);
      if (before >= 0) doubtful.splice(before, 1);
    }
    this.nameChanges = doubtful;
    this.#uncertain = undefined;
  }

  /** Ends a directory sync that failed. */
  failNames(): void {
    for (const change of this.nameChanges) change.state = "doubtful";
  }

  /** Every change that a power loss may keep or lose, in order. */
  uncertain(): readonly (DataChange | NameChange)[] {
    if (this.#uncertain !== undefined) return this.#uncertain;
    const list: (DataChange | NameChange)[] = [...this.nameChanges];
    for (const inode of this.inodes()) {
      for (const change of inode.changes) {
        if (change.state !== "certain") list.push(change);
      }
    }
    list.sort((a, b) => a.sequence - b.sequence);
    this.#uncertain = list;
    return list;
  }

  /** Every file that some power loss may leave behind. */
  inodes(): Set<Inode> {
    const all = new Set<Inode>(this.durableNames.values());
    for (const inode of this.names.values()) all.add(inode);
    for (const change of this.nameChanges) {
      if (change.inode !== undefined) all.add(change.inode);
    }
    return all;
  }

  /** The sum of all file sizes. */
  usedBytes(): number {
    let sum = 0;
    for (const inode of this.names.values()) sum += inode.cached.size;
    return sum;
  }

  #newInode(durable: SparseBytes): Inode {
    const cached = durable.clone();
    return {
      id: ++this.#inodes,
      cached,
      durable,
      changes: [],
      epoch: 0,
      ghost: undefined,
    };
  }

  #change(
    kind: "write" | "truncate",
    inode: Inode,
    position: number,
    bytes: Uint8Array,
  ): void {
    const sequence = ++this.#sequence;
    const { epoch } = inode;
    const state = "pending";
    inode.changes.push({
      kind,
      sequence,
      inode,
      position,
      bytes,
      epoch,
      state,
    });
    this.#uncertain = undefined;
  }

  #changeName(name: string, inode: Inode | undefined): void {
    const sequence = ++this.#sequence;
    this.nameChanges.push({
      kind: "name",
      sequence,
      name,
      inode,
      state: "pending",
    });
    this.#uncertain = undefined;
  }
}

/** Applies a change as it was meant. */
export function applyWhole(bytes: SparseBytes, change: DataChange): void {
  if (change.kind === "truncate") bytes.truncate(change.position);
  else bytes.write(change.bytes, change.position);
}
