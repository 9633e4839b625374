// This module is browser compatible.
//
// A write session: collects writes on top of a version, answers reads with them,
// and prepares them as a new version. Writes that outgrow their bound are
// applied to the version early, so a session of any size stays within memory.

import type { Core } from "./core.ts";
import { Changes } from "./changes.ts";
import { StaleSessionError, UsedUpError } from "./errors.ts";
import { Prepared } from "./prepared.ts";
import type { Payload } from "./store/payload.ts";
import type { Version } from "./store/versions.ts";

/** How a session is begun. */
export interface SessionOptions {
  /**
   * Whether to make a witness of everything read and written.
   *
   * @default {false}
   */
  readonly witness?: boolean;
}

/**
 * Collects writes; see {@linkcode Session.prepare}.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * using session = db.begin();
 * session.set(new Uint8Array(32), new Uint8Array([1, 2, 3]));
 * const next = session.prepare();
 * assertEquals(db.has(new Uint8Array(32)), false);
 * await next.commit();
 * assertEquals(db.root, next.root);
 * ```
 */
export class Session {
  readonly #core: Core;
  readonly #base: Version;
  #changes: Changes;
  /** Keys read, when there is to be a witness. */
  #reads: Changes | undefined;
  /** All writes that were applied, for the witness. */
  #applied: Changes | undefined;
  #working: Version | undefined;
  #payload: Payload | undefined;
  #isOpen = true;

  /**
   * Internal: made by `db.begin()`. The base is held already.
   *
   * @internal
   */
  constructor(core: Core, base: Version, options: SessionOptions) {
    this.#core = core;
    this.#base = base;
    this.#changes = core.takeChanges();
    core.keep(this);
    if (options.witness) this.#reads = new Changes();
  }

