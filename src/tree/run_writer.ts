// This module is browser compatible.
//
// How frames get into the page file: in the order of their pages, and pages that
// follow each other by one call.

import type { PageIo } from "./pool.ts";

/** Pages written by one call at most, in bytes. */
const CALL_BYTES_MAX = 1 << 20;

/** Writes frames of a pool. */
export class RunWriter {
  readonly #frames: Uint8Array;
  readonly #pageBytes: number;
  readonly #perCall: number;
  #staging: Uint8Array = new Uint8Array(0);

  /** @param frames All frames, one behind the other. */
  constructor(frames: Uint8Array, pageBytes: number) {
    this.#frames = frames;
    this.#pageBytes = pageBytes;
    this.#perCall = Math.max(1, Math.floor(CALL_BYTES_MAX / pageBytes));
  }

  /** @param pageOf Page that each frame holds. */
  write(io: PageIo, frames: readonly number[], pageOf: Uint32Array): void {
    const order = inPageOrder(frames, pageOf);
    for (let i = 0; i < order.length;) {
      const first = pageOf[order[i]];
      let n = 1;
      while (
        n < this.#perCall && i + n < order.length &&
        pageOf[order[i + n]] === first + n
      ) n++;
      io.writePages(first, this.#gather(order.subarray(i, i + n)));
      i += n;
    }
  }

  #gather(frames: Uint32Array): Uint8Array {
    const size = this.#pageBytes;
    const view = (frame: number): Uint8Array =>
      this.#frames.subarray(frame * size, (frame + 1) * size);
    if (frames.length === 1) return view(frames[0]);
    const bytes = this.#room(frames.length * size);
    for (let i = 0; i < frames.length; i++) {
      bytes.set(view(frames[i]), i * size);
    }
    return bytes;
  }

  #room(bytes: number): Uint8Array {
    if (this.#staging.length < bytes) {
      const most = this.#perCall * this.#pageBytes;
      this.#staging = new Uint8Array(Math.min(2 * bytes, most));
    }
    return this.#staging.subarray(0, bytes);
  }
}

function inPageOrder(
  frames: readonly number[],
  pageOf: Uint32Array,
): Uint32Array {
  // Numbers sort many times faster than by a function.
  const order = Float64Array.from(
    frames,
    (frame) => pageOf[frame] * pageOf.length + frame,
  );
  order.sort();
  return Uint32Array.from(order, (place) => place % pageOf.length);
}
