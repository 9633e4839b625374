// This module is browser compatible.
//
// Versions, snapshots and sessions of a store in a worker, as a client has them:
// each is a number that the worker knows, and the calls that it takes.

import { UsedUpError } from "../errors.ts";
import type { Range } from "../tree_reader.ts";
import type { ProofQuery } from "../view.ts";
import type { AskOptions, Connection } from "./connection.ts";
import { buffersOf, pack, unpack } from "./protocol.ts";

/** How a call on a store in a worker is made. */
export interface CallOptions {
  /** Gives up: the promise rejects with the signal's reason at once. */
  readonly signal?: AbortSignal;
}

/** Bounds of a listing, and a signal that ends it. */
export interface RemoteRange extends Range, CallOptions {}

/**
 * Reads of the head: what clients and views have in common.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * assertEquals(await db.get(key), undefined);
 * assertEquals(await db.getMany([key, key]), [undefined, undefined]);
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemoteReader {
  /** @internal */
  protected readonly connection: Connection;
  /**
   * Internal: what the worker calls it.
   *
   * @internal
   */
  protected readonly target: number;

  /**
   * Internal: made by the client.
   *
   * @internal
   */
  constructor(connection: Connection, target: number) {
    this.connection = connection;
    this.target = target;
  }

  /**
   * Looks up a key. All keys asked for in one turn travel together.
   *
   * @param key A key of the scheme's length.
   * @returns The value; `undefined` when the key is absent.
   * @throws {RangeError} When the key has a wrong length.
   * @throws {DisconnectedError} When the worker is gone.
   */
  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read<Uint8Array | undefined>(key, false);
  }

  /**
   * Whether a key is present. An empty value is present.
   *
   * @param key A key of the scheme's length.
   * @returns Whether the key has a value.
   * @throws {RangeError} When the key has a wrong length.
   */
  has(key: Uint8Array): Promise<boolean> {
    return this.#read<boolean>(key, true);
  }

  /**
   * Looks up keys in one message, all in one version.
   *
   * @param keys Keys of the scheme's length.
   * @param options A signal to give up.
   * @returns The values in the order of the keys.
   */
  getMany(
    keys: readonly Uint8Array[],
    options: CallOptions = {},
  ): Promise<(Uint8Array | undefined)[]> {
    for (const key of keys) checkKey(this.connection, key);
    this.flush();
    return this.connection.readMany(this.target, keys, options);
  }

  /**
   * Internal: brings what is held back here to the worker.
   *
   * @internal
   */
  protected flush(): void {}

  async #read<T>(key: Uint8Array, has: boolean): Promise<T> {
    checkKey(this.connection, key);
    this.flush();
    return await this.connection.read(this.target, key.slice(), has) as T;
  }
}

/**
 * One version of a store in a worker.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * using view = await db.snapshot();
 * assertEquals(view.root, new Uint8Array(32));
 * assertEquals((await view.prove(key)).length, 7);
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemoteView extends RemoteReader {
  /** The root: 32 bytes. */
  readonly root: Uint8Array;
  #isOpen = true;

  /**
   * Internal: made by the client.
   *
   * @internal
   */
  constructor(connection: Connection, target: number, root: Uint8Array) {
    super(connection, target);
    this.root = root;
  }

  /**
   * Proves the value or the absence of keys, or all entries of ranges.
   *
   * @param query One key, several keys, or `{ keys, ranges }`.
   * @param options A signal to give up.
   * @returns The proof for {@linkcode root}, in the format of docs/proofs.md.
   * @throws {ProofError} When a key does not fit the scheme.
   */
  prove(query: ProofQuery, options: CallOptions = {}): Promise<Uint8Array> {
    const { target } = this;
    return this.connection.ask({ op: "prove", target, query }, options);
  }

  /**
   * Lists entries in the order of their keys' bytes.
   *
   * @param range Bounds, direction and limit; a signal to stop.
   * @returns Keys and values.
   */
  entries(
    range: RemoteRange = {},
  ): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
    return listEntries(this.connection, this.target, range);
  }

  /**
   * Internal: lets go of the version.
   *
   * @internal
   */
  protected letGo(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.connection.tell({ op: "drop", handle: this.target });
  }
}

