// This module is browser compatible.
//
// What the objects that an open store hands out have in common: the storage, the
// reader, and the checks of arguments.

import type { Query, Scheme } from "@stemma/verify";
import { Changes, checkKey } from "./changes.ts";
import { UsedUpError } from "./errors.ts";
import { TreeProver } from "./prove.ts";
import { KeyProver, provesKeys, provesStep } from "./prove/key_prover.ts";
import type { Storage } from "./store/storage.ts";
import type { Version } from "./store/versions.ts";
import { VALUE_BYTES_MAX } from "./tree/layout.ts";
import { type Range, TreeReader, VersionTree } from "./tree_reader.ts";
import type { ProofQuery } from "./view.ts";

/** Bytes of pending writes after which a session applies them. */
const ABSORB_BYTES_MAX = 8 << 20;

/** The inside of an open store. */
export class Core {
  readonly storage: Storage;
  readonly reader: TreeReader;
  readonly scheme: Scheme;
  /** Bytes of pending writes that a session holds before it applies them. */
  readonly absorbBytes: number;
  isClosed = false;
  /** Memory of an ended session for the next one: fresh memory costs time. */
  #spare: Changes | undefined;
  /** One of the sessions, over or not. */
  #session: object | undefined;
  #prover: KeyProver | undefined;
  readonly #treeProver: TreeProver;
  /** The version that the prover of trees looks at. */
  readonly #view: VersionTree;

  constructor(storage: Storage) {
    this.storage = storage;
    this.scheme = storage.scheme;
    this.reader = new TreeReader(storage);
    this.#treeProver = new TreeProver(storage.scheme);
    this.#view = new VersionTree(storage);
    const { frameCount, pageBytes } = storage.pool;
    this.absorbBytes = Math.min(
      ABSORB_BYTES_MAX,
      Math.max(1 << 16, frameCount * pageBytes / 16),
    );
  }

  /**
   * Keeps the first session for as long as the store is open: when the garbage collector
   * takes the last object of a class, V8 throws away what it has compiled for it.
   */
  keep(session: object): void {
    this.#session ??= session;
  }

  /** An empty set of changes. */
  takeChanges(): Changes {
    const changes = this.#spare ?? new Changes();
    this.#spare = undefined;
    return changes;
  }

  /** Takes back what an ended session no longer uses. */
  giveBack(changes: Changes): void {
    changes.clear();
    this.#spare = changes;
  }

  /** Refuses everything after `close()`. */
  refuseClosed(): void {
    if (this.isClosed) throw new UsedUpError("Cannot use store: it is closed");
  }

  /** Refuses keys that the scheme does not take. */
  checkKey(key: Uint8Array, action: string): void {
    checkKey(key, this.storage.rule, action);
  }

  /** Refuses values that the scheme does not take. */
  checkValue(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError("Cannot set key: value must be a Uint8Array");
    }
    const { valueBytes } = this.scheme;
    if (valueBytes !== undefined && value.length !== valueBytes) {
      throw new RangeError(
        `Cannot set key: value must be ${valueBytes} bytes: received ` +
          value.length,
      );
    }
    if (value.length > VALUE_BYTES_MAX) {
      throw new RangeError(
        `Cannot set key: value must be at most ${VALUE_BYTES_MAX} bytes: ` +
          `received ${value.length}`,
      );
    }
  }

  get(version: Version, key: Uint8Array): Uint8Array | undefined {
    this.checkKey(key, "get key");
    this.storage.counters.reads++;
    return this.reader.get(version.tree, key);
  }

  has(version: Version, key: Uint8Array): boolean {
    this.checkKey(key, "look up key");
    this.storage.counters.reads++;
    return this.reader.has(version.tree, key);
  }

  entries(
    version: Version,
    range: Range,
    isLive: () => void,
  ): Generator<[Uint8Array, Uint8Array], void, undefined> {
    checkRange(range);
    return this.reader.entries(version, range, isLive);
  }

  prove(version: Version, query: ProofQuery): Uint8Array {
    this.storage.counters.proofs++;
    const { keys = [], ranges = [] } = asQuery(query);
    if (ranges.length === 0 && provesKeys(this.scheme, keys)) {
      return this.#keyProver().prove(version.tree, keys);
    }
    const tree = this.#view.turn(version.tree);
    return this.#treeProver.prove(tree, { keys, ranges });
  }

  #keyProver(): KeyProver {
    return this.#prover ??= new KeyProver(this.storage);
  }

  /** The witness of a session's step from `base` to `newRoot`. */
  witness(
    base: Version,
    newRoot: Uint8Array,
    reads: Changes,
    writes: Changes,
  ): Uint8Array {
    if (provesStep(this.scheme, reads, writes)) {
      return this.#keyProver().witness(base.tree, newRoot, reads, writes);
    }
    return this.#treeProver.witness(this.#view.turn(base.tree), newRoot, {
      // In order, so that there is little left to sort.
      reads: Array.from(reads.sorted(), (entry) => reads.key(entry)),
      writes: Array.from(writes.sorted(), (entry) => ({
        key: writes.key(entry),
        value: writes.value(entry),
      })),
    });
  }
}

function asQuery(query: ProofQuery): Query {
  if (query instanceof Uint8Array) return { keys: [query] };
  return isList(query) ? { keys: query } : query;
}

function isList(query: ProofQuery): query is readonly Uint8Array[] {
  return Array.isArray(query);
}

function checkRange(range: Range): void {
  if (range.gt !== undefined && range.gte !== undefined) {
    throw new TypeError("Cannot list entries: gt and gte exclude each other");
  }
  if (range.lt !== undefined && range.lte !== undefined) {
    throw new TypeError("Cannot list entries: lt and lte exclude each other");
  }
  for (const bound of [range.gt, range.gte, range.lt, range.lte]) {
    if (bound !== undefined && !(bound instanceof Uint8Array)) {
      throw new TypeError("Cannot list entries: bounds must be Uint8Arrays");
    }
  }
  const { limit } = range;
  if (limit !== undefined && !(limit >= 0)) {
    throw new RangeError(`Cannot list entries: limit is ${limit}`);
  }
}
