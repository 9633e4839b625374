// This module is browser compatible.

// Ethereum state in a stem trie: which key holds an account's balance, nonce,
// code hash, storage slot or code chunk, and how the values are packed.
//
// EIP-7864 as of 9 March 2026 (31-byte stems, big-endian tree index), sections
// "Header values", "Code" and "Storage". An account's first 64 slots and first
// 128 code chunks share its header stem; the rest follows 256 to a stem. The
// keys depend on the hash function of the scheme.

import { keccak_256 } from "@noble/hashes/sha3.js";
import type { StemHash } from "./stems.ts";

export type { StemHash };

/** Slots of a stem (STEM_SUBTREE_WIDTH). */
const STEM_WIDTH = 256;
/** Slot of the basic data in the header stem (BASIC_DATA_LEAF_KEY). */
const BASIC_DATA_SLOT = 0;
/** Slot of the code hash in the header stem (CODE_HASH_LEAF_KEY). */
const CODE_HASH_SLOT = 1;
/** Where storage starts in the header stem (HEADER_STORAGE_OFFSET). */
const HEADER_STORAGE_OFFSET = 64;
/** Where code starts in the header stem (CODE_OFFSET). */
const CODE_OFFSET = 128;
/** Code bytes of a chunk; one more byte counts push data. */
const CHUNK_CODE_BYTES = 31;
/** Code sizes are packed in three bytes. */
const CODE_BYTES_MAX = 0xffffff;

const PUSH1 = 0x60;
const PUSH32 = 0x7f;

/** Keys of an account's parts: all of 32 bytes, fresh arrays. */
export interface EthereumKeys {
  /** Key of version, code size, nonce and balance. `address`: 20 bytes. */
  basicData(address: Uint8Array): Uint8Array;
  /** Key of the code hash. `address`: 20 bytes. */
  codeHash(address: Uint8Array): Uint8Array;
  /** Key of a storage slot, given as a number or as 32 big-endian bytes. */
  storage(address: Uint8Array, slot: bigint | Uint8Array): Uint8Array;
  /** Key of the 31-byte code chunk `chunk`, counted from 0. */
  codeChunk(address: Uint8Array, chunk: number): Uint8Array;
}

/** What the header of an account packs into 32 bytes. */
export interface BasicData {
  /** Version of the layout, 0 today; one byte. */
  readonly version?: number;
  /** Bytes of code, up to 2^24 - 1. */
  readonly codeSize?: number;
  /** Transactions sent, up to 2^64 - 1. */
  readonly nonce?: bigint;
  /** Wei, up to 2^128 - 1. */
  readonly balance?: bigint;
}

/** An account as a genesis file lists it. */
export interface Account {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** Wei, up to 2^128 - 1. */
  readonly balance: bigint;
  /** Transactions sent; 0 unless given. */
  readonly nonce?: bigint;
  /** Contract code; none unless given. */
  readonly code?: Uint8Array;
  /** Storage slots (number or 32 bytes) with 32-byte values; zeros are absent. */
  readonly storage?: Iterable<readonly [bigint | Uint8Array, Uint8Array]>;
}

/**
 * The key derivation of EIP-7864 under a scheme's hash function.
 *
 * @param scheme An `eip7864-*` scheme, or anything with its `hash`.
 * @returns Functions from an account's parts to 32-byte keys.
 *
 * @example
 * ```ts
 * import { ethereumKeys } from "@stemma/db/ethereum";
 * import { eip7864Sha256 } from "@stemma/verify";
 *
 * const keys = ethereumKeys(eip7864Sha256);
 * const address = new Uint8Array(20).fill(0x42);
 * const key = keys.basicData(address); // 31 bytes of stem, slot 0
 * if (key.length !== 32 || key[31] !== 0) throw new Error("unexpected");
 * ```
 */
