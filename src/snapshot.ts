// This module is browser compatible.
//
// A read session: sees one version for as long as it lives, whatever is
// committed meanwhile, and never blocks a commit.

import type { Core } from "./core.ts";
import type { Version } from "./store/versions.ts";
import { View } from "./view.ts";

/**
 * One version of the store, pinned until closed.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * using before = db.snapshot();
 * using session = db.begin();
 * session.set(new Uint8Array(32), new Uint8Array([1]));
 * await session.prepare().commit();
 * assertEquals(before.get(new Uint8Array(32)), undefined);
 * ```
 */
export class Snapshot extends View {
  /** Sequence of the commit that made this version. */
  readonly sequence: number;

  /**
   * Internal: made by `db.snapshot()`. The version is held already.
   *
   * @internal
   */
  constructor(core: Core, version: Version, sequence: number) {
    super(core, version);
    this.sequence = sequence;
  }

  /** Lets go of the version. Calling it again does nothing. */
  close(): void {
    this.letGo();
  }

  /** Same as {@linkcode close}. */
  [Symbol.dispose](): void {
    this.letGo();
  }
}
