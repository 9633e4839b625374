// This module is browser compatible.

/**
 * The server's side of light clients: a function from `Request` to `Response`
 * that gives out roots, proofs, witnesses and a stream of commits.
 *
 * | request | answer |
 * |---|---|
 * | `GET /head` | JSON: scheme, height, root and meta in hex |
 * | `GET /proof?key=HEX&key=HEX[&root=HEX]` | the proof; root and height in headers |
 * | `POST /proof[?root=HEX]` | the same; body: each key behind its length, u16 BE |
 * | `GET /witness/N` | the witness of the step to height N |
 * | `GET /commits[?from=N]` | server-sent events, one a commit: height and roots |
 *
 * Errors are JSON `{ code, message }` with a fitting status.
 *
 * @example
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { proofHandler } from "@stemma/db/server";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * const handler = proofHandler(db);
 * const response = await handler(new Request("http://localhost/head"));
 * assertEquals((await response.json()).height, 0);
 * ```
 *
 * @module
 */

import { StemmaError } from "@stemma/verify";
import type { Commit } from "../commits.ts";
import type { Stemma } from "../database.ts";
import { NotRetainedError } from "../errors.ts";
import type { Prepared } from "../prepared.ts";
import type { Session } from "../session.ts";
import type { Snapshot } from "../snapshot.ts";

/** Options of {@linkcode proofHandler}. */
export interface ProofHandlerOptions {
  /**
   * Path in front of every request's, for instance `"/state"`.
   *
   * @default {""}
   */
  readonly path?: string;
  /**
   * Most keys of one proof.
   *
   * @default {256}
   */
  readonly keysMax?: number;
  /**
   * Most bytes of a proof or witness that is given out.
   *
   * @default {4194304}
   */
  readonly bytesMax?: number;
  /**
   * Most event streams at a time.
   *
   * @default {1000}
   */
  readonly streamsMax?: number;
  /** Origins that may read the answers in a browser: `"*"` or one origin. */
  readonly cors?: string;
}

/** An answer that is not a proof. */
class Refusal extends StemmaError {
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** Bytes of witnesses that are kept, because many ask for the newest ones. */
const KEPT_BYTES_MAX = 16 << 20;

class ProofServer {
  readonly #db: Stemma;
  readonly #options: Required<Omit<ProofHandlerOptions, "cors">>;
  readonly #cors: string | undefined;
  readonly #witnesses: Map<number, Uint8Array<ArrayBuffer>> = new Map();
  #keptBytes = 0;
  #streams = 0;

  constructor(db: Stemma, options: ProofHandlerOptions) {
    this.#db = db;
    this.#cors = options.cors;
    this.#options = {
      path: options.path ?? "",
      keysMax: options.keysMax ?? 256,
      bytesMax: options.bytesMax ?? 4 << 20,
      streamsMax: options.streamsMax ?? 1000,
    };
  }

