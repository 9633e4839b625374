// A set of pending writes is used again and again: its index stays as large as the last
// writes needed, and no larger.

import { assert, assertEquals } from "@std/assert";
import { Changes } from "../../src/changes.ts";

function fill(changes: Changes, count: number): void {
  const key = new Uint8Array(32), view = new DataView(key.buffer);
  for (let i = 0; i < count; i++) {
    view.setUint32(0, Math.imul(i, 0x9e3779b1));
    changes.write(key, new Uint8Array(4));
  }
}

Deno.test("an index of many keys is kept, however often the set is emptied", () => {
  const changes = new Changes();
  fill(changes, 20_000);
  const { slots } = changes;
  assert(slots >= 2 * 20_000);
  // A session empties it when its writes are applied, and when it gives it back.
  for (let i = 0; i < 3; i++) changes.clear();
  assertEquals(changes.slots, slots);
});

Deno.test("an index that few keys had no need of is made anew", () => {
  const changes = new Changes();
  fill(changes, 20_000);
  changes.clear();
  fill(changes, 10);
  changes.clear();
  assert(changes.slots <= 1024);
  fill(changes, 500);
  assertEquals(changes.count, 500);
  for (let entry = 0; entry < 500; entry++) {
    assertEquals(changes.find(changes.key(entry)), entry);
  }
});
