// This module is browser compatible.
//
// Which frames of the pool hold nothing. The lowest is given out first, so a small
// store touches little memory, and the frames that an edit takes ascend, as its
// keys do: copying pages between ascending frames takes half the time that it
// takes between scattered ones, since address translation and prefetching follow.

/** A set of frames that gives out its lowest. */
export class FreeFrames {
  /** One bit a frame. */
  readonly #bits: Uint32Array;
  /** Below this word no bit is set. */
  #lowest = 0;
  #count = 0;

  /** @param count Frames, all of them free. */
  constructor(count: number) {
    this.#bits = new Uint32Array(Math.ceil(count / 32));
    for (let frame = 0; frame < count; frame++) this.give(frame);
  }

  /** Frames in the set. */
  get count(): number {
    return this.#count;
  }

  /** Takes the lowest frame; -1 when there is none. */
  take(): number {
    if (this.#count === 0) return -1;
    const bits = this.#bits;
    let word = this.#lowest;
    while (bits[word] === 0) word++;
    this.#lowest = word;
    this.#count--;
    const bit = 31 - Math.clz32(bits[word] & -bits[word]);
    bits[word] &= ~(1 << bit);
    return word * 32 + bit;
  }

  /** Gives a frame back. */
  give(frame: number): void {
    const word = frame >>> 5;
    this.#bits[word] |= 1 << (frame & 31);
    this.#count++;
    if (word < this.#lowest) this.#lowest = word;
  }
}
