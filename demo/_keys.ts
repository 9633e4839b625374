// The keys of the demo's accounts under a scheme.

import { type EthereumKeys, ethereumKeys } from "../src/layers/ethereum.ts";
import type { Stemma } from "../mod.ts";

/**
 * EIP-7864's keys for its own schemes. The others want keys that are spread
 * evenly, so there each key is hashed once more: two slots of one stem share
 * up to 255 bits, which would cost that many one-child levels.
 */
export function keysOf({ scheme }: Stemma): EthereumKeys {
  const keys = ethereumKeys(scheme);
  if (scheme.family === "eip7864") return keys;
  return {
    basicData: (address) => scheme.hash(keys.basicData(address)),
    codeHash: (address) => scheme.hash(keys.codeHash(address)),
    storage: (address, slot) => scheme.hash(keys.storage(address, slot)),
    codeChunk: (address, chunk) => scheme.hash(keys.codeChunk(address, chunk)),
  };
}
