// Seeded numbers, and keys spread over the whole key space as if hashed: the
// same seed and index give the same key on every machine.

/** A source of random numbers. */
export interface Random {
  /** Integer in [0, below). */
  int(below: number): number;
  /** Number in [0, 1). */
  real(): number;
  /** Number of a normal distribution around 0 with deviation 1. */
  normal(): number;
}

/** Chris Doty-Humphrey's sfc32, seeded. */
export function random(seed: number): Random {
  let a = seed | 0, b = 0x9e3779b9 | 0, c = 0x243f6a88, counter = 1;
  const u32 = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) u32();
  const real = (): number => u32() / 2 ** 32;
  return {
    real,
    int: (below) => Math.floor(real() * below),
    normal: () =>
      Math.sqrt(-2 * Math.log(1 - real())) * Math.cos(2 * Math.PI * real()),
  };
}

/** Mixes 32 bits so that neighbours have nothing in common; a bijection. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** The first word of a key. */
function firstWord(index: number): number {
  return mix(index + 0x5bd1e995);
}

/**
 * The numbers of the first keys, at most 2^24, in the order of the keys as far as their
 * first 29 bits tell.
 */
export function spreadOrder(count: number): Float64Array {
  const order = new Float64Array(count);
  for (let i = 0; i < count; i++) order[i] = (firstWord(i) >>> 3) * 2 ** 24 + i;
  order.sort();
  for (let i = 0; i < count; i++) order[i] %= 2 ** 24;
  return order;
}

/** Key number `index`: distinct for distinct indices below 2^32. */
export function spreadKey(index: number, bytes: number): Uint8Array {
  const key = new Uint8Array(bytes);
  let word = firstWord(index);
  for (let at = 0; at < bytes; at += 4) {
    const end = Math.min(4, bytes - at);
    for (let i = 0; i < end; i++) key[at + i] = word >>> (24 - 8 * i);
    word = mix(word + 0x9e3779b9);
  }
  return key;
}

/** Bytes that differ for each number; four of them are the number. */
export function valueOf(number: number, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  let word = number | 0;
  for (let at = 0; at < bytes; at += 4) {
    const end = Math.min(4, bytes - at);
    for (let i = 0; i < end; i++) value[at + i] = word >>> (24 - 8 * i);
    if (at < 64) word = mix(word + 0x9e3779b9);
  }
  return value;
}
