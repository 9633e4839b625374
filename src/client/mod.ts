// This module is browser compatible.

/**
 * A store in a worker with the API of an open store, each call with a promise:
 * for a page's main thread, and for several tabs that share one store. Loads
 * nothing of the engine; the worker's side is `@stemma/db/client/worker`.
 *
 * @example Over a message port, in one thread
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 *
 * const db = await connect(port2);
 * using session = db.begin();
 * session.set(new Uint8Array(32), new Uint8Array([42]));
 * await (await session.prepare()).commit();
 * assertEquals(await db.get(new Uint8Array(32)), new Uint8Array([42]));
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 *
 * @module
 */

export { DisconnectedError } from "./errors.ts";
export type { Port } from "./link.ts";
export { share, SharedStore } from "./share.ts";
export type { ShareOptions, StoreWorker } from "./share.ts";
export { connect, RemoteStore } from "./store.ts";
export type {
  ConnectOptions,
  RemoteBeginOptions,
  RemoteCommit,
  RemoteCommitsOptions,
} from "./store.ts";
export {
  RemotePrepared,
  RemoteReader,
  RemoteSession,
  RemoteSnapshot,
  RemoteView,
} from "./views.ts";
export type { CallOptions, RemoteRange } from "./views.ts";
