// This module is browser compatible.
//
// How messages get from one side to the other: a worker's own port, or a channel
// of two between tabs. And how either side learns that the other is gone, which
// no event tells: each holds a Web Lock for as long as it lives, and the other
// waits for it.

/** Either end of a connection. */
export interface Link<In, Out> {
  /** Sends a message; buffers are transferred where the transport can. */
  post(message: Out, transfer?: Transferable[]): void;
  /**
   * Who hears what the other side sends, and why nothing ever will come: the
   * worker's script could not be loaded or threw.
   */
  listen(hear: (message: In) => void, fail?: (why: string) => void): void;
  /** Stops hearing and sending. */
  close(): void;
}

/** What workers, message ports and a worker's global scope have in common. */
export interface Port {
  /** Sends a message. */
  postMessage(message: unknown, transfer: Transferable[]): void;
  /** Hears messages, and of a worker whose script failed. */
  addEventListener(
    type: "message" | "error",
    listener: (event: MessageEvent) => void,
  ): void;
  /** Hears no more. */
  removeEventListener(
    type: "message" | "error",
    listener: (event: MessageEvent) => void,
  ): void;
  /** Lets messages through; message ports only. */
  start?(): void;
}

/** A link over a worker or a message port. */
export function portLink<In, Out>(port: Port): Link<In, Out> {
  const stops: (() => void)[] = [];
  const on = (
    type: "message" | "error",
    listener: (event: MessageEvent) => void,
  ): void => {
    port.addEventListener(type, listener);
    stops.push(() => port.removeEventListener(type, listener));
  };
  return {
    post: (message, transfer = []) => port.postMessage(message, transfer),
    listen(hear, fail) {
      on("message", ({ data }) => hear(data));
      if (fail) on("error", (event) => fail(messageOf(event)));
      port.start?.();
    },
    close() {
      for (const stop of stops) stop();
    },
  };
}

function messageOf(event: object): string {
  return "message" in event && typeof event.message === "string"
    ? event.message
    : "its script could not be loaded";
}

/** A link over a broadcast channel that only two sides know. */
export function channelLink<In, Out>(name: string): Link<In, Out> {
  const channel = new BroadcastChannel(name);
  return {
    post: (message) => channel.postMessage(message),
    listen(hear) {
      channel.onmessage = ({ data }) => hear(data);
    },
    close: () => channel.close(),
  };
}

/** Channel on which tabs and the worker that has a store find each other. */
export function lobbyName(store: string): string {
  return `stemma:${store}`;
}

/** Channel between a worker and one client. */
export function channelName(store: string, client: string): string {
  return `stemma:${store}:${client}`;
}

/** Said on the lobby: by clients that look, by a worker that has the store. */
export type LobbyMessage =
  | { type: "ask"; client: string; protocol: number }
  | { type: "open" };

/** What is used of `navigator.locks`. */
interface LockManager {
  request(
    name: string,
    options: { mode?: "exclusive" | "shared"; signal?: AbortSignal },
    held: () => Promise<void> | void,
  ): Promise<void>;
}

function lockManager(): LockManager | undefined {
  const { navigator } = globalThis as { navigator?: { locks?: LockManager } };
  return navigator?.locks;
}

/** Whether deaths can be noticed and elections held here. */
export function hasLocks(): boolean {
  return lockManager() !== undefined;
}

/**
 * Holds a lock from now on; resolves once it is held, with what lets go of it.
 *
 * @param signal Gives up waiting.
 */
export function hold(name: string, signal?: AbortSignal): Promise<() => void> {
  const locks = lockManager();
  if (locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const options = signal === undefined ? {} : { signal };
    locks.request(
      name,
      options,
      () => new Promise<void>((release) => resolve(release)),
    ).catch(reject);
  });
}

/** Calls `dead` once nobody holds the lock any more, unless stopped before. */
export function whenReleased(name: string, dead: () => void): () => void {
  const locks = lockManager();
  if (locks === undefined || name === "") return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  locks.request(name, { mode: "shared", signal }, () => dead()).catch(() => {});
  return () => stop.abort();
}

/** A name that nobody else draws. */
export function uniqueName(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return prefix +
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
