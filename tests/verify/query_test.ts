// The order of a query's items, which prover and verifier share.

import { assertEquals } from "@std/assert";
import type { KeyRange } from "@stemma/verify";
import {
  comparePrefix,
  inside,
  type Item,
  mergeItems,
  mergeRanges,
  pointItem,
  rangeItem,
  sortItems,
} from "@stemma/verify/encoding";
import { amount, random } from "../_amount.ts";
import { compare } from "./_model_tree.ts";
import { refused } from "./_refuse.ts";
import { cheapScheme, randomKey } from "./_support.ts";

const nomt = cheapScheme("nomt");
const prefixed = cheapScheme("eip8297");

function key(...bytes: number[]): Uint8Array {
  const out = new Uint8Array(32);
  out.set(bytes);
  return out;
}

Deno.test("rangeItem() ends at the last key below its end", () => {
  const ends = (lt: Uint8Array): Uint8Array => rangeItem(nomt, { lt }).hi;
  const all = new Uint8Array(32).fill(255);
  all[0] = 4;
  assertEquals(ends(key(5)), all);
  const last = key(5);
  last[31] = 1;
  assertEquals(ends(last), key(5));
  const short = (lt: number[]): number[] => [
    ...rangeItem(prefixed, { lt: new Uint8Array(lt) }).hi,
  ];
  assertEquals(short([5]), [4]);
  assertEquals(short([5, 1]), [5, 0]);
  assertEquals(short([5, 0]), [5]);
  refused(() => rangeItem(prefixed, { lt: new Uint8Array([0]) }), "query");
  refused(() => rangeItem(nomt, { lt: key() }), "query");
  refused(() => rangeItem(nomt, { gte: key(2), lt: key(1) }), "query");
});

Deno.test("comparePrefix() compares bits, and finds equal what ends first", () => {
  const path = new Uint8Array([0b10110000, 0b11111111]);
  const bytes = new Uint8Array([0b10111111]);
  assertEquals(comparePrefix(bytes, path, 4), 0);
  assertEquals(comparePrefix(bytes, path, 5) > 0, true);
  assertEquals(comparePrefix(path, bytes, 8) < 0, true);
  assertEquals(comparePrefix(new Uint8Array(0), path, 16), 0);
});

Deno.test("inside() leaves out what a key of many lengths does not outlast", () => {
  const item = pointItem(new Uint8Array([5]), true);
  const path = new Uint8Array([5, 0]);
  assertEquals(inside(item, path, 8), true);
  assertEquals(inside(item, path, 9), false);
});

Deno.test("mergeItems() keeps what is covered, and makes items disjoint", () => {
  const source = random("items");
  for (const scheme of [nomt, prefixed]) {
    for (let i = 0; i < amount(500); i++) {
      const near = [randomKey(source, scheme, [])];
      const some = (): Uint8Array => {
        const next = randomKey(source, scheme, near);
        near.push(next);
        return next;
      };
      const items: Item[] = [];
      for (let j = source.int(8); j >= 0; j--) {
        const [gte, lt] = [some(), some()].sort(compare);
        if (source.chance(0.5)) items.push(pointItem(gte, source.chance(0.5)));
        else if (compare(gte, lt)) items.push(rangeItem(scheme, { gte, lt }));
      }
      const merged = mergeItems(sortItems([...items]));
      for (const probe of near) {
        const bits = 8 * probe.length;
        const reached = items.some((item) => inside(item, probe, bits));
        assertEquals(merged.some((item) => inside(item, probe, bits)), reached);
        // Many items may reach below a key that is a prefix of others.
        if (scheme === prefixed) continue;
        const count = merged.filter((item) => inside(item, probe, bits)).length;
        assertEquals(count <= 1, true);
      }
    }
  }
});

Deno.test("mergeItems() wants a value that one of equal keys wants", () => {
  const items = [pointItem(key(1), false), pointItem(key(1), true)];
  assertEquals(mergeItems(items), [pointItem(key(1), true)]);
  const range = rangeItem(nomt, { gte: key(1) });
  const [merged] = mergeItems([pointItem(key(1), false), range]);
  assertEquals([merged.wanted, merged.point], [true, false]);
  assertEquals(mergeItems([range, pointItem(key(2), false)]), [range]);
});

Deno.test("mergeRanges() joins ranges that overlap or touch", () => {
  const merged = (...ranges: KeyRange[]): KeyRange[] => mergeRanges(ranges);
  const [a, b, c, d] = [1, 2, 3, 4].map((byte) => key(byte));
  assertEquals(merged(), []);
  assertEquals(merged({ gte: c, lt: d }, { gte: a, lt: b }), [
    { gte: a, lt: b },
    { gte: c, lt: d },
  ]);
  assertEquals(merged({ gte: b, lt: c }, { gte: a, lt: b }), [
    { gte: a, lt: c },
  ]);
  assertEquals(merged({ gte: a, lt: d }, { gte: b, lt: c }), [
    { gte: a, lt: d },
  ]);
  assertEquals(merged({ gte: a }, { gte: b, lt: c }), [{ gte: a }]);
  assertEquals(merged({ gte: a, lt: c }, { gte: b }), [
    { gte: a, lt: undefined },
  ]);
  assertEquals(merged({ lt: b }, { lt: c }), [{ gte: undefined, lt: c }]);
  assertEquals(merged({}, { lt: c }), [{}]);
});
