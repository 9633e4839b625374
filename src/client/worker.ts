// This module is browser compatible.
//
// The worker's side: opens the store and does what clients ask, in the order in
// which they ask it.

import { UnsupportedError } from "../../backends/errors.ts";
import type { StorageBackend } from "../../backends/types.ts";
import { open, type OpenOptions, type Stemma } from "../database.ts";
import { sendError } from "./errors.ts";
import {
  channelLink,
  channelName,
  hold,
  type Link,
  type LobbyMessage,
  lobbyName,
  type Port,
  portLink,
  uniqueName,
  whenReleased,
} from "./link.ts";
import {
  type FromWorker,
  PROTOCOL,
  type ToWorker,
  type Welcome,
} from "./protocol.ts";
import { Desk } from "./desk.ts";

/** A backend that can let go of its files: `opfs()` makes one. */
export interface PausableBackend extends StorageBackend {
  /** Lets go of files and lock. */
  pause(): void;
  /** Takes them again. */
  resume(): Promise<void>;
}

/** Options of {@linkcode serveStore}. */
export interface ServeOptions extends OpenOptions {
  /** The name under which other tabs find the store; see `share`. */
  readonly share?: string;
  /**
   * Where clients are heard.
   *
   * @default {globalThis}
   */
  readonly port?: Port;
}

/** A store that is served. */
export interface ServedStore {
  /** The open store. */
  readonly store: Promise<Stemma>;
  /** Closes the store and tells the clients. */
  close(): Promise<void>;
}

/** Serves one store to clients. */
export class StoreHost {
  readonly #backend: StorageBackend;
  readonly #options: ServeOptions;
  readonly #desks: Set<Desk> = new Set();
  readonly #busy: Set<Promise<unknown>> = new Set();
  #welcome: Promise<Welcome>;
  #store: Promise<Stemma>;
  /** Requests wait for it while the store is paused. */
  #paused: PromiseWithResolvers<void> | undefined;
  #lobby: BroadcastChannel | undefined;
  #letGo: (() => void) | undefined;
  #clients = 0;
  #closing: Promise<void> | undefined;

  /** Internal: made by {@linkcode serveStore}. */
  constructor(backend: StorageBackend, options: ServeOptions) {
    this.#backend = backend;
    this.#options = options;
    this.#store = open(backend, options);
    this.#store.catch(() => {});
    this.#welcome = this.#greet();
    this.#welcome.catch(() => {});
    const port = options.port ?? globalThis as unknown as Port;
    this.#serve(portLink<ToWorker, FromWorker>(port));
    if (options.share !== undefined) this.#meet(options.share);
  }

  /** The open store. */
  get store(): Promise<Stemma> {
    return this.#store;
  }

