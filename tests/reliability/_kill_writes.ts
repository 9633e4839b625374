// What the n-th commit of the program that gets killed writes: known to that
// program and to the test that looks at what it left.

import type { OpenOptions } from "../../mod.ts";
import type { Writes } from "./_model.ts";

const KEYS = 60;

/** How both open the store: checkpoints often, so that kills meet them. */
export const killOptions: OpenOptions = {
  scheme: "nomt-blake3",
  pageBytes: 512,
  segmentBytes: 1 << 14,
  cacheBytes: 1 << 20,
  history: { commits: 4 },
  checkpoint: { commits: 3 },
};

/** Writes of a commit; a value tells which commit wrote it. */
export function writesOf(sequence: number): Writes {
  return [1, 2, 3, 4, 5].map((n) => {
    const number = (7 * sequence + 11 * n) % KEYS;
    const key = new Uint8Array(32).fill(number * 37 & 255);
    key[31] = number;
    if ((sequence + n) % 6 === 0) return [key, undefined];
    // Some are too long for a page.
    const length = n === 5 ? 3000 : 20 + number;
    return [key, new Uint8Array(length).fill(sequence & 255)];
  });
}