export function ethereumKeys(scheme: StemHash): EthereumKeys {
  return {
    basicData: (address) =>
      treeKey(scheme, address, smallIndex(0), BASIC_DATA_SLOT),
    codeHash: (address) =>
      treeKey(scheme, address, smallIndex(0), CODE_HASH_SLOT),
    storage: (address, slot) => storageKey(scheme, address, slot),
    codeChunk(address, chunk) {
      checkCount("code chunk", chunk, CODE_BYTES_MAX);
      const at = CODE_OFFSET + chunk;
      const index = smallIndex(Math.floor(at / STEM_WIDTH));
      return treeKey(scheme, address, index, at % STEM_WIDTH);
    },
  };
}

/** `get_tree_key`: H(address32 ‖ tree index)[:31] ‖ sub-index. */
function treeKey(
  scheme: StemHash,
  address: Uint8Array,
  treeIndex: Uint8Array,
  slot: number,
): Uint8Array {
  checkBytes("address", address, 20);
  const message = new Uint8Array(64);
  message.set(address, 12);
  message.set(treeIndex, 32);
  const key = scheme.hash(message).slice(0, 32);
  key[31] = slot;
  return key;
}

/** A small tree index as 32 big-endian bytes. */
function smallIndex(index: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(28, index);
  return bytes;
}

/** `get_tree_key_for_storage_slot`. */
function storageKey(
  scheme: StemHash,
  address: Uint8Array,
  slot: bigint | Uint8Array,
): Uint8Array {
  const at = typeof slot === "bigint" ? wordOf("storage slot", slot, 32) : slot;
  checkBytes("storage slot", at, 32);
  const low = at[31];
  const inHeader = low < CODE_OFFSET - HEADER_STORAGE_OFFSET &&
    at.every((byte, i) => byte === 0 || i === 31);
  if (inHeader) {
    const index = smallIndex(0);
    return treeKey(scheme, address, index, HEADER_STORAGE_OFFSET + low);
  }
  // MAIN_STORAGE_OFFSET is 256^31, so adding it adds 1 to the first byte, and
  // dividing by 256 shifts by one byte.
  const index = new Uint8Array(32);
  index.set(at.subarray(0, 31), 1);
  index[0] = at[0] === 0xff ? 1 : 0;
  index[1] = at[0] + 1;
  return treeKey(scheme, address, index, low);
}

/**
 * Packs the header of an account: version (byte 0), code size (5 to 7), nonce
 * (8 to 15) and balance (16 to 31), all big-endian; bytes 1 to 4 are reserved
 * and 0.
 *
 * @param data Fields; those left out are 0.
 * @returns 32 bytes.
 * @throws {RangeError} A field does not fit its bytes.
 *
 * @example
 * ```ts
 * import { packBasicData, unpackBasicData } from "@stemma/db/ethereum";
 *
 * const packed = packBasicData({ nonce: 7n, balance: 10n ** 18n });
 * if (unpackBasicData(packed).nonce !== 7n) throw new Error("unexpected");
 * ```
 */
export function packBasicData(data: BasicData): Uint8Array {
  const { version = 0, codeSize = 0, nonce = 0n, balance = 0n } = data;
  checkCount("version", version, 0xff);
  checkCount("code size", codeSize, CODE_BYTES_MAX);
  const packed = new Uint8Array(32);
  new DataView(packed.buffer).setUint32(4, codeSize);
  packed[0] = version;
  packed.set(wordOf("nonce", nonce, 8), 8);
  packed.set(wordOf("balance", balance, 16), 16);
  return packed;
}

/**
 * Reads what {@linkcode packBasicData} writes.
 *
 * @param packed 32 bytes.
 * @returns All four fields.
 * @throws {RangeError} The length is not 32 bytes.
 *
 * @example
 * ```ts
 * import { unpackBasicData } from "@stemma/db/ethereum";
 *
 * const empty = unpackBasicData(new Uint8Array(32));
 * if (empty.balance !== 0n) throw new Error("unexpected");
 * ```
 */
export function unpackBasicData(packed: Uint8Array): Required<BasicData> {
  checkBytes("basic data", packed, 32);
  const view = new DataView(packed.buffer, packed.byteOffset, 32);
  return {
    version: packed[0],
    codeSize: view.getUint32(4) & CODE_BYTES_MAX,
    nonce: view.getBigUint64(8),
    balance: (view.getBigUint64(16) << 64n) | view.getBigUint64(24),
  };
}

