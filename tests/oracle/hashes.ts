// Hash functions of the oracle, from other packages than the ones that the
// product uses: node:crypto and hash-wasm, not @noble/hashes.

import { createHash } from "node:crypto";
import { createBLAKE2b, createBLAKE3, type IHasher } from "npm:hash-wasm@^4";

/** Bytes to 32 bytes. */
export type Hash = (message: Uint8Array) => Uint8Array;

function reused(hasher: IHasher): Hash {
  return (message) => hasher.init().update(message).digest("binary");
}

/** SHA-256. */
export const sha256: Hash = (message) =>
  new Uint8Array(createHash("sha256").update(message).digest());

/** BLAKE3 with 32 bytes of output. */
export const blake3: Hash = reused(await createBLAKE3(256));

/** BLAKE2b with a digest length of 32 bytes. */
export const blake2b256: Hash = reused(await createBLAKE2b(256));
