// Ethereum's mainnet genesis allocation, 8,893 accounts, as the npm package
// @ethereumjs/genesis lists it.

import { getGenesis } from "npm:@ethereumjs/genesis@^10";
import type { Account } from "../src/layers/ethereum.ts";

/** Chain id of Ethereum mainnet. */
const MAINNET = 1;

/** All accounts of the allocation, by address. */
export function mainnetGenesis(): Account[] {
  const allocation = getGenesis(MAINNET);
  if (allocation === undefined) throw new Error("No mainnet genesis");
  return Object.entries(allocation).map(([address, state]) => ({
    address: fromHex(address),
    balance: BigInt(typeof state === "string" ? state : state[0]),
  }));
}

/** Bytes of a hex string that starts with 0x. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.slice(2));
}