  /** Runs a request once the store is not paused. */
  async run<T>(step: (store: Stemma) => T | Promise<T>): Promise<T> {
    while (this.#paused !== undefined) await this.#paused.promise;
    const running = (async () => await step(await this.#store))();
    this.#busy.add(running);
    try {
      return await running;
    } finally {
      this.#busy.delete(running);
    }
  }

  /** Waits for what is under way, and lets go of the files. */
  async pause(): Promise<void> {
    const backend = this.#pausable();
    if (this.#paused !== undefined) return;
    this.#paused = Promise.withResolvers();
    await Promise.allSettled(this.#busy);
    backend.pause();
  }

  /** Takes the files again, or opens the store anew when it was changed. */
  async resume(): Promise<void> {
    const backend = this.#pausable();
    if (this.#paused === undefined) return;
    try {
      await backend.resume();
    } catch (error) {
      if (codeOf(error) !== "closed") throw error;
      await this.#reopen();
    }
    const paused = this.#paused;
    this.#paused = undefined;
    paused.resolve();
  }

  /** Closes the store for everybody. */
  async close(): Promise<void> {
    try {
      await this.shut();
    } finally {
      this.sayGone();
    }
  }

  /** Closes the store; {@linkcode sayGone} is to follow. */
  shut(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Tells all clients that the store is closed. */
  sayGone(): void {
    for (const desk of this.#desks) desk.sayGone();
    this.#desks.clear();
    this.#letGoAtLast();
  }

  /**
   * The lock is kept until the last client has heard that the store is closed:
   * losing it says that the worker is dead.
   */
  #letGoAtLast(): void {
    if (this.#closing !== undefined && this.#clients === 0) this.#letGo?.();
  }

  async #close(): Promise<void> {
    try {
      if (this.#paused !== undefined) await this.resume();
      await Promise.allSettled(this.#busy);
      await (await this.#store).close();
    } finally {
      this.#lobby?.close();
    }
  }

  /** What the old store knows is out of date: nothing of it is written. */
  async #reopen(): Promise<void> {
    await (await this.#store).abandon();
    for (const desk of this.#desks) desk.dropAll();
    const reopened = open(this.#backend, { ...this.#options, create: "never" });
    await reopened;
    this.#store = reopened;
  }

  #pausable(): PausableBackend {
    const backend = this.#backend as Partial<PausableBackend>;
    if (backend.pause !== undefined && backend.resume !== undefined) {
      return backend as PausableBackend;
    }
    throw new UnsupportedError(
      `Cannot pause store: backend ${this.#backend.name} cannot let go of it`,
    );
  }

  async #greet(): Promise<Welcome> {
    const { scheme } = await this.#store;
    const alive = uniqueName("stemma-worker:");
    this.#letGo = await hold(alive);
    const { keyBytesMin, keyBytesMax, valueBytes, name } = scheme;
    return {
      type: "welcome",
      protocol: PROTOCOL,
      alive,
      scheme: name,
      keyBytesMin,
      keyBytesMax,
      valueBytes,
    };
  }

  /** Answers whoever looks for the store in the lobby. */
  async #meet(name: string): Promise<void> {
    const lobby = new BroadcastChannel(lobbyName(name));
    this.#lobby = lobby;
    lobby.onmessage = ({ data }: { data: LobbyMessage }) => {
      if (data.type !== "ask") return;
      const { client, protocol } = data;
      const link = channelLink<ToWorker, FromWorker>(channelName(name, client));
      this.#serve(link).hear({ type: "hello", client, protocol });
    };
    try {
      await this.#welcome;
      const said: LobbyMessage = { type: "open" };
      lobby.postMessage(said);
    } catch {
      // Whoever asked is told why; nobody else need know.
      lobby.close();
    }
  }

  /** Hears one client. */
  #serve(link: Link<ToWorker, FromWorker>): Desk {
    const desk = new Desk(this, link, (client, protocol) => {
      this.#admit(desk, link, client, protocol);
    });
    this.#desks.add(desk);
    link.listen((message) => desk.hear(message));
    link.post({ type: "listening" });
    return desk;
  }

  async #admit(
    desk: Desk,
    link: Link<ToWorker, FromWorker>,
    client: string,
    protocol: number,
  ): Promise<void> {
    try {
      if (protocol !== PROTOCOL) throw otherProtocol(protocol);
      const welcome = await this.#welcome;
      this.#clients++;
      whenReleased(client, () => {
        this.#clients--;
        this.#desks.delete(desk);
        desk.end();
        this.#letGoAtLast();
      });
      link.post(welcome);
    } catch (error) {
      link.post({ type: "failed", error: sendError(error) });
    }
  }
}

function otherProtocol(protocol: number): UnsupportedError {
  return new UnsupportedError(
    `Cannot serve store: the client speaks protocol ${protocol}, the worker ` +
      `${PROTOCOL}: reload the page`,
  );
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

/**
 * Opens a store in a dedicated worker and serves it to clients: to the page that
 * made the worker, and with `share` to other tabs.
 *
 * @example The whole script of a worker
 * ```ts ignore
 * import { serveStore } from "@stemma/db/client/worker";
 * import { opfs } from "@stemma/db/backends/opfs";
 *
 * serveStore(opfs("wallet"), { scheme: "nomt-blake3", share: "wallet" });
 * ```
 *
 * @param backend Where the store's files are.
 * @param options As for `open`; the name for other tabs.
 * @returns The store, for the worker's own use, and a way to close it.
 */
export function serveStore(
  backend: StorageBackend,
  options: ServeOptions = {},
): ServedStore {
  return new StoreHost(backend, options);
}
