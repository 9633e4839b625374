// The checksums kept by page number against a `Map`, on both sides of the bound of their
// list: no store of a test is large enough to go beyond.

import { assertEquals } from "@std/assert";
import { KeptChecksums } from "../../src/tree/kept_checksums.ts";
import { amount, random } from "../_amount.ts";

type Halves = readonly [low: number, high: number];

function lookUp(kept: KeptChecksums, page: number): Halves | undefined {
  const out = new Uint32Array(3), isThere = kept.get(page, out, 1);
  assertEquals(kept.has(page), isThere);
  return isThere ? [out[1], out[2]] : undefined;
}

Deno.test("KeptChecksums finds what a Map finds, for all page numbers", () => {
  const draw = random("kept checksums");
  for (let round = 0; round < amount(4); round++) {
    const frames = draw.pick([1, 40, 600]), kept = new KeptChecksums(frames);
    const known = new Map<number, Halves>();
    const bound = Math.max(256, 16 * frames);
    const numbers = [1, 255, 256, 257, bound - 1, bound, bound + 1, 2 ** 20];
    for (let i = 0; i < frames; i++) numbers.push(1 + draw.int(4 * bound));
    for (let step = 0; step < 20_000; step++) {
      const page = draw.pick(numbers);
      if (draw.chance(0.4)) {
        assertEquals(lookUp(kept, page), known.get(page));
      } else if (draw.chance(0.5)) {
        kept.delete(page);
        known.delete(page);
      } else if (draw.chance(0.0005)) {
        kept.clear();
        known.clear();
      } else {
        const sum = [draw.int(2 ** 32 - 1), draw.int(2 ** 32 - 1)] as const;
        kept.set(page, ...sum);
        known.set(page, sum);
      }
    }
    for (const page of numbers) {
      assertEquals(lookUp(kept, page), known.get(page));
    }
  }
});
