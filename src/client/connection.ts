// This module is browser compatible.
//
// The client's end of a link: numbers requests, matches answers, and rejects
// everything that is pending when the worker is gone.

import { DisconnectedError, receiveError } from "./errors.ts";
import { type Link, uniqueName, whenReleased } from "./link.ts";
import {
  type Answers,
  buffersOf,
  type FromWorker,
  HEAD,
  pack,
  type Packed,
  PROTOCOL,
  type Request,
  type ToWorker,
  unpack,
  type Welcome,
} from "./protocol.ts";
import type { CheckProgress } from "../check.ts";

/** A request that waits for its answer. */
interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((progress: CheckProgress) => void) | undefined;
}

/** How a request is made. */
export interface AskOptions {
  /** Buffers that go over for good. */
  readonly transfer?: Transferable[];
  /** Gives up; the promise rejects with its reason at once. */
  readonly signal?: AbortSignal | undefined;
  /** Hears how far a long request is. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}

/** Reads of one kind on one target that were asked for in one turn. */
interface Batch {
  readonly target: number;
  readonly has: boolean;
  readonly keys: Uint8Array[];
  readonly resolve: ((value: unknown) => void)[];
  readonly reject: ((error: unknown) => void)[];
}

/** One worker, seen from a client. */
export class Connection {
  readonly welcome: Welcome;
  readonly #link: Link<FromWorker, ToWorker>;
  readonly #pending: Map<number, Pending> = new Map();
  readonly #batches: Map<string, Batch> = new Map();
  readonly #stopWatching: () => void;
  #ids = 0;
  #handles = HEAD;
  #gone: DisconnectedError | undefined;
  /** Called once when the worker is gone. */
  onGone: (() => void) | undefined;

  private constructor(link: Link<FromWorker, ToWorker>, welcome: Welcome) {
    this.#link = link;
    this.welcome = welcome;
    this.#stopWatching = whenReleased(welcome.alive, () => this.lose());
  }

  /**
   * Greets the worker behind a link and waits for its store to be open. The link
   * is heard from the first moment on: a worker whose script cannot be loaded
   * says so once, and that may be before the lock is held.
   *
   * @param client Name of the lock that this side holds while it lives.
   * @param held Settles once the lock is held: the worker is greeted then.
   * @param announce Makes the worker listen to the link, where it does not yet.
   */
  static open(
    link: Link<FromWorker, ToWorker>,
    client: string,
    held: Promise<unknown>,
    signal?: AbortSignal,
    announce?: () => void,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      let connection: Connection | undefined, isHeld = false;
      const abort = (): void => {
        link.close();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      const greet = (): void =>
        link.post({ type: "hello", client, protocol: PROTOCOL });
      link.listen((message) => {
        if (connection !== undefined) return connection.#hear(message);
        if (message.type === "listening") return isHeld ? greet() : undefined;
        if (message.type === "failed") {
          link.close();
          reject(receiveError(message.error));
        } else if (message.type === "welcome") {
          connection = new Connection(link, message);
          resolve(connection);
        } else return;
        signal?.removeEventListener("abort", abort);
      }, (why) => {
        if (connection !== undefined) return;
        link.close();
        reject(new DisconnectedError(`Cannot start worker: ${why}`));
      });
      held.then(() => {
        if (signal?.aborted) return;
        isHeld = true;
        (announce ?? greet)();
      }, (why) => {
        link.close();
        reject(why);
      });
    });
  }

  /** Why nothing works any more, if so. */
  get gone(): DisconnectedError | undefined {
    return this.#gone;
  }

  /** A number for an object that the worker will keep. */
  newHandle(): number {
    return ++this.#handles;
  }

  /** Sends a request and waits for its answer. */
  ask<R extends Request>(
    request: R,
    options: AskOptions = {},
  ): Promise<Answers[R["op"]]> {
    const { signal, onProgress } = options;
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#flushReads();
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#pending.delete(id);
        this.#link.post({ type: "cancel", id });
        reject(signal?.reason);
      };
      const settle = <T>(then: (value: T) => void) => (value: T): void => {
        signal?.removeEventListener("abort", cancel);
        then(value);
      };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#pending.set(id, {
        resolve: settle(resolve as (value: unknown) => void),
        reject: settle(reject),
        onProgress,
      });
      this.#link.post({ type: "request", id, request }, options.transfer);
    });
  }

  /** Sends a request whose failure shows at a later one. */
  tell(request: Request, transfer?: Transferable[]): void {
    if (this.#gone !== undefined) return;
    this.#flushReads();
    this.#link.post({ type: "request", id: undefined, request }, transfer);
  }

  /** Looks a key up, together with all others of this turn. */
  read(target: number, key: Uint8Array, has: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const name = `${target} ${has}`;
      let batch = this.#batches.get(name);
      if (batch === undefined) {
        batch = { target, has, keys: [], resolve: [], reject: [] };
        this.#batches.set(name, batch);
        queueMicrotask(() => this.#flushReads());
      }
      batch.keys.push(key);
      batch.resolve.push(resolve);
      batch.reject.push(reject);
    });
  }

  /** Looks keys up in one request. */
  async readMany(
    target: number,
    list: readonly Uint8Array[],
    options: AskOptions = {},
  ): Promise<(Uint8Array | undefined)[]> {
    const keys = pack(list), transfer = buffersOf(keys);
    const request = { op: "read", target, keys, has: false } as const;
    const found = await this.ask(request, { ...options, transfer });
    return unpack(found as Packed);
  }

  /** Stops talking; everything pending rejects. */
  close(): void {
    this.lose("Cannot use store: this client is closed");
  }

  /** The worker is gone, or is not to be talked to any more. */
  lose(why = "Cannot reach store: its worker is gone"): void {
    if (this.#gone !== undefined) return;
    this.#gone = new DisconnectedError(why);
    this.#stopWatching();
    this.#link.close();
    for (const { reject } of this.#pending.values()) reject(this.#gone);
    this.#pending.clear();
    this.onGone?.();
  }

  /** Sends the reads that were collected; whatever else is sent goes behind. */
  #flushReads(): void {
    if (this.#batches.size === 0) return;
    const batches = [...this.#batches.values()];
    this.#batches.clear();
    for (const batch of batches) this.#sendReads(batch);
  }

  async #sendReads({ target, has, ...batch }: Batch): Promise<void> {
    try {
      const keys = pack(batch.keys), transfer = buffersOf(keys);
      const request = { op: "read", target, keys, has } as const;
      const found = await this.ask(request, { transfer });
      const values = Array.isArray(found) ? found : unpack(found);
      batch.resolve.forEach((resolve, i) => resolve(values[i]));
    } catch (error) {
      for (const reject of batch.reject) reject(error);
    }
  }

  #hear(message: FromWorker): void {
    if (message.type === "gone") return this.lose();
    if (!("id" in message)) return;
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if (message.type === "progress") {
      pending.onProgress?.(message.progress);
      return;
    }
    this.#pending.delete(message.id);
    if (message.type === "answer") pending.resolve(message.value);
    else pending.reject(receiveError(message.error));
  }
}

/** A name for a client, and the lock of that name. */
export function clientName(): string {
  return uniqueName("stemma-client:");
}
