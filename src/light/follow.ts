// This module is browser compatible.
//
// The network's side of a light client: asks a server that runs `proofHandler`.
// Nothing that a server says is believed; the client verifies all of it.

import type { LightClient } from "./client.ts";
import { LightError } from "./errors.ts";

/** What a server says of its head. */
export interface ServerHead {
  /** Name of the scheme. */
  readonly scheme: string;
  /** Height of the newest state. */
  readonly height: number;
  /** Its root: 32 bytes. */
  readonly root: Uint8Array;
}

/** Most bytes that an answer may have. */
const ANSWER_BYTES_MAX = 16 << 20;

/**
 * A server that gives proofs and witnesses.
 *
 * @example Catch up, and look a key up
 * ```ts ignore
 * import { LightServer } from "@stemma/db/light";
 *
 * const server = new LightServer("https://example.com/state");
 * await server.follow(light);
 * await server.prove(light, [key]);
 * console.log(light.get(key));
 * ```
 */
export class LightServer {
  readonly #url: string;

  /**
   * Names a server; nothing is asked yet.
   *
   * @param url Where `proofHandler` answers.
   */
  constructor(url: string | URL) {
    this.#url = String(url).replace(/\/$/, "");
  }

  /** What the server says of its head. */
  async head(signal?: AbortSignal): Promise<ServerHead> {
    const response = await this.#fetch("/head", signal);
    const { scheme, height, root } = await response.json();
    return { scheme, height, root: fromHex(root) };
  }

  /**
   * Fetches the witness of every state behind the client's and advances.
   *
   * @param light The client.
   * @param signal Gives up; the client stays where it has got to.
   * @returns How many steps were taken.
   * @throws {ProofError} When a witness is wrong; steps before it are taken.
   * @throws {LightError} `server` when the server cannot be used.
   */
  async follow(light: LightClient, signal?: AbortSignal): Promise<number> {
    const { height } = await this.head(signal);
    let steps = 0;
    for (let next = light.height + 1; next <= height; next++) {
      const response = await this.#fetch(`/witness/${next}`, signal);
      light.advance(await bytesOf(response), { height: next });
      steps++;
    }
    return steps;
  }

  /**
   * Fetches a proof of keys at the client's root and hands it to the client.
   *
   * @param light The client.
   * @param keys Keys of the scheme.
   * @param signal Gives up.
   * @throws {ProofError} When the proof is wrong.
   * @throws {LightError} `server` when the server cannot be used.
   */
  async prove(
    light: LightClient,
    keys: readonly Uint8Array[],
    signal?: AbortSignal,
  ): Promise<void> {
    const lengths = keys.map((key) => [key.length >> 8, key.length & 255]);
    const body = new Uint8Array(
      keys.flatMap((key, i) => [...lengths[i], ...key]),
    );
    const path = `/proof?root=${toHex(light.root)}`;
    const response = await this.#fetch(path, signal, body);
    light.accept({ keys }, await bytesOf(response));
  }

  async #fetch(
    path: string,
    signal?: AbortSignal,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const init = {
      ...(signal && { signal }),
      ...(body && { body, method: "POST" }),
    };
    const response = await fetch(this.#url + path, init);
    if (response.ok) return response;
    const text = await response.text();
    throw new LightError("server", `Cannot get ${path}: ${text.slice(0, 500)}`);
  }
}

/** The body of an answer, unless it is too large to be one. */
async function bytesOf(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of chunks(response)) {
    size += part.length;
    if (size > ANSWER_BYTES_MAX) {
      throw new LightError("server", "Cannot take answer: it is too large");
    }
    parts.push(part);
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

function fromHex(text: unknown): Uint8Array {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/.test(text)) {
    throw new LightError("server", "Cannot take answer: a root is not hex");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}
