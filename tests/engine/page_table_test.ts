// The table of frames by page number against a `Map`, on both sides of the bound of
// its list: no store of a test is large enough to go beyond.

import { assertEquals } from "@std/assert";
import { PageTable } from "../../src/tree/page_table.ts";
import { amount, random } from "../_amount.ts";

Deno.test("PageTable finds what a Map finds, for all page numbers", () => {
  const draw = random("page table");
  for (let round = 0; round < amount(4); round++) {
    const frames = draw.pick([1, 40, 600]), table = new PageTable(frames);
    const known = new Map<number, number>();
    const bound = Math.max(256, 32 * frames);
    const numbers = [1, 255, 256, bound - 1, bound, bound + 1, 2 ** 32 - 1];
    for (let i = 0; i < frames; i++) {
      numbers.push(1 + draw.int(2 * bound), 1 + draw.int(2 ** 32 - 1));
    }
    for (let step = 0; step < 20_000; step++) {
      const page = draw.pick(numbers), frame = known.get(page);
      if (draw.chance(0.4)) assertEquals(table.find(page), frame ?? -1);
      else if (frame !== undefined || draw.chance(0.2)) {
        assertEquals(table.delete(page), frame ?? -1);
        known.delete(page);
      } else {
        const other = draw.int(frames);
        table.set(page, other);
        known.set(page, other);
      }
    }
    for (const page of numbers) {
      assertEquals(table.find(page), known.get(page) ?? -1);
    }
  }
});
