// This module is browser compatible.
//
// The panel of one account: asks the store for a proof, checks it here, draws it,
// and lets its bytes be changed to see it refused.

/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

import {
  decodePartial,
  ProofError,
  toPath,
  type Verdict,
  verifyKey,
} from "@stemma/verify/core";
import { nomtBlake3 } from "../../verify/nomt_blake3.ts";
import { decodeAccount, keyOf } from "./_accounts.ts";
import { announce, button, element, make, say } from "./_dom.ts";
import { drawPath } from "./_path.ts";
import { ether, hex, size, time } from "./_text.ts";
import type { DemoStore } from "./_store.ts";

/** A proof as it arrived, and what it is of. */
interface Shown {
  readonly key: Uint8Array;
  readonly root: Uint8Array;
  readonly proof: Uint8Array;
  readonly height: number;
}

/** What the refusals of the verifier mean, for people. */
const REASONS: Readonly<Record<string, string>> = {
  root: "the root computed from these bytes is another one",
  version: "this version of the format is not known",
  scheme: "it says that it is of another scheme",
  truncated: "it ends too early",
  trailing: "there is something behind its end",
  tags: "it names a kind of node that does not exist",
};

/** The panel. */
export class ProofPanel {
  readonly #store: DemoStore;
  #shown: Shown | undefined;
  #flipped = -1;

  constructor(store: DemoStore) {
    this.#store = store;
    const index = element<HTMLInputElement>("proof-index");
    index.addEventListener("input", () => this.#mark());
    button("proof-flip").addEventListener("click", () => {
      this.#flip(Number(index.value));
    });
    button("proof-restore").addEventListener("click", () => {
      this.#flip(-1);
    });
    element("proof-bytes").addEventListener("click", (event) => {
      const { at } = (event.target as HTMLElement).dataset;
      if (at === undefined) return;
      index.value = at;
      this.#flip(Number(at));
    });
  }

  /** Asks for the proof of an address and shows it. */
  async look(address: Uint8Array): Promise<void> {
    const key = keyOf(address);
    using snapshot = await this.#store.db.snapshot();
    const proof = await snapshot.prove(key);
    const { root, sequence: height } = snapshot;
    this.#shown = { key, root, proof, height };
    this.#flipped = -1;
    element("account-result").hidden = false;
    this.#showBytes();
    this.#check();
    this.#draw(`0x${hex(address).slice(0, 8)}…`);
  }

  /** The proof is of a state that is gone. */
  hide(): void {
    element("account-result").hidden = true;
    this.#shown = undefined;
  }

  /** Flips a bit of a byte, or with -1 none, and checks again. */
  #flip(at: number): void {
    this.#flipped = at;
    this.#mark();
    this.#check();
    button("proof-restore").disabled = at < 0;
  }

  #check(): void {
    const { key, root, proof, height } = this.#shown!;
    const given = proof.slice();
    if (this.#flipped >= 0) given[this.#flipped] ^= 1;
    const began = performance.now();
    try {
      const verdict = verifyKey(nomtBlake3, root, key, given);
      const took = time(performance.now() - began);
      this.#say(
        verdictText(verdict),
        `${
          size(given.length)
        } of proof, checked on this page in ${took}, for the root at height ${height}`,
        false,
      );
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      const why = REASONS[error.code] ?? "these bytes are no proof of this key";
      this.#say("Refused", `${error.code}: ${why}`, true);
    }
  }

  #say(headline: string, detail: string, isRefused: boolean): void {
    const verdict = element("account-verdict");
    verdict.replaceChildren(make("strong", headline), detail);
    element("account-result").classList.toggle("is-refused", isRefused);
    announce(`${headline}. ${detail}`);
  }

  #draw(label: string): void {
    const { key, root, proof } = this.#shown!;
    const tree = decodePartial(nomtBlake3, root, proof);
    const path = toPath(tree, key);
    const isThere = tree.get(key).status === "present";
    const leaf = isThere ? `account ${label}` : `no account ${label}`;
    const { picture, caption } = drawPath(path, root, leaf);
    element("account-path").replaceChildren(picture);
    say("account-caption", caption);
  }

  #showBytes(): void {
    const { proof } = this.#shown!;
    const list = Array.from(proof, (byte, at) => {
      const cell = make("i", hex(Uint8Array.of(byte)));
      cell.dataset.at = String(at);
      return [cell, " "];
    }).flat();
    element("proof-bytes").replaceChildren(...list);
    const index = element<HTMLInputElement>("proof-index");
    index.max = String(proof.length - 1);
    index.value = String(Math.floor(proof.length / 2));
    button("proof-restore").disabled = true;
    this.#mark();
  }

  #mark(): void {
    const { proof } = this.#shown!;
    const at = Number(element<HTMLInputElement>("proof-index").value);
    say("proof-at", `Byte ${at + 1} of ${proof.length}`);
    for (
      const cell of element("proof-bytes").querySelectorAll<HTMLElement>("i")
    ) {
      const index = Number(cell.dataset.at),
        isFlipped = index === this.#flipped;
      cell.classList.toggle("at", index === at);
      cell.classList.toggle("flipped", isFlipped);
      const byte = proof[index] ^ (isFlipped ? 1 : 0);
      cell.textContent = hex(Uint8Array.of(byte));
    }
  }
}

function verdictText(verdict: Verdict): string {
  if (verdict.status !== "present") return "Proven: there is no such account";
  if (verdict.value === undefined) return "Proven: there is an account";
  const { balance, nonce } = decodeAccount(verdict.value);
  const sent = nonce === 0n ? "" : `, ${nonce} sent`;
  return `Proven: ${ether(balance)}${sent}`;
}
