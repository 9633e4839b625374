// This module is browser compatible.
//
// Reading one version: the part that snapshots and prepared versions share.

import type { Query } from "@stemma/verify";
import type { Core } from "./core.ts";
import { UsedUpError } from "./errors.ts";
import type { Version } from "./store/versions.ts";
import type { Range } from "./tree_reader.ts";

/** What to prove: one key, several keys, or keys and ranges. */
export type ProofQuery = Uint8Array | readonly Uint8Array[] | Query;

/**
 * One version of the store, as it was and as long as this object lives: what
 * snapshots and prepared versions have in common.
 *
 * @example One function for both
 * ```ts
 * import { memoryBackend, open, type View } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const count = (view: View): number => Array.from(view.entries()).length;
 *
 * await using db = await open(memoryBackend());
 * using session = db.begin();
 * session.set(new Uint8Array(32), new Uint8Array([1]));
 * using prepared = session.prepare();
 * using snapshot = db.snapshot();
 * assertEquals([count(snapshot), count(prepared)], [0, 1]);
 * ```
 */
export class View {
  /** @internal */
  protected readonly core: Core;
  /** @internal */
  protected readonly version: Version;
  #isOpen = true;

  /**
   * Internal: made by the store.
   *
   * @internal
   */
  constructor(core: Core, version: Version) {
    this.core = core;
    this.version = version;
  }

  /** The root: 32 bytes, a copy. */
  get root(): Uint8Array {
    return this.version.tree.hash.slice();
  }

  /**
   * Looks up a key.
   *
   * @param key A key of the scheme's length.
   * @returns The value, a copy; `undefined` when the key is absent. Values of up to
   *   64 bytes share a buffer with others: `slice()` one before transferring it.
   * @throws {RangeError} When the key has a wrong length.
   * @throws {CorruptError} When storage holds other bytes than were written.
   * @throws {UsedUpError} When the view was closed.
   */
  get(key: Uint8Array): Uint8Array | undefined {
    this.refuseUsed();
    return this.core.get(this.version, key);
  }

  /**
   * Whether a key is present. An empty value is present.
   *
   * @param key A key of the scheme's length.
   * @returns Whether the key has a value.
   * @throws {RangeError} When the key has a wrong length.
   */
  has(key: Uint8Array): boolean {
    this.refuseUsed();
    return this.core.has(this.version, key);
  }

  /**
   * Lists entries in the order of their keys' bytes.
   *
   * @param range Bounds, direction and limit.
   * @returns Keys and values, copies; short ones share buffers, as with `get`.
   */
  entries(
    range: Range = {},
  ): IterableIterator<[Uint8Array, Uint8Array]> {
    this.refuseUsed();
    return this.core.entries(this.version, range, () => this.refuseUsed());
  }

  /**
   * Proves the value or the absence of keys, or all entries of ranges.
   *
   * @param query One key, several keys, or `{ keys, ranges }`.
   * @returns The proof for {@linkcode root}, in the format of docs/proofs.md.
   * @throws {ProofError} When a key does not fit the scheme.
   */
  prove(query: ProofQuery): Uint8Array {
    this.refuseUsed();
    return this.core.prove(this.version, query);
  }

  /**
   * Internal: whether the view still holds its version.
   *
   * @internal
   */
  protected get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Internal: lets go of the version.
   *
   * @internal
   */
  protected letGo(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (!this.core.isClosed) this.core.storage.versions.release(this.version);
  }

  /**
   * Internal: refuses to work on a version that is gone.
   *
   * @internal
   */
  protected refuseUsed(): void {
    this.core.refuseClosed();
    if (!this.#isOpen) {
      throw new UsedUpError("Cannot read version: it was closed or dropped");
    }
  }
}

/**
 * Internal: the live version that a view of this store stands for.
 *
 * @throws {TypeError} When the view belongs to another store.
 */
export function versionOf(view: View, core: Core): Version {
  const inside = view as unknown as {
    core: Core;
    version: Version;
    refuseUsed(): void;
  };
  if (inside.core !== core) {
    throw new TypeError("Cannot stand on version: it is of another store");
  }
  inside.refuseUsed();
  return inside.version;
}
