// A store has one root for what is in it: after puts and deletes of many commits the
// same as one into which all of it was put at once. Pages are small, and many commits
// delete beside what they put, so that pages are cut, emptied and dissolved with
// nodes in them whose hashes wait to be lifted.

import { assertEquals } from "@std/assert";
import { memoryBackend, open, type OpenOptions } from "../../mod.ts";
import { amount, type Random, random } from "../_amount.ts";
import { commit, SCHEMES, type Write } from "./_store.ts";

type State = Map<string, readonly [key: Uint8Array, value: Uint8Array]>;

/** Puts, and deletes of some of what is there; the state follows. */
function change(state: State, keyBytes: number, draw: Random): Write[] {
  const share = draw.pick([0, 0.1, 0.3, 0.6]);
  const gone = [...state.values()].filter(() => draw.chance(share));
  const writes = gone.map(([key]): Write => [key, undefined]);
  for (const [key] of gone) state.delete(key.toHex());
  for (let i = 0; i < 250; i++) {
    const key = draw.bytes(keyBytes), value = draw.bytes(32);
    // Half of the keys have a byte in common, and some a stem of EIP-7864.
    if (draw.chance(0.5)) key[0] = 7;
    if (draw.chance(0.2)) key.fill(9, 1, 31);
    writes.push([key, value]);
    state.set(key.toHex(), [key, value]);
  }
  return writes;
}

async function rootOf(state: State, options: OpenOptions): Promise<string> {
  await using db = await open(memoryBackend(), options);
  await commit(db, [...state.values()].map(([key, value]) => [key, value]));
  return db.root.toHex();
}

for (const name of Object.keys(SCHEMES)) {
  Deno.test(`a store that was changed has the root of one made at once: ${name}`, async () => {
    const scheme = SCHEMES[name], draw = random(`same root ${name}`);
    for (let round = 0; round < amount(16); round++) {
      const pageBytes = Math.max(
        draw.pick([1024, 2048, 4096]),
        scheme.family === "eip8297" ? 2048 : 0,
      );
      const options = { scheme, pageBytes, cacheBytes: 4 << 20 };
      await using db = await open(memoryBackend(), options);
      const state: State = new Map();
      for (let i = 0; i < 12; i++) {
        await commit(
          db,
          change(state, scheme.keyBytesMin === 31 ? 31 : 32, draw),
        );
        assertEquals(
          db.root.toHex(),
          await rootOf(state, options),
          `commit ${i} of round ${round}, pages of ${pageBytes}`,
        );
      }
    }
  });
}
