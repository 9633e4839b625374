// This module is browser compatible.
//
// The genesis file: 36 bytes an account, address and balance. Each account is one
// key of the store: the hash of its address, so that keys are spread evenly, with
// nonce and balance packed as EIP-7864 packs them.

import { nomtBlake3 } from "../../verify/nomt_blake3.ts";
import { packBasicData, unpackBasicData } from "../../src/layers/ethereum.ts";

/** Bytes of an account in the file. */
export const ACCOUNT_BYTES = 36;

/** An account that the store began with. */
export interface GenesisAccount {
  readonly address: Uint8Array;
  readonly balance: bigint;
}

/** Key of an address. */
export function keyOf(address: Uint8Array): Uint8Array {
  return nomtBlake3.hash(address);
}

/** Nonce and balance of a stored account. */
export interface Account {
  readonly nonce: bigint;
  readonly balance: bigint;
}

/** An account as it is stored: 32 bytes. */
export function encodeAccount(account: Account): Uint8Array {
  return packBasicData(account);
}

/** An account from what is stored. */
export function decodeAccount(value: Uint8Array): Account {
  return unpackBasicData(value);
}

/** Fetches the file, telling how much of it is there: 0 to 1. */
export async function fetchGenesis(
  onProgress: (part: number) => void,
): Promise<GenesisAccount[]> {
  const response = await fetch("genesis.bin");
  const total = Number(response.headers.get("genesis-bytes"));
  const reader = response.body!.getReader();
  const bytes = new Uint8Array(total);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.set(value, at);
    at += value.length;
    onProgress(at / total);
  }
  const view = new DataView(bytes.buffer);
  return Array.from({ length: total / ACCOUNT_BYTES }, (_, i) => {
    const start = i * ACCOUNT_BYTES;
    return {
      address: bytes.slice(start, start + 20),
      balance: (view.getBigUint64(start + 20) << 64n) |
        view.getBigUint64(start + 28),
    };
  });
}
