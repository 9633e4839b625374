// The queue of pages at the ends of paths against an array.

import { assertEquals } from "@std/assert";
import { MadeEnds } from "../../src/tree/made_ends.ts";
import { amount, random } from "../_amount.ts";

type Entry = readonly [frame: number, uses: number, page: number];

function entries(ends: MadeEnds): Entry[] {
  return Array.from(
    { length: ends.count },
    (_, k) => [ends.frame(k), ends.uses(k), ends.page(k)],
  );
}

Deno.test("MadeEnds keeps what an array keeps, in its order", () => {
  const draw = random("made ends");
  for (let round = 0; round < amount(10); round++) {
    const queue = new MadeEnds(), made = new MadeEnds();
    let known: Entry[] = [];
    for (let step = 0; step < 300; step++) {
      const added: Entry[] = Array.from(
        { length: draw.int(draw.pick([2, 100, 500])) },
        () => [draw.int(2 ** 20), draw.int(2 ** 32), draw.int(2 ** 32)],
      );
      for (const entry of added) made.push(...entry);
      const dropped = draw.int(added.length + 1);
      made.drop(dropped);
      queue.takeAll(made);
      assertEquals(made.count, 0);
      known.push(...added.slice(dropped));
      if (draw.chance(0.7)) {
        const count = draw.int(known.length + 1);
        queue.drop(count);
        known = known.slice(count);
      } else if (draw.chance(0.05)) {
        queue.clear();
        known = [];
      }
      assertEquals(queue.count, known.length);
      if (step % 20 === 0) assertEquals(entries(queue), known);
    }
    assertEquals(entries(queue), known);
  }
});
