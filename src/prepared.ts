// This module is browser compatible.
//
// A version that is complete and hashed but not committed: its root is known, it
// can be read, proven and built upon, and it goes away unless it is committed.

import { META_BYTES_MAX } from "./store/header.ts";
import type { Core } from "./core.ts";
import {
  StaleSessionError,
  UncommittedParentError,
  UsedUpError,
} from "./errors.ts";
import type { Payload } from "./store/payload.ts";
import type { Version } from "./store/versions.ts";
import { View } from "./view.ts";

/** What goes into a commit besides the writes. */
export interface CommitOptions {
  /** The application's own data, at most 4,096 bytes: `db.head.meta`. */
  readonly meta?: Uint8Array;
}

/**
 * Internal: prepared versions by version, so that commits can make them stale.
 *
 * @internal
 */
export const handles: WeakMap<Version, Prepared> = new WeakMap();

/**
 * A version between `prepare()` and `commit()`.
 *
 * @example Two forks, one of which is committed
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * const key = new Uint8Array(32);
 * const forks = [1, 2].map((byte) => {
 *   using session = db.begin();
 *   session.set(key, new Uint8Array([byte]));
 *   return session.prepare();
 * });
 * await forks[1].commit();
 * assertEquals(db.get(key), new Uint8Array([2]));
 * ```
 */
export class Prepared extends View {
  /** Root of the version below: 32 bytes. */
  readonly previousRoot: Uint8Array;
  /** Proof of everything the session read and wrote, when asked for. */
  readonly witness: Uint8Array | undefined;
  readonly #payload: Payload;
  #isCommitted = false;
  #isQueued = false;

  /**
   * Internal: made by `session.prepare()`.
   *
   * @internal
   */
  constructor(
    core: Core,
    version: Version,
    payload: Payload,
    previousRoot: Uint8Array,
    witness: Uint8Array | undefined,
  ) {
    super(core, version);
    version.state = "prepared";
    this.previousRoot = previousRoot;
    this.witness = witness;
    this.#payload = payload;
    handles.set(version, this);
  }

  /** Whether another version was committed in this one's place. */
  get isStale(): boolean {
    return this.version.isStale;
  }

  /** Whether this version was committed. */
  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /**
   * Makes the version durable and the head. Commits queue in call order and may
   * share a flush; `db.root` moves when the flush succeeded.
   *
   * @param options The application's data for this commit.
   * @throws {StaleSessionError} When the version below is not the head.
   * @throws {UncommittedParentError} When the version below is not committed.
   * @throws {StorageFullError} When there is no room; nothing has changed.
   * @throws {PoisonedError} After an earlier write or flush has failed.
   */
  async commit(options: CommitOptions = {}): Promise<void> {
    const meta = checkMeta(options.meta);
    this.#refuseCommit();
    const { storage } = this.core;
    this.#isQueued = true;
    try {
      await storage.commit(this.version, this.#payload, meta);
      this.#isCommitted = true;
    } finally {
      this.letGo();
    }
  }

  /** Drops the version. After a commit, or when called again, does nothing. */
  discard(): void {
    if (!this.#isQueued) this.letGo();
  }

  /** Same as {@linkcode discard}. */
  [Symbol.dispose](): void {
    this.discard();
  }

  /**
   * Internal: another version was committed in this one's place.
   *
   * @internal
   */
  makeStale(): void {
    if (!this.#isQueued) this.letGo();
  }

  /**
   * Internal: why the version cannot be read, where that is known.
   *
   * @internal
   */
  protected override refuseUsed(): void {
    this.core.refuseClosed();
    if (!this.isOpen && this.isStale) throw stale();
    super.refuseUsed();
  }

  #refuseCommit(): void {
    this.core.refuseClosed();
    if (this.#isQueued) {
      throw new UsedUpError("Cannot commit version: commit was called before");
    }
    if (this.isStale) throw stale();
    if (!this.isOpen) {
      throw new UsedUpError("Cannot commit version: it was discarded");
    }
    const { storage } = this.core;
    storage.refuseWrites();
    const { parent } = this.version;
    if (parent === storage.tipVersion) return;
    if (parent?.state === "prepared" && !parent.isStale) {
      throw new UncommittedParentError(
        "Cannot commit version: the version below it is not committed",
      );
    }
    throw stale();
  }
}

function stale(): StaleSessionError {
  return new StaleSessionError(
    "Cannot use version: another one was committed in its place",
  );
}

function checkMeta(meta: Uint8Array | undefined): Uint8Array {
  if (meta === undefined) return new Uint8Array(0);
  if (!(meta instanceof Uint8Array)) {
    throw new TypeError("Cannot commit version: meta must be a Uint8Array");
  }
  if (meta.length <= META_BYTES_MAX) return meta.slice();
  throw new RangeError(
    `Cannot commit version: meta must be at most ${META_BYTES_MAX} bytes: ` +
      `received ${meta.length}`,
  );
}
