// This module is browser compatible.

// Keys of JAM state: where a chain's state components, service accounts,
// storage, preimages and preimage requests lie under 31-byte keys.
//
// Gray Paper 0.7, appendix D.1 "Serialization": the state-key constructor C,
// its three forms D.1, and the table D.2 of what is stored under them.

import { blake2b } from "@noble/hashes/blake2.js";

/** Bytes of a state key. */
const KEY_BYTES = 31;
/** C(255, s) holds the account of service s. */
const SERVICE_ACCOUNT = 255;
/** E4(2^32 - 1) goes before the key of a storage item. */
const STORAGE = 0xffffffff;
/** E4(2^32 - 2) goes before the hash of a preimage. */
const PREIMAGE = 0xfffffffe;

/**
 * C(i): the key of state component `index`: 1 for the authorizer pools α up to
 * 16 for the accumulation outputs θ.
 *
 * @param index 0 to 255.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} The index is out of range.
 *
 * @example
 * ```ts
 * import { jamComponentKey } from "@stemma/db/jam";
 *
 * const timeslot = jamComponentKey(11);
 * if (timeslot.length !== 31 || timeslot[0] !== 11) throw new Error("no");
 * ```
 */
export function jamComponentKey(index: number): Uint8Array {
  checkRange("component index", index, 0xff);
  const key = new Uint8Array(KEY_BYTES);
  key[0] = index;
  return key;
}

/**
 * C(255, s): the key of a service's account (code hash, balance, gas limits,
 * footprint).
 *
 * @param service Service index, 32 bits.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} The index is out of range.
 *
 * @example
 * ```ts
 * import { jamServiceKey } from "@stemma/db/jam";
 *
 * const key = jamServiceKey(0x01020304); // ff 04 00 03 00 02 00 01 00 ...
 * if (key[1] !== 4 || key[3] !== 3) throw new Error("unexpected");
 * ```
 */
export function jamServiceKey(service: number): Uint8Array {
  const n = littleEndian("service index", service);
  const key = jamComponentKey(SERVICE_ACCOUNT);
  for (let i = 0; i < 4; i++) key[1 + 2 * i] = n[i];
  return key;
}

/**
 * C(s, h): the key of item `h` of a service: the service index interleaved
 * with the BLAKE2b-256 hash of `h`.
 *
 * @param service Service index, 32 bits.
 * @param item Any bytes; see {@linkcode jamStorageKey} and its neighbours for
 * what the chain puts there.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} The index is out of range.
 *
 * @example
 * ```ts
 * import { jamItemKey } from "@stemma/db/jam";
 *
 * const key = jamItemKey(7, new Uint8Array(36));
 * if (key[0] !== 7 || key[2] !== 0) throw new Error("unexpected");
 * ```
 */
export function jamItemKey(service: number, item: Uint8Array): Uint8Array {
  const n = littleEndian("service index", service);
  const a = blake2b(item, { dkLen: 32 });
  const key = new Uint8Array(KEY_BYTES);
  for (let i = 0; i < 4; i++) {
    key[2 * i] = n[i];
    key[2 * i + 1] = a[i];
  }
  key.set(a.subarray(4, 27), 8);
  return key;
}

/**
 * C(s, E4(2^32 - 1) ‖ k): the key of a service's storage item.
 *
 * @param service Service index, 32 bits.
 * @param storageKey The service's own key, any bytes.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} The index is out of range.
 *
 * @example
 * ```ts
 * import { jamStorageKey } from "@stemma/db/jam";
 *
 * const key = jamStorageKey(7, new TextEncoder().encode("balance"));
 * if (key.length !== 31) throw new Error("unexpected");
 * ```
 */
export function jamStorageKey(
  service: number,
  storageKey: Uint8Array,
): Uint8Array {
  return jamItemKey(service, prefixed(STORAGE, storageKey));
}

/**
 * C(s, E4(2^32 - 2) ‖ h): the key of a preimage that a service holds.
 *
 * @param service Service index, 32 bits.
 * @param hash BLAKE2b-256 of the preimage, 32 bytes.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} Index or length out of range.
 *
 * @example
 * ```ts
 * import { jamPreimageKey } from "@stemma/db/jam";
 *
 * const key = jamPreimageKey(7, new Uint8Array(32));
 * if (key.length !== 31) throw new Error("unexpected");
 * ```
 */
export function jamPreimageKey(service: number, hash: Uint8Array): Uint8Array {
  checkHash(hash);
  return jamItemKey(service, prefixed(PREIMAGE, hash));
}

/**
 * C(s, E4(l) ‖ h): the key of a service's request for a preimage, whose value
 * says when it was made, provided and forgotten.
 *
 * @param service Service index, 32 bits.
 * @param hash BLAKE2b-256 of the preimage, 32 bytes.
 * @param length Bytes of the preimage, 32 bits.
 * @returns 31 bytes, a fresh array.
 * @throws {RangeError} Index, length or count out of range.
 *
 * @example
 * ```ts
 * import { jamRequestKey } from "@stemma/db/jam";
 *
 * const key = jamRequestKey(7, new Uint8Array(32), 1_000);
 * if (key.length !== 31) throw new Error("unexpected");
 * ```
 */
export function jamRequestKey(
  service: number,
  hash: Uint8Array,
  length: number,
): Uint8Array {
  checkHash(hash);
  return jamItemKey(service, prefixed(length, hash));
}

/** E4: four little-endian bytes. */
function littleEndian(what: string, value: number): Uint8Array {
  checkRange(what, value, 0xffffffff);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function prefixed(number: number, bytes: Uint8Array): Uint8Array {
  const item = new Uint8Array(4 + bytes.length);
  item.set(littleEndian("preimage length", number));
  item.set(bytes, 4);
  return item;
}

function checkHash(hash: Uint8Array): void {
  if (hash.length === 32) return;
  throw new RangeError(
    `Cannot make a state key: hash must be 32 bytes: received ${hash.length}`,
  );
}

function checkRange(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new RangeError(
    `Cannot make a state key: ${what} must be an integer from 0 to ${most}: received ${value}`,
  );
}
