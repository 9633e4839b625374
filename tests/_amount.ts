// How much the randomized tests do, and with which seed. STEMMA_SCALE
// multiplies every amount (1 in `deno task test`, more in `nightly`);
// STEMMA_SEED replays a run. The same seed and scale give the same run, bit
// for bit: nothing here reads a clock.

/** Factor on every amount; 1 unless STEMMA_SCALE says otherwise. */
export const scale: number = readScale();

/** Seed of this run; from STEMMA_SEED, otherwise drawn and printed. */
export const seed: number = readSeed();

/** `base` times the scale, at least 1. */
export function amount(base: number): number {
  return Math.max(1, Math.round(base * scale));
}

/** A source of random numbers for one test: same name and seed, same numbers. */
export interface Random {
  /** Next 32 random bits as an unsigned integer. */
  u32(): number;
  /** Integer in [0, below). */
  int(below: number): number;
  /** Number in [0, 1). */
  real(): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** New array of `length` random bytes. */
  bytes(length: number): Uint8Array;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
  /** Puts the items into random order, in place; returns them. */
  shuffle<T>(items: T[]): T[];
}

/**
 * A generator for `name` under the run's seed (or under `from`). Tests with
 * different names draw independent numbers, so adding one disturbs no other.
 */
export function random(name: string, from: number = seed): Random {
  const u32 = sfc32(hash(name), from | 0);
  const int = (below: number): number => Math.floor(real() * below);
  const real = (): number => (u32() + (u32() >>> 11) * 2 ** -21) / 2 ** 32;
  return {
    u32,
    int,
    real,
    chance: (p) => real() < p,
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = u32() >>> 24;
      return bytes;
    },
    pick: (items) => items[int(items.length)],
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = int(i + 1);
        [items[i], items[j]] = [items[j], items[i]];
      }
      return items;
    },
  };
}

/** Chris Doty-Humphrey's sfc32, 128 bits of state. */
function sfc32(name: number, from: number): () => number {
  let a = name, b = from, c = 0x9e3779b9 | 0, counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

/** FNV-1a of the name, 32 bits. */
function hash(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  }
  return h | 0;
}

function readScale(): number {
  const text = Deno.env.get("STEMMA_SCALE") ?? "1";
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`STEMMA_SCALE is ${text}`);
  return value;
}

function readSeed(): number {
  const text = Deno.env.get("STEMMA_SEED");
  if (text !== undefined) {
    const value = Number(text);
    if (!Number.isInteger(value)) {
      throw new RangeError(`STEMMA_SEED is ${text}`);
    }
    return value;
  }
  const drawn = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
  console.log(`replay with STEMMA_SEED=${drawn}`);
  return drawn;
}
