// Batches of writes for stores that are compared with each other.

import type { Random } from "../_amount.ts";
import { drawEntries, drawValue, KEY_KINDS } from "../oracle/mod.ts";
import type { Write } from "./_store.ts";

/** Fresh keys of one kind, new values for old keys, and deletes. */
export function drawBatch(
  scheme: string,
  keys: Map<string, Uint8Array>,
  draw: Random,
): Write[] {
  const kind = draw.pick(KEY_KINDS), batch = new Map<string, Write>();
  const deletes = draw.pick([0, 0, 0.1, 0.6]);
  for (const [key, value] of drawEntries(scheme, kind, 1500, draw)) {
    batch.set(key.toHex(), [key, value]);
  }
  for (const [text, key] of keys) {
    if (!draw.chance(0.4)) continue;
    const value = draw.chance(deletes) ? undefined : drawValue(scheme, draw);
    batch.set(text, [key, value]);
  }
  for (const [text, [key, value]] of batch) {
    if (value === undefined) keys.delete(text);
    else keys.set(text, key);
  }
  return draw.shuffle([...batch.values()]);
}
