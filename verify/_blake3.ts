// This module is browser compatible.

// BLAKE3 of one message, unkeyed.

import { _BLAKE3 } from "@noble/hashes/blake3.js";
import { reusing } from "./_reusing.ts";
import type { HashFunction } from "./scheme.ts";

/** BLAKE3 with 32 bytes of output. Internal. */
export const blake3: HashFunction = /* @__PURE__ */ reusing(
  /* @__PURE__ */ new _BLAKE3(),
);