/** Lists entries of a version, as many at a time as the worker packs. */
export async function* listEntries(
  connection: Connection,
  target: number,
  { signal, ...range }: RemoteRange,
): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
  let left = range.limit ?? Infinity, rest: Range = range;
  while (left > 0) {
    const part = await connection.ask(
      { op: "entries", target, range: { ...rest, limit: left } },
      { signal },
    );
    const keys = unpack(part.keys), values = unpack(part.values);
    for (const [i, key] of keys.entries()) yield [key!, values[i]!];
    left -= keys.length;
    if (part.done) return;
    rest = behind(range, keys[keys.length - 1]!);
  }
}

/** What of a range lies behind a key. */
function behind(range: Range, key: Uint8Array): Range {
  const { gt, gte, lt, lte, reverse } = range;
  return reverse
    ? { gt, gte, lt: key, reverse } as Range
    : { gt: key, lt, lte } as Range;
}

/**
 * One version of the store, pinned until closed.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * using snapshot = await db.snapshot();
 * using session = db.begin();
 * session.set(key, value);
 * await (await session.prepare()).commit();
 * assertEquals(await snapshot.has(key), false);
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemoteSnapshot extends RemoteView {
  /** Sequence of the commit that made this version. */
  readonly sequence: number;

  /**
   * Internal: made by the client.
   *
   * @internal
   */
  constructor(
    connection: Connection,
    target: number,
    { root, sequence }: { root: Uint8Array; sequence: number },
  ) {
    super(connection, target, root);
    this.sequence = sequence;
  }

  /** Lets go of the version. Calling it again does nothing. */
  close(): void {
    this.letGo();
  }

  /** Same as {@linkcode close}. */
  [Symbol.dispose](): void {
    this.letGo();
  }
}

/**
 * A version between `prepare()` and `commit()`.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * using session = db.begin();
 * session.set(key, value);
 * using next = await session.prepare();
 * assertEquals(await next.get(key), value);
 * assertEquals(await db.has(key), false);
 * await next.commit();
 * assertEquals(await db.has(key), true);
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemotePrepared extends RemoteView {
  /** Root of the version below: 32 bytes. */
  readonly previousRoot: Uint8Array;
  /** Proof of everything the session read and wrote, when asked for. */
  readonly witness: Uint8Array | undefined;

  /**
   * Internal: made by a session.
   *
   * @internal
   */
  constructor(
    connection: Connection,
    target: number,
    made: {
      root: Uint8Array;
      previousRoot: Uint8Array;
      witness: Uint8Array | undefined;
    },
  ) {
    super(connection, target, made.root);
    this.previousRoot = made.previousRoot;
    this.witness = made.witness;
  }

  /**
   * Makes the version durable and the head.
   *
   * @param options The application's data for this commit: at most 4,096 bytes.
   * @throws {StaleSessionError} When the version below is not the head.
   * @throws {StorageFullError} When there is no room; nothing has changed.
   * @throws {DisconnectedError} When the worker is gone: the commit may have
   *   become durable or not.
   */
  async commit(options: { readonly meta?: Uint8Array } = {}): Promise<void> {
    const { target: handle, connection } = this;
    await connection.ask({ op: "commit", handle, meta: options.meta });
  }

  /** Drops the version. After a commit, or when called again, does nothing. */
  discard(): void {
    this.letGo();
  }

  /** Same as {@linkcode discard}. */
  [Symbol.dispose](): void {
    this.letGo();
  }

  /**
   * Internal: what the worker calls it.
   *
   * @internal
   */
  get handle(): number {
    return this.target;
  }
}

/** Bytes of writes that are held back before they are sent. */
const HELD_BYTES_MAX = 1 << 20;

/**
 * Collects writes for the worker, and sends them in large messages.
 *
 * @example
 * ```ts
 * import { connect } from "@stemma/db/client";
 * import { serveStore } from "@stemma/db/client/worker";
 * import { memoryBackend } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * serveStore(memoryBackend(), { port: port1 });
 * const db = await connect(port2);
 * const key = new Uint8Array(32), value = new Uint8Array([42]);
 * using session = db.begin();
 * session.set(key, value);
 * assertEquals(await session.get(key), value);
 * session.delete(key);
 * assertEquals(await session.has(key), false);
 * session.discard();
 *
 * await db.close();
 * port1.close();
 * port2.close();
 * ```
 */
