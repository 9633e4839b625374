// This module is browser compatible.
//
// A light client on a page: follows a server, keeps itself, and shows what it
// refuses where a person would read it.

import { ProofError } from "@stemma/verify/core";
import { nomtBlake3 } from "../../../verify/nomt_blake3.ts";
import {
  LightClient,
  lightIdb,
  lightOpfs,
  LightServer,
  type LightStorage,
} from "../../../src/light/mod.ts";
import { offer } from "../_offer.ts";

/** What the page says of itself. */
export interface LightState {
  readonly height: number;
  readonly root: string;
}

/** What the test calls. */
export interface LightPage {
  light: {
    open(height: number, root: string, storage: string): Promise<LightState>;
    follow(): Promise<LightState>;
    lookUp(key: string): Promise<string>;
    known(key: string): string;
    acceptForged(key: string): Promise<string>;
    advanceForged(height: number): Promise<string>;
    state(): LightState;
  };
}

const page = globalThis as unknown as LightPage & {
  document: {
    body: { append(element: { textContent: string }): void };
    createElement(name: string): { textContent: string };
  };
};
const base = `${globalThis.location.origin}/state`;
const server = new LightServer(base);
let light: LightClient;

function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}

function state(): LightState {
  return { height: light.height, root: light.root.toHex() };
}

function show(text: string): string {
  const line = page.document.createElement("p");
  line.textContent = text;
  page.document.body.append(line);
  return text;
}

/** Runs what must be refused, and shows why it was. */
async function refusal(attempt: () => Promise<void>): Promise<string> {
  try {
    await attempt();
    return show("ACCEPTED");
  } catch (error) {
    if (error instanceof ProofError) return show(`refused: ${error.code}`);
    throw error;
  }
}

async function forged(path: string): Promise<Uint8Array> {
  const bytes = await (await fetch(base + path)).bytes();
  bytes[bytes.length - 5] ^= 1;
  return bytes;
}

const STORAGES: Record<string, () => LightStorage> = {
  opfs: () => lightOpfs("light-test"),
  idb: () => lightIdb("light-test"),
};

page.light = {
  async open(height, root, storage) {
    light = await LightClient.open({
      scheme: nomtBlake3,
      checkpoint: { height, root: fromHex(root), time: Date.now() },
      storage: STORAGES[storage](),
    });
    return state();
  },
  async follow() {
    await server.follow(light);
    await light.saved();
    return state();
  },
  async lookUp(key) {
    await server.prove(light, [fromHex(key)]);
    await light.saved();
    return page.light.known(key);
  },
  known(key) {
    const verdict = light.get(fromHex(key));
    return verdict.status === "present" && verdict.value
      ? verdict.value.toHex()
      : verdict.status;
  },
  acceptForged: (key) =>
    refusal(async () => {
      const proof = await forged(`/proof?key=${key}&root=${state().root}`);
      light.accept({ keys: [fromHex(key)] }, proof);
    }),
  advanceForged: (height) =>
    refusal(async () => {
      light.advance(await forged(`/witness/${height}`), { height });
    }),
  state,
};

offer([]);
