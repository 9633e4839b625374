// This module is browser compatible.
//
// Lists of u32 words that grow.

/**
 * A copy of a list that is zero behind what it had, with room for `least` words: twice as
 * many as before, unless that is too few, or more than `most`.
 */
export function grown(
  words: Uint32Array,
  least = 0,
  most = Infinity,
): Uint32Array {
  const length = Math.min(Math.max(least, 2 * words.length), most);
  const copy = new Uint32Array(length);
  copy.set(words);
  return copy;
}
