// This module is browser compatible.
//
// Which batch hasher a store uses.

import type { Scheme } from "@stemma/verify";
import { jsHasher } from "../hash/js_hasher.ts";
import type { BatchHasher } from "../hash/ops.ts";
import type { PagePool } from "../tree/pool.ts";

/** How hashes are computed; `"auto"` takes the fastest that works here. */
export type HasherChoice = "auto" | "js" | "wasm";

/** Bytes of the pool that the hasher may use. */
export const RESERVED_BYTES = 0;

/** Makes a store's hasher. */
export function makeHasher(
  pool: PagePool,
  scheme: Scheme,
  _choice: HasherChoice,
): BatchHasher {
  return jsHasher(pool.buffer, scheme);
}
