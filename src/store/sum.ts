// This module is browser compatible.
//
// Checksums as values: XXH64, two 32-bit halves.

/** A 64-bit checksum as [low, high]. */
export type Sum = Uint32Array;

/** A checksum that is not known. */
export function noSum(): Sum {
  return new Uint32Array(2);
}

/** Whether two checksums are the same. */
export function sameSum(a: Sum, b: Sum): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