export class RemoteSession extends RemoteReader {
  #keys: Uint8Array[] = [];
  #values: (Uint8Array | undefined)[] = [];
  #heldBytes = 0;
  #isOpen = true;

  /**
   * Internal: made by the client.
   *
   * @internal
   */
  constructor(connection: Connection, on: number, witness: boolean) {
    super(connection, connection.newHandle());
    connection.tell({ op: "begin", handle: this.target, on, witness });
  }

  /**
   * Sets a key. Both arrays are copied.
   *
   * @param key A key of the scheme's length.
   * @param value Any bytes, or exactly what the scheme wants.
   * @throws {RangeError} When the key or value has a wrong length.
   */
  set(key: Uint8Array, value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError("Cannot set key: value must be a Uint8Array");
    }
    const { valueBytes } = this.connection.welcome;
    if (valueBytes !== undefined && value.length !== valueBytes) {
      throw new RangeError(
        `Cannot set key: value must be ${valueBytes} bytes: received ` +
          value.length,
      );
    }
    this.#write(key, value.slice());
  }

  /**
   * Deletes a key; deleting an absent key changes nothing.
   *
   * @param key A key of the scheme's length.
   * @throws {RangeError} When the key has a wrong length.
   */
  delete(key: Uint8Array): void {
    this.#write(key, undefined);
  }

  /**
   * Makes a version of the writes. Its root is known, nothing is durable.
   *
   * @param options A signal to give up.
   * @returns The version. The session is used up.
   * @throws {StaleSessionError} When the version below can never be committed.
   */
  async prepare(options: CallOptions = {}): Promise<RemotePrepared> {
    this.#refuseUsed();
    this.flush();
    this.#isOpen = false;
    const { connection, target: session } = this;
    const handle = connection.newHandle();
    const request = { op: "prepare", session, handle } as const;
    try {
      const made = await connection.ask(request, options as AskOptions);
      return new RemotePrepared(connection, handle, made);
    } catch (error) {
      // Whatever the worker made of it before it heard of giving up.
      connection.tell({ op: "drop", handle });
      throw error;
    }
  }

  /** Drops the session and its writes. Calling it again does nothing. */
  discard(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.connection.tell({ op: "drop", handle: this.target });
  }

  /** Same as {@linkcode discard}. */
  [Symbol.dispose](): void {
    this.discard();
  }

  /**
   * Internal: sends the writes that are held back.
   *
   * @internal
   */
  protected override flush(): void {
    if (this.#keys.length === 0) return;
    const keys = pack(this.#keys), values = pack(this.#values);
    const request = {
      op: "write",
      session: this.target,
      keys,
      values,
    } as const;
    this.connection.tell(request, buffersOf(keys, values));
    this.#keys = [];
    this.#values = [];
    this.#heldBytes = 0;
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#refuseUsed();
    checkKey(this.connection, key);
    this.#keys.push(key.slice());
    this.#values.push(value);
    this.#heldBytes += key.length + (value?.length ?? 0);
    if (this.#heldBytes > HELD_BYTES_MAX) this.flush();
  }

  #refuseUsed(): void {
    if (this.#isOpen) return;
    throw new UsedUpError("Cannot use session: it was prepared or discarded");
  }
}

/** Refuses keys that the scheme does not take. */
function checkKey({ welcome }: Connection, key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError("Cannot use key: it must be a Uint8Array");
  }
  const { keyBytesMin, keyBytesMax } = welcome;
  if (key.length >= keyBytesMin && key.length <= keyBytesMax) return;
  const wanted = keyBytesMin === keyBytesMax
    ? keyBytesMin
    : `${keyBytesMin} to ${keyBytesMax}`;
  throw new RangeError(
    `Cannot use key: key length must be ${wanted} bytes: received ${key.length}`,
  );
}
