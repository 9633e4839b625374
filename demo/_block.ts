// A block of transfers between accounts: reads both balances, moves wei from
// one to the other, counts the sender's nonce.

import {
  type Account,
  accountEntries,
  type BasicData,
  type EthereumKeys,
  packBasicData,
  unpackBasicData,
} from "../src/layers/ethereum.ts";
import type { Session } from "../mod.ts";

/** Wei from one address to another. */
export interface Transfer {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly wei: bigint;
}

/** One receiver in this many has no account yet. */
const NEW_ACCOUNT_EVERY = 10;

/** Transfers that every run of the demo repeats: no randomness. */
export function drawTransfers(
  accounts: readonly Account[],
  count: number,
): Transfer[] {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  return Array.from({ length: count }, (_, i) => {
    const from = accounts[next(accounts.length)];
    const to = accounts[next(accounts.length)].address.slice();
    if (i % NEW_ACCOUNT_EVERY === 0) to[0] ^= 0xff;
    return { from: from.address, to, wei: from.balance / 1000n };
  });
}

/** Executes the transfers in a session. */
export function transfer(
  session: Session,
  keys: EthereumKeys,
  transfers: readonly Transfer[],
): void {
  for (const { from, to, wei } of transfers) {
    const sender = read(session, keys, from);
    if (sender === undefined) throw new Error("Sender has no account");
    const { nonce, balance } = sender;
    const spent = { ...sender, nonce: nonce + 1n, balance: balance - wei };
    session.set(keys.basicData(from), packBasicData(spent));
    const receiver = read(session, keys, to);
    if (receiver === undefined) {
      const account = { address: to, balance: wei };
      for (const entry of accountEntries(keys, account)) session.set(...entry);
    } else {
      const paid = { ...receiver, balance: receiver.balance + wei };
      session.set(keys.basicData(to), packBasicData(paid));
    }
  }
}

function read(
  session: Session,
  keys: EthereumKeys,
  address: Uint8Array,
): Required<BasicData> | undefined {
  const packed = session.get(keys.basicData(address));
  return packed && unpackBasicData(packed);
}
