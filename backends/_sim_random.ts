// This module is browser compatible.
/**
 * The simulation's source of chance: 32 bits of state, so that a whole power
 * loss is named by one number and comes out the same everywhere.
 *
 * @module
 */
import { mix32 } from "./_sparse_bytes.ts";

/** Numbers that follow from a seed. */
export class SimRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = mix32(seed ^ Math.floor(seed / 0x100000000)) | 0;
  }

  /** The next 32 random bits. */
  u32(): number {
    this.#state = this.#state + 0x9e3779b9 | 0;
    return mix32(this.#state);
  }

  /** An integer in 0..below − 1. */
  int(below: number): number {
    return Math.floor(this.u32() / 0x100000000 * below);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.int(n) === 0;
  }
}
