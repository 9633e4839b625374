// This module is browser compatible.
//
// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), the
// checksum of pages, headers and log records, in plain JavaScript. It finds
// accidents, not attackers: those meet the Merkle root. 64-bit numbers are pairs
// of 32-bit halves, since `BigInt` is about fifty times slower.

// The five primes, low and high halves.
const P1L = 0x85ebca87 | 0, P1H = 0x9e3779b1 | 0;
const P2L = 0x27d4eb4f | 0, P2H = 0xc2b2ae3d | 0;
const P3L = 0x9e3779f9 | 0, P3H = 0x165667b1 | 0;
const P4L = 0xc2b2ae63 | 0, P4H = 0x85ebca77 | 0;
const P5L = 0x165667c5 | 0, P5H = 0x27d4eb2f | 0;

/** Accumulators: four pairs [low, high]; the first is the running hash later. */
const acc = /* @__PURE__ */ new Int32Array(8);

/** High half of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const low = Math.imul(a0, b0) >>> 16;
  const middle = Math.imul(a1, b0);
  const cross = Math.imul(a0, b1);
  // Sums below stay under 2^32: each is at most 0xffff * 0xffff + 2 * 0xffff.
  const t = ((middle & 0xffff) + (cross & 0xffff) + low) >>> 16;
  return (Math.imul(a1, b1) + (middle >>> 16) + (cross >>> 16) + t) | 0;
}

/** acc[i] *= p. */
function multiply(i: number, pLow: number, pHigh: number): void {
  const low = acc[i];
  acc[i + 1] = (multiplyHigh(low, pLow) + Math.imul(low, pHigh) +
    Math.imul(acc[i + 1], pLow)) | 0;
  acc[i] = Math.imul(low, pLow);
}

/** acc[i] += [low, high]. */
function add(i: number, low: number, high: number): void {
  const sum = (acc[i] + low) | 0;
  const carry = (sum >>> 0) < (low >>> 0) ? 1 : 0;
  acc[i] = sum;
  acc[i + 1] = (acc[i + 1] + high + carry) | 0;
}

/** acc[i] = rotate left by 0 < n < 32. */
function rotate(i: number, n: number): void {
  const low = acc[i], high = acc[i + 1];
  acc[i] = (low << n) | (high >>> (32 - n));
  acc[i + 1] = (high << n) | (low >>> (32 - n));
}

/** acc[i] = rotl(acc[i] + word * P2, 31) * P1. */
function round(i: number, low: number, high: number): void {
  add(
    i,
    Math.imul(low, P2L),
    (multiplyHigh(low, P2L) + Math.imul(low, P2H) + Math.imul(high, P2L)) | 0,
  );
  rotate(i, 31);
  multiply(i, P1L, P1H);
}

/** acc[0] ^= value. */
function mix(low: number, high: number): void {
  acc[0] ^= low;
  acc[1] ^= high;
}

/** Folds accumulator i into the hash [low, high] held in acc[0..1]. */
function merge(accLow: number, accHigh: number): void {
  const low = acc[0], high = acc[1];
  acc[0] = acc[1] = 0;
  round(0, accLow, accHigh);
  mix(low, high);
  multiply(0, P1L, P1H);
  add(0, P4L, P4H);
}

function setAcc(i: number, low: number, high: number): void {
  acc[i] = low;
  acc[i + 1] = high;
}

/** All whole 32-byte stripes; returns the position after them. */
function stripes(
  view: DataView,
  start: number,
  end: number,
  seedLow: number,
  seedHigh: number,
): number {
  for (let i = 0; i < 8; i += 2) setAcc(i, seedLow, seedHigh);
  add(0, P1L, P1H);
  add(0, P2L, P2H);
  add(2, P2L, P2H);
  add(6, ~P1L + 1, ~P1H);
  let at = start;
  for (; at + 32 <= end; at += 32) {
    round(0, view.getInt32(at, true), view.getInt32(at + 4, true));
    round(2, view.getInt32(at + 8, true), view.getInt32(at + 12, true));
    round(4, view.getInt32(at + 16, true), view.getInt32(at + 20, true));
    round(6, view.getInt32(at + 24, true), view.getInt32(at + 28, true));
  }
  const [l0, h0, l1, h1, l2, h2, l3, h3] = acc;
  rotate(0, 1);
  rotate(2, 7);
  rotate(4, 12);
  rotate(6, 18);
  for (let i = 2; i < 8; i += 2) add(0, acc[i], acc[i + 1]);
  merge(l0, h0);
  merge(l1, h1);
  merge(l2, h2);
  merge(l3, h3);
  return at;
}

/** The last 0 to 31 bytes. */
function tail(view: DataView, start: number, end: number): void {
  let at = start;
  for (; at + 8 <= end; at += 8) {
    setAcc(2, 0, 0);
    round(2, view.getInt32(at, true), view.getInt32(at + 4, true));
    mix(acc[2], acc[3]);
    rotate(0, 27);
    multiply(0, P1L, P1H);
    add(0, P4L, P4H);
  }
  if (at + 4 <= end) {
    setAcc(2, view.getInt32(at, true), 0);
    multiply(2, P1L, P1H);
    mix(acc[2], acc[3]);
    rotate(0, 23);
    multiply(0, P2L, P2H);
    add(0, P3L, P3H);
    at += 4;
  }
  for (; at < end; at++) {
    setAcc(2, view.getUint8(at), 0);
    multiply(2, P5L, P5H);
    mix(acc[2], acc[3]);
    rotate(0, 11);
    multiply(0, P1L, P1H);
  }
}

/**
 * Computes XXH64 of a range of bytes.
 *
 * @param bytes The bytes.
 * @param start First byte of the range.
 * @param end One past its last byte.
 * @param seedLo Low half of the seed.
 * @param seedHi High half of the seed.
 * @param out Receives `[low, high]`.
 */
export function xxh64(
  bytes: Uint8Array,
  start: number,
  end: number,
  seedLo: number,
  seedHi: number,
  out: Uint32Array,
): void {
  const length = end - start;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
  let at = 0;
  if (length >= 32) at = stripes(view, 0, length, seedLo | 0, seedHi | 0);
  else {
    setAcc(0, seedLo, seedHi);
    add(0, P5L, P5H);
  }
  add(0, length | 0, Math.floor(length / 0x1_0000_0000));
  tail(view, at, length);
  // Avalanche. A shift by 33 or 32 moves only the high half.
  mix(acc[1] >>> 1, 0);
  multiply(0, P2L, P2H);
  mix((acc[0] >>> 29) | (acc[1] << 3), acc[1] >>> 29);
  multiply(0, P3L, P3H);
  mix(acc[1], 0);
  out[0] = acc[0];
  out[1] = acc[1];
}
