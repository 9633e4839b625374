// This module is browser compatible.
//
// One store for several tabs: a Web Lock elects the tab whose worker has it, the
// others talk to that worker through channels, and when it goes the next in
// line opens the store.

import { LockedError, UnsupportedError } from "../../backends/errors.ts";
import { clientName } from "./connection.ts";
import { DisconnectedError } from "./errors.ts";
import {
  channelLink,
  channelName,
  hasLocks,
  hold,
  type LobbyMessage,
  lobbyName,
  type Port,
  portLink,
} from "./link.ts";
import { type FromWorker, PROTOCOL, type ToWorker } from "./protocol.ts";
import { connectLink, followPage, RemoteStore } from "./store.ts";
import type { CallOptions } from "./views.ts";

/** Options of {@linkcode share}. */
export interface ShareOptions extends CallOptions {
  /**
   * Told when the worker that had the store has gone and another has opened it:
   * sessions, versions and snapshots of before are used up.
   */
  readonly onTakeover?: (store: RemoteStore) => void;
}

/** How often a new holder tries to open a store whose last owner just died. */
const OPEN_TRIES = 5;

/** A worker that can be ended. */
export interface StoreWorker extends Port {
  /** Ends it at once. */
  terminate?(): void;
}

/** A call that waits until the store can be reached. */
interface Waiter {
  readonly resolve: (store: RemoteStore) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A store that several tabs use, one of them having it.
 *
 * @example On every tab
 * ```ts ignore
 * import { share } from "@stemma/db/client";
 *
 * await using shared = share("wallet", () => new Worker("store_worker.js"));
 * const db = await shared.store();
 * console.log(shared.isHolder, await db.root());
 * ```
 */
export class SharedStore {
  readonly #name: string;
  readonly #makeWorker: () => StoreWorker;
  readonly #options: ShareOptions;
  readonly #stop: AbortController = new AbortController();
  readonly #lobby: BroadcastChannel;
  #waiters: Waiter[] = [];
  #store: RemoteStore | undefined;
  #worker: StoreWorker | undefined;
  #looking: AbortController | undefined;
  /** Why the store cannot be opened, once this tab has tried. */
  #failure: unknown;
  #isFirst = true;

  /** Internal: made by {@linkcode share}. */
  constructor(
    name: string,
    makeWorker: () => StoreWorker,
    options: ShareOptions,
  ) {
    this.#name = name;
    this.#makeWorker = makeWorker;
    this.#options = options;
    this.#lobby = new BroadcastChannel(lobbyName(name));
    this.#lobby.onmessage = ({ data }: { data: LobbyMessage }) => {
      if (data.type === "open" && this.#store === undefined) this.#look();
    };
    this.#look();
    this.#elect();
  }

  /** Whether this tab's worker has the store. */
  get isHolder(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * The store as it can be reached now; waits while nobody has it open. Ask for
   * it again after a `DisconnectedError`.
   *
   * @param options A signal to give up waiting.
   * @returns The connected store.
   * @throws {DisconnectedError} After {@linkcode close}.
   */
  store(options: CallOptions = {}): Promise<RemoteStore> {
    const { signal } = options;
    if (this.#stop.signal.aborted) return Promise.reject(closed());
    if (this.#store !== undefined) return Promise.resolve(this.#store);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const waiter = { resolve, reject };
      this.#waiters.push(waiter);
      signal?.addEventListener("abort", () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason);
      });
    });
  }

