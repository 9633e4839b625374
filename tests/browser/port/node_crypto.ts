// This module is browser compatible.
//
// SHA-256 as `node:crypto` gives it, from another package than the product's.

import { createSHA256 } from "npm:hash-wasm@^4";

const hasher = await createSHA256();

/** A hasher of one message. */
export function createHash(name: string): {
  update(message: Uint8Array): { digest(): Uint8Array };
} {
  if (name !== "sha256") throw new RangeError(`No hash ${name} here`);
  return {
    update: (message) => ({
      digest: () => hasher.init().update(message).digest("binary"),
    }),
  };
}