/**
 * Cuts contract code into 32-byte chunks: a byte that counts the push data at
 * the chunk's start, then 31 bytes of code, the last chunk filled with zeros.
 *
 * @param code Contract code.
 * @returns Fresh chunks of 32 bytes; none for empty code.
 *
 * @example
 * ```ts
 * import { chunkifyCode } from "@stemma/db/ethereum";
 *
 * const chunks = chunkifyCode(Uint8Array.of(0x60, 0x00)); // PUSH1 0
 * if (chunks.length !== 1 || chunks[0][1] !== 0x60) throw new Error("no");
 * ```
 */
export function chunkifyCode(code: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let dataEnd = 0; // First byte past the push data seen so far.
  for (let start = 0; start < code.length; start += CHUNK_CODE_BYTES) {
    const end = Math.min(start + CHUNK_CODE_BYTES, code.length);
    const chunk = new Uint8Array(32);
    chunk[0] = Math.min(Math.max(dataEnd - start, 0), CHUNK_CODE_BYTES);
    chunk.set(code.subarray(start, end), 1);
    chunks.push(chunk);
    let at = Math.max(start, dataEnd);
    while (at < end) {
      const isPush = code[at] >= PUSH1 && code[at] <= PUSH32;
      at += isPush ? code[at] - PUSH1 + 2 : 1;
    }
    dataEnd = at;
  }
  return chunks;
}

/**
 * The entries of one account: basic data, code hash, code chunks and storage.
 * Storage values of 32 zero bytes are left out: in Ethereum zero is absence.
 *
 * @param keys Key derivation of the scheme.
 * @param account An account.
 * @returns Keys and values of 32 bytes each, fresh arrays.
 * @throws {RangeError} A field has the wrong length or does not fit.
 *
 * @example
 * ```ts
 * import { accountEntries, ethereumKeys } from "@stemma/db/ethereum";
 * import { eip7864Sha256 } from "@stemma/verify";
 *
 * const keys = ethereumKeys(eip7864Sha256);
 * const address = new Uint8Array(20).fill(0x42);
 * const entries = accountEntries(keys, { address, balance: 1n });
 * if (entries.length !== 2) throw new Error("unexpected");
 * ```
 */
export function accountEntries(
  keys: EthereumKeys,
  account: Account,
): [Uint8Array, Uint8Array][] {
  const { address, balance, nonce = 0n, storage = [] } = account;
  const code = account.code ?? new Uint8Array(0);
  const basicData = packBasicData({ codeSize: code.length, nonce, balance });
  const entries: [Uint8Array, Uint8Array][] = [
    [keys.basicData(address), basicData],
    [keys.codeHash(address), keccak_256(code)],
  ];
  for (const [i, chunk] of chunkifyCode(code).entries()) {
    entries.push([keys.codeChunk(address, i), chunk]);
  }
  for (const [slot, value] of storage) {
    checkBytes("storage value", value, 32);
    if (value.every((byte) => byte === 0)) continue;
    entries.push([keys.storage(address, slot), value.slice()]);
  }
  return entries;
}

/** `value` as `bytes` big-endian bytes. */
function wordOf(what: string, value: bigint, bytes: number): Uint8Array {
  if (value < 0n || value >> BigInt(8 * bytes) !== 0n) {
    throw new RangeError(
      `Cannot pack ${what}: must fit ${bytes} bytes: received ${value}`,
    );
  }
  return Uint8Array.from(
    { length: bytes },
    (_, i) => Number((value >> BigInt(8 * (bytes - 1 - i))) & 0xffn),
  );
}

function checkCount(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new RangeError(
    `Cannot pack ${what}: must be an integer from 0 to ${most}: received ${value}`,
  );
}

function checkBytes(what: string, value: Uint8Array, length: number): void {
  if (value.length === length) return;
  throw new RangeError(
    `Cannot use ${what}: must be ${length} bytes: received ${value.length}`,
  );
}