  /** Leaves; when this tab's worker has the store, closes it for a successor. */
  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const store = this.#store, worker = this.#worker;
    this.#looking?.abort(closed());
    this.#store = undefined;
    this.#reject(closed());
    try {
      if (worker === undefined) store?.disconnect();
      else await store?.close();
    } catch (error) {
      if (!(error instanceof DisconnectedError)) throw error;
    } finally {
      this.#stop.abort(closed());
      worker?.terminate?.();
      this.#worker = undefined;
      this.#lobby.close();
    }
  }

  /** Same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Waits in line; at its end this tab's worker opens the store. */
  async #elect(): Promise<void> {
    const { signal } = this.#stop;
    let letGo: (() => void) | undefined;
    try {
      letGo = await hold(`stemma-store:${this.#name}`, signal);
      signal.addEventListener("abort", letGo);
      const store = await this.#openOwn();
      this.#looking?.abort(closed());
      this.#reach(store);
    } catch (error) {
      letGo?.();
      if (signal.aborted) return;
      this.#failure = error;
      this.#reject(error);
    }
  }

  async #openOwn(): Promise<RemoteStore> {
    const { signal } = this.#stop;
    for (let tries = 1;; tries++) {
      const worker = this.#makeWorker();
      try {
        const link = portLink<FromWorker, ToWorker>(worker);
        const store = await connectLink(link, signal);
        followPage(RemoteStore.connectionOf(store), false);
        this.#worker = worker;
        return store;
      } catch (error) {
        worker.terminate?.();
        const isBusy = error instanceof LockedError;
        if (!isBusy || tries === OPEN_TRIES || signal.aborted) throw error;
      }
    }
  }

  /** Asks who has the store open; whoever does answers on a channel of two. */
  #look(): void {
    if (this.#stop.signal.aborted || this.#worker !== undefined) return;
    this.#looking?.abort(closed());
    const looking = new AbortController();
    this.#looking = looking;
    const client = clientName();
    const name = channelName(this.#name, client);
    const link = channelLink<FromWorker, ToWorker>(name);
    const ask: LobbyMessage = { type: "ask", client, protocol: PROTOCOL };
    const announce = (): void => this.#lobby.postMessage(ask);
    connectLink(link, looking.signal, client, announce).then((store) => {
      const isLate = this.#store !== undefined || this.#looking !== looking;
      if (isLate) store.disconnect();
      else this.#reach(store);
    }, () => {});
  }

  /** The store can be reached. */
  #reach(store: RemoteStore): void {
    const connection = RemoteStore.connectionOf(store);
    const before = connection.onGone;
    connection.onGone = () => {
      before?.();
      this.#lose(store);
    };
    const old = this.#store;
    this.#store = store;
    old?.disconnect();
    for (const { resolve } of this.#waiters.splice(0)) resolve(store);
    if (!this.#isFirst) this.#options.onTakeover?.(store);
    this.#isFirst = false;
  }

  /** The store's worker is gone, or another is reached instead. */
  #lose(store: RemoteStore): void {
    if (this.#store !== store) return;
    this.#store = undefined;
    if (this.#worker === undefined) this.#look();
    else this.#failure = closed();
  }

  #reject(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}

function closed(): DisconnectedError {
  return new DisconnectedError("Cannot use store: this tab has left it");
}

/**
 * Shares one store between the tabs of an origin: one tab's worker opens it, the
 * others reach it through a channel, and take over when it goes.
 *
 * @example On every tab
 * ```ts ignore
 * import { share } from "@stemma/db/client";
 *
 * const shared = share(
 *   "wallet",
 *   () => new Worker("store_worker.js", { type: "module" }),
 * );
 * const db = await shared.store();
 * ```
 *
 * @param name The store's name, the same in all tabs and in `serveStore`.
 * @param makeWorker Makes the worker that serves the store; called when this
 *   tab is elected.
 * @param options A callback for takeovers.
 * @returns The shared store.
 * @throws {UnsupportedError} Where there are no Web Locks.
 */
export function share(
  name: string,
  makeWorker: () => StoreWorker,
  options: ShareOptions = {},
): SharedStore {
  if (!hasLocks()) {
    throw new UnsupportedError(
      "Cannot share store: navigator.locks exists only on secure origins",
    );
  }
  return new SharedStore(name, makeWorker, options);
}
