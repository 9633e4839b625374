// This module is browser compatible.
//
// The changes of one version on their way to the log. They are kept in memory
// up to a bound; what is more goes to spare pages of the page file until the
// version is committed or dropped.

import type { CommitLog } from "./log.ts";
import type { ByteWriter } from "./bytes.ts";
import { noSum, type Sum } from "./sum.ts";

/** Bytes kept in memory. */
const MEMORY_BYTES_MAX = 4 << 20;

/** Where spare pages come from. */
export interface Spool {
  /** Writes bytes to pages that belong to the version. */
  spool(bytes: Uint8Array, sum: Sum): number;
  /** Reads them back, into a buffer that may be longer. */
  unspool(
    first: number,
    length: number,
    sum: Sum,
    into: Uint8Array,
  ): Uint8Array;
}

/** Encoded batches of changes. */
export class Payload {
  /** Where changes are appended. */
  readonly tail: ByteWriter;
  readonly #spool: Spool;
  readonly #parts: { first: number; length: number; sum: Sum }[] = [];
  #bytes = 0;

  /** @param tail An empty writer. */
  constructor(spool: Spool, tail: ByteWriter) {
    this.#spool = spool;
    this.tail = tail;
  }

  /** Bytes of all changes. */
  get byteLength(): number {
    return this.#bytes + this.tail.length;
  }

  /** Moves what is in memory to spare pages when it has become too much. */
  trim(): void {
    if (this.tail.length < MEMORY_BYTES_MAX) return;
    const sum = noSum(), bytes = this.tail.done();
    const first = this.#spool.spool(bytes, sum);
    this.#parts.push({ first, length: bytes.length, sum });
    this.#bytes += bytes.length;
    this.tail.clear();
  }

  /** Appends everything to the record that the log has begun. */
  copyTo(log: CommitLog): void {
    const most = Math.max(0, ...this.#parts.map(({ length }) => length));
    const buffer = new Uint8Array(most);
    for (const { first, length, sum } of this.#parts) {
      log.push(this.#spool.unspool(first, length, sum, buffer));
    }
    log.push(this.tail.done());
  }
}