  /**
   * Sets a key. Both arrays are copied.
   *
   * @param key A key of the scheme's length.
   * @param value Any bytes up to 512 MiB, or exactly what the scheme wants. An
   *   empty value is a value.
   * @throws {RangeError} When the key or value has a wrong length.
   */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#refuseUsed();
    this.#core.checkKey(key, "set key");
    this.#core.checkValue(value);
    this.#write(key, value);
  }

  /**
   * Deletes a key; deleting an absent key changes nothing.
   *
   * @param key A key of the scheme's length.
   * @throws {RangeError} When the key has a wrong length.
   */
  delete(key: Uint8Array): void {
    this.#refuseUsed();
    this.#core.checkKey(key, "delete key");
    this.#write(key, undefined);
  }

  /**
   * Looks up a key, this session's writes included.
   *
   * @param key A key of the scheme's length.
   * @returns The value, a copy; `undefined` when the key is absent. Values of up to
   *   64 bytes share a buffer with others: `slice()` one before transferring it.
   * @throws {RangeError} When the key has a wrong length.
   */
  get(key: Uint8Array): Uint8Array | undefined {
    this.#refuseUsed();
    this.#core.checkKey(key, "get key");
    const entry = this.#changes.find(key);
    if (entry >= 0) return this.#changes.value(entry)?.slice();
    this.#noteRead(key);
    return this.#core.get(this.#working ?? this.#base, key);
  }

  /**
   * Whether a key is present, this session's writes included.
   *
   * @param key A key of the scheme's length.
   * @returns Whether the key has a value.
   * @throws {RangeError} When the key has a wrong length.
   */
  has(key: Uint8Array): boolean {
    this.#refuseUsed();
    this.#core.checkKey(key, "look up key");
    const entry = this.#changes.find(key);
    if (entry >= 0) return !this.#changes.isDelete(entry);
    this.#noteRead(key);
    return this.#core.has(this.#working ?? this.#base, key);
  }

  /**
   * Loads the pages that later reads and writes of these keys will need: level by
   * level, and pages that lie close together in the file by one call. Many keys at a
   * time cost fewer calls than one by one.
   *
   * @param keys Keys of the scheme's length.
   * @returns Pages read from storage.
   */
  warmUp(keys: Iterable<Uint8Array>): number {
    this.#refuseUsed();
    const { reader, storage } = this.#core;
    let some: Uint8Array[] = [], pages = 0;
    const load = (): void => {
      this.#refuseUsed();
      const { tree } = this.#working ?? this.#base;
      const read = reader.load(tree, some);
      storage.counters.warmed += read;
      pages += read;
      some = [];
    };
    for (const key of keys) {
      this.#core.checkKey(key, "warm up");
      if (some.push(key) === reader.loadKeysMax) load();
    }
    load();
    return pages;
  }

  /**
   * Makes a version of the writes. Its root is known, nothing is durable.
   *
   * @returns The version, to be committed, built upon or discarded. The session
   *   is used up.
   * @throws {StaleSessionError} When the version below can never be committed.
   * @throws {KeyPrefixError} When a key is a prefix of another; the session
   *   stays as it was, unless it had outgrown its memory before.
   */
  prepare(): Prepared {
    this.#refuseUsed();
    if (this.#base.isStale) {
      throw new StaleSessionError(
        "Cannot prepare session: another version was committed in the place of " +
          "the one below it",
      );
    }
    this.#absorb();
    const version = this.#working!, base = this.#base;
    const witness = this.#witness(version), payload = this.#payload!;
    this.#working = undefined;
    this.#end();
    this.#core.storage.versions.release(base);
    return new Prepared(
      this.#core,
      version,
      payload,
      base.tree.hash.slice(),
      witness,
    );
  }

  /** Drops the session and its writes. Calling it again does nothing. */
  discard(): void {
    if (!this.#isOpen) return;
    const working = this.#working;
    this.#end();
    if (this.#core.isClosed) return;
    const { versions } = this.#core.storage;
    if (working !== undefined) versions.release(working);
    versions.release(this.#base);
  }

  /** Same as {@linkcode discard}. */
  [Symbol.dispose](): void {
    this.discard();
  }

  /** Gives back what the session no longer needs. */
  #end(): void {
    this.#isOpen = false;
    this.#core.giveBack(this.#changes);
    this.#working = undefined;
    this.#payload = undefined;
    this.#reads = undefined;
    this.#applied = undefined;
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#changes.write(key, value);
    if (this.#changes.byteLength > this.#core.absorbBytes) this.#absorb();
  }

  /** Applies the collected writes to the session's own version. */
  #absorb(): void {
    const { storage } = this.#core;
    storage.refuseWrites();
    const isFirst = this.#working === undefined;
    this.#working ??= storage.versions.begin(this.#base);
    this.#payload ??= storage.payload(this.#working);
    try {
      storage.apply(this.#working, this.#changes, this.#payload);
    } catch (error) {
      const spoiled = this.#working;
      this.#working = undefined;
      this.#payload = undefined;
      storage.versions.release(spoiled);
      // What was applied before is gone with the version.
      if (!isFirst) this.discard();
      throw error;
    }
    storage.counters.writes += this.#changes.count;
    if (this.#reads !== undefined) this.#keepApplied();
    else this.#changes.clear();
  }

  /** Adds what was applied just now to what the witness will tell. */
  #keepApplied(): void {
    const changes = this.#changes, applied = this.#applied;
    if (applied === undefined) {
      this.#applied = changes;
      this.#changes = new Changes();
      return;
    }
    for (let entry = 0; entry < changes.count; entry++) {
      applied.write(changes.key(entry), changes.value(entry));
    }
    changes.clear();
  }

  #noteRead(key: Uint8Array): void {
    const reads = this.#reads, applied = this.#applied;
    if (reads === undefined || reads.find(key) >= 0) return;
    if (applied !== undefined && applied.find(key) >= 0) return;
    reads.write(key, undefined);
  }

  #witness(version: Version): Uint8Array | undefined {
    if (this.#reads === undefined) return undefined;
    return this.#core.witness(
      this.#base,
      version.tree.hash,
      this.#reads,
      this.#applied!,
    );
  }

  #refuseUsed(): void {
    this.#core.refuseClosed();
    if (this.#isOpen) return;
    throw new UsedUpError("Cannot use session: it was prepared or discarded");
  }
}
