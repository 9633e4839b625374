// Seeded random numbers of the hash tests. The seed is printed once and may be set
// with STEMMA_SEED, so that a failing run can be repeated.

import { seed } from "../_amount.ts";

let state = seed | 0;

/** The next number of a splitmix32 generator: an unsigned 32-bit integer. */
export function next(): number {
  state = (state + 0x9e3779b9) | 0;
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** A number from 0 to below - 1. */
export function below(limit: number): number {
  return next() % limit;
}

export function randomWords(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, next);
}

export function randomBytes(length: number): Uint8Array {
  const words = new Uint32Array((length + 3) >>> 2);
  for (let i = 0; i < words.length; i++) words[i] = next();
  return new Uint8Array(words.buffer, 0, length);
}
