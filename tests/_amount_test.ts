// The seeded numbers that every randomized test draws: same seed, same run.

import { assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { amount, random, scale } from "./_amount.ts";

Deno.test("random() gives the same numbers when name and seed are the same", () => {
  assertEquals(random("a", 7).bytes(64), random("a", 7).bytes(64));
  assertNotEquals(random("a", 7).u32(), random("b", 7).u32());
  assertNotEquals(random("a", 7).u32(), random("a", 8).u32());
});

Deno.test("random() covers its range evenly when asked for small integers", () => {
  const draw = random("range", 1);
  const seen = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) seen[draw.int(10)]++;
  for (const count of seen) assertLess(Math.abs(count - 1000), 150);
});

Deno.test("amount() never goes below one when the scale is small", () => {
  assertEquals(amount(1) >= 1, true);
  assertEquals(amount(1000), Math.max(1, Math.round(1000 * scale)));
});