  async handle(request: Request): Promise<Response> {
    let response: Response;
    try {
      response = await this.#route(request);
    } catch (error) {
      response = refusalOf(error);
    }
    if (this.#cors !== undefined) {
      const { headers } = response;
      headers.set("access-control-allow-origin", this.#cors);
      headers.set(
        "access-control-expose-headers",
        "stemma-root, stemma-height",
      );
      if (this.#cors !== "*") headers.set("vary", "origin");
    }
    return response;
  }

  async #route(request: Request): Promise<Response> {
    const url = new URL(request.url), { path } = this.#options;
    const rest = url.pathname.startsWith(path)
      ? url.pathname.slice(path.length)
      : "";
    const { method } = request;
    if (method === "OPTIONS" && this.#cors !== undefined) return preflight();
    if (method !== "GET" && !(method === "POST" && rest === "/proof")) {
      throw new Refusal(405, "method", `Cannot ${method} ${rest}`);
    }
    if (rest === "/head") return this.#head();
    if (rest === "/proof") return await this.#proof(request, url.searchParams);
    if (rest === "/commits") return this.#commits(url.searchParams);
    const height = /^\/witness\/(\d{1,15})$/.exec(rest)?.[1];
    if (height !== undefined) return await this.#witness(Number(height));
    throw new Refusal(404, "path", `Cannot find ${rest}`);
  }

  #head(): Response {
    const { root, sequence, meta } = this.#db.head;
    return json(200, {
      scheme: this.#db.scheme.name,
      height: sequence,
      root: root.toHex(),
      meta: meta.toHex(),
    });
  }

  async #proof(request: Request, query: URLSearchParams): Promise<Response> {
    const keys = request.method === "POST"
      ? await this.#keysOf(request)
      : query.getAll("key").map((text) => fromHex(text, "key"));
    const { keysMax } = this.#options;
    if (keys.length === 0 || keys.length > keysMax) {
      throw new Refusal(
        400,
        "keys",
        `Cannot prove ${keys.length} keys: 1 to ${keysMax} are allowed`,
      );
    }
    const root = query.get("root");
    using snapshot = this.#db.snapshot(
      root === null ? undefined : fromHex(root, "root"),
    );
    const response = this.#bytes(snapshot.prove(keys));
    response.headers.set("stemma-root", snapshot.root.toHex());
    response.headers.set("stemma-height", String(snapshot.sequence));
    return response;
  }

  /** Keys of a body, each behind its length. */
  async #keysOf(request: Request): Promise<Uint8Array[]> {
    const { keysMax } = this.#options;
    const most = keysMax * (2 + Math.min(this.#db.scheme.keyBytesMax, 255));
    const bytes = await readBody(request, most);
    const keys: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 2 + (bytes[at] << 8 | bytes[at + 1]);
      if (!(end <= bytes.length)) {
        throw new Refusal(400, "keys", "Cannot read keys: the last is cut off");
      }
      keys.push(bytes.slice(at + 2, end));
      at = end;
    }
    return keys;
  }

  async #witness(height: number): Promise<Response> {
    const kept = this.#witnesses.get(height);
    if (kept !== undefined) return this.#bytes(kept);
    const made = await this.#makeWitness(height);
    this.#witnesses.set(height, made);
    this.#keptBytes += made.length;
    for (const [oldest, { length }] of this.#witnesses) {
      if (this.#keptBytes <= KEPT_BYTES_MAX) break;
      this.#witnesses.delete(oldest);
      this.#keptBytes -= length;
    }
    return this.#bytes(made);
  }

  /** Does the step again on the state before it, and takes its witness. */
  async #makeWitness(height: number): Promise<Uint8Array<ArrayBuffer>> {
    if (height < 1 || height > this.#db.head.sequence) {
      throw new Refusal(404, "height", `Cannot find height ${height}`);
    }
    const steps = [await this.#commit(height)];
    using made = new DisposableStack();
    let state: Snapshot | Prepared | undefined;
    // A state that was rolled back is done again from one that was not.
    while (state === undefined) {
      state = this.#snapshot(steps[0].previousRoot);
      if (state === undefined) {
        steps.unshift(await this.#commit(steps[0].sequence - 1));
      }
    }
    made.use(state);
    for (const [i, step] of steps.entries()) {
      const witness = i === steps.length - 1;
      using session = this.#db.begin({ on: state, witness });
      apply(session, step);
      state = made.use(session.prepare());
    }
    return new Uint8Array((state as Prepared).witness!);
  }

  /** The snapshot of a root, if the store can go back to it. */
  #snapshot(root: Uint8Array): Snapshot | undefined {
    try {
      return this.#db.snapshot(root);
    } catch (error) {
      if (error instanceof NotRetainedError) return undefined;
      throw error;
    }
  }

  async #commit(height: number): Promise<Commit> {
    if (height < 1) throw new NotRetainedError("Cannot make witness: too old");
    const commits = this.#db.commits({ from: height });
    try {
      const { done, value } = await commits.next();
      if (done) throw new NotRetainedError("Cannot make witness: closed");
      return value;
    } finally {
      await commits.return?.();
    }
  }

  /** Server-sent events, one for each commit, until the client goes. */
  #commits(query: URLSearchParams): Response {
    const { streamsMax } = this.#options;
    if (this.#streams >= streamsMax) {
      throw new Refusal(503, "streams", "Cannot stream commits: too many do");
    }
    const from = query.get("from");
    const commits = this.#db.commits(
      from === null ? {} : { from: Number(from) },
    );
    this.#streams++;
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.#streams--;
      isOpen = false;
    };
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        try {
          const { done, value } = await commits.next();
          if (!done) return controller.enqueue(encoder.encode(eventOf(value)));
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        end();
      },
      async cancel() {
        end();
        await commits.return?.();
      },
    }, { highWaterMark: 0 });
    return new Response(body, {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
      },
    });
  }

  #bytes(bytes: Uint8Array): Response {
    const { bytesMax } = this.#options;
    if (bytes.length > bytesMax) {
      throw new Refusal(
        413,
        "bytes",
        `Cannot answer: ${bytes.length} bytes are over the limit ${bytesMax}`,
      );
    }
    return new Response(new Uint8Array(bytes), {
      headers: {
        "content-type": "application/octet-stream",
        "cache-control": "no-store",
      },
    });
  }
}

/** Writes the changes of a commit once more. */
function apply(session: Session, commit: Commit): void {
  for (const [key, value] of commit.changes()) {
    if (value === undefined) session.delete(key);
    else session.set(key, value);
  }
}

/** One commit as an event. */
function eventOf(commit: Commit): string {
  const { sequence, kind, root, previousRoot, meta } = commit;
  const data = JSON.stringify({
    height: sequence,
    kind,
    root: root.toHex(),
    previousRoot: previousRoot.toHex(),
    meta: meta.toHex(),
  });
  return `id: ${sequence}\nevent: commit\ndata: ${data}\n\n`;
}

async function readBody(request: Request, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.length;
    if (size > most) {
      throw new Refusal(413, "bytes", `Cannot read body: over ${most} bytes`);
    }
    parts.push(part);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function fromHex(text: string, what: string): Uint8Array {
  try {
    return Uint8Array.fromHex(text);
  } catch {
    throw new Refusal(400, what, `Cannot read ${what}: it is not hex`);
  }
}

function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": "content-type",
      "access-control-max-age": "86400",
    },
  });
}

function json(status: number, value: unknown): Response {
  return Response.json(value, {
    status,
    headers: { "cache-control": "no-store" },
  });
}

/** What of the program's insides strangers may see: codes, not causes. */
function refusalOf(error: unknown): Response {
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof Refusal) {
    return json(error.status, { code: error.code, message });
  }
  if (error instanceof NotRetainedError) {
    return json(410, { code: error.code, message });
  }
  if (error instanceof RangeError || error instanceof TypeError) {
    return json(400, { code: "request", message });
  }
  if (error instanceof StemmaError && error.name === "ProofError") {
    return json(400, { code: error.code, message });
  }
  const code = error instanceof StemmaError ? error.code : "internal";
  return json(500, { code, message: "Cannot answer: the server failed" });
}

/**
 * Makes a handler for light clients.
 *
 * @example
 * ```ts ignore
 * Deno.serve(proofHandler(db, { cors: "*" }));
 * ```
 *
 * @param db The open store.
 * @param options Path, limits, and who may read the answers.
 * @returns A function for `Deno.serve`, or for any server of its kind.
 */
export function proofHandler(
  db: Stemma,
  options: ProofHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const server = new ProofServer(db, options);
  return (request) => server.handle(request);
}
