// This module is browser compatible.

// SHA-256 of one message.

import { _SHA256 } from "@noble/hashes/sha2.js";
import { reusing } from "./_reusing.ts";
import type { HashFunction } from "./scheme.ts";

/** SHA-256. Internal. */
export const sha256: HashFunction = /* @__PURE__ */ reusing(
  /* @__PURE__ */ new _SHA256(),
);
