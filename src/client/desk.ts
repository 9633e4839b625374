// This module is browser compatible.
//
// What a worker keeps for one client: its sessions, versions, snapshots and
// streams by number, and how each request is done.

import type { Commit } from "../commits.ts";
import type { Stemma } from "../database.ts";
import { UsedUpError } from "../errors.ts";
import { Prepared } from "../prepared.ts";
import type { Session } from "../session.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Range } from "../tree_reader.ts";
import { receiveError, sendError, type SentError } from "./errors.ts";
import type { Link } from "./link.ts";
import {
  type Answers,
  buffersOf,
  type FromWorker,
  HEAD,
  pack,
  type Packed,
  type Request,
  type SentCommit,
  type ToWorker,
  unpack,
} from "./protocol.ts";
import type { StoreHost } from "./worker.ts";

/** Bytes of entries after which a part of a listing is sent. */
const PART_BYTES = 1 << 18;

/** What a number stands for; `error` is why the object was not made. */
type Kept =
  | { kind: "session"; session: Session; failure?: SentError }
  | { kind: "view"; view: Prepared | Snapshot }
  | { kind: "commits"; commits: AsyncIterator<Commit>; stop: AbortController }
  | { kind: "export"; reader: ReadableStreamDefaultReader<Uint8Array> }
  | { kind: "import"; writer: WritableStreamDefaultWriter<Uint8Array> }
  | { kind: "error"; error: SentError };

/** An answer, and the buffers that go over for good. */
interface Reply {
  readonly value: unknown;
  readonly transfer?: Transferable[];
}

/** One client, seen from the worker. */
export class Desk {
  readonly #host: StoreHost;
  readonly #link: Link<ToWorker, FromWorker>;
  readonly #onHello: (client: string, protocol: number) => void;
  readonly #kept: Map<number, Kept> = new Map();
  readonly #cancels: Map<number, AbortController> = new Map();
  #isGreeted = false;

  constructor(
    host: StoreHost,
    link: Link<ToWorker, FromWorker>,
    onHello: (client: string, protocol: number) => void,
  ) {
    this.#host = host;
    this.#link = link;
    this.#onHello = onHello;
  }

  /** Does what a message asks. */
  hear(message: ToWorker): void {
    if (message.type === "hello") {
      if (this.#isGreeted) return;
      this.#isGreeted = true;
      this.#onHello(message.client, message.protocol);
    } else if (message.type === "cancel") {
      this.#cancels.get(message.id)?.abort();
    } else if (message.id === undefined) this.#take(message.request);
    else this.#answer(message.id, message.request);
  }

  /** Drops everything that is kept for the client. */
  dropAll(): void {
    for (const kept of this.#kept.values()) letGo(kept);
    this.#kept.clear();
  }

  /** The client is gone, or the store: whatever is under way is of no use. */
  end(): void {
    this.dropAll();
    for (const cancel of this.#cancels.values()) cancel.abort();
    this.#link.close();
  }

  /** Tells the client that the store is closed. */
  sayGone(): void {
    this.#link.post({ type: "gone" });
    this.end();
  }

  /** Does a request that is not answered; its failure is kept for later. */
  async #take(request: Request): Promise<void> {
    try {
      await this.#do(request, new AbortController().signal);
    } catch (error) {
      this.#noteFailure(request, sendError(error));
    } finally {
      if (request.op === "close") this.#host.sayGone();
    }
  }

  #noteFailure(request: Request, error: SentError): void {
    if (request.op === "write") {
      const kept = this.#kept.get(request.session);
      if (kept?.kind === "session") kept.failure ??= error;
    } else if ("handle" in request && request.op !== "drop") {
      this.#kept.set(request.handle, { kind: "error", error });
    }
  }

  async #answer(id: number, request: Request): Promise<void> {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    try {
      const { value, transfer } = await this.#do(request, cancel.signal, id);
      this.#link.post({ type: "answer", id, value }, transfer);
    } catch (error) {
      this.#link.post({ type: "error", id, error: sendError(error) });
    } finally {
      this.#cancels.delete(id);
      // After the answer, which would not be heard behind it.
      if (request.op === "close") this.#host.sayGone();
    }
  }

  #do(request: Request, signal: AbortSignal, id?: number): Promise<Reply> {
    if (request.op === "pause") return plain(this.#host.pause());
    if (request.op === "resume") return plain(this.#host.resume());
    if (request.op === "close") return plain(this.#host.shut());
    if (request.op === "next") return this.#next(request);
    return this.#host.run((db) => {
      signal.throwIfAborted();
      if (request.op === "check") {
        const onProgress = (progress: { pages: number; entries: number }) => {
          if (id !== undefined) {
            this.#link.post({ type: "progress", id, progress });
          }
        };
        return plain(db.check({ signal, onProgress }));
      }
      return this.#onObjects(db, request) ?? this.#onStore(db, request, signal);
    });
  }

  /** Requests that make, use or drop what is kept. */
  #onObjects(db: Stemma, request: Request): Promise<Reply> | Reply | undefined {
    switch (request.op) {
      case "read":
        return this.#read(db, request);
      case "entries":
        return this.#entries(db, request);
      case "prove":
        return bytes(this.#view(request.target).prove(request.query));
      case "begin":
        return this.#begin(db, request);
      case "write":
        return this.#write(request);
      case "prepare":
        return this.#prepare(request);
      case "commit":
        return this.#commit(request);
      case "snapshot":
        return this.#snapshot(db, request);
      case "drop":
        return this.#drop(request.handle);
      default:
        return undefined;
    }
  }

  /** Requests about the store as a whole. */
  async #onStore(
    db: Stemma,
    request: Request,
    signal: AbortSignal,
  ): Promise<Reply> {
    switch (request.op) {
      case "head":
        return { value: db.head };
      case "history":
        return { value: db.history() };
      case "metrics":
        return { value: plainMetrics(db) };
      case "checkpoint":
        return plain(db.checkpoint());
      case "rollback":
        await (typeof request.to === "number"
          ? db.rollback(request.to)
          : db.rollbackTo(request.to));
        return { value: undefined };
      case "follow":
        return this.#follow(db, request);
      case "export":
        this.#keep(request.handle, {
          kind: "export",
          reader: db.export().getReader(),
        });
        return { value: undefined };
      case "pull":
        return await this.#pull(request.handle);
      case "import":
        return await this.#import(db, request, signal);
      case "push":
        return await this.#push(request);
      default:
        throw new TypeError(`Cannot do request: ${request.op} is not known`);
    }
  }

  #read(db: Stemma, request: Request & { op: "read" }): Reply {
    const source = request.target === HEAD ? db : this.#reader(request.target);
    const keys = unpack(request.keys) as Uint8Array[];
    if (request.has) return { value: keys.map((key) => source.has(key)) };
    const values = pack(keys.map((key) => source.get(key)));
    return { value: values, transfer: buffersOf(values) };
  }

  #entries(db: Stemma, request: Request & { op: "entries" }): Reply {
    const view = request.target === HEAD ? db : this.#view(request.target);
    const keys: Uint8Array[] = [], values: Uint8Array[] = [];
    let size = 0, done = true;
    for (const [key, value] of view.entries(definedOnly(request.range))) {
      keys.push(key);
      values.push(value);
      size += key.length + value.length;
      if (size < PART_BYTES) continue;
      done = false;
      break;
    }
    const part = { keys: pack(keys), values: pack(values), done };
    return { value: part, transfer: buffersOf(part.keys, part.values) };
  }

  #begin(db: Stemma, request: Request & { op: "begin" }): Reply {
    const { handle, on, witness } = request;
    const session = on === HEAD
      ? db.begin({ witness })
      : db.begin({ witness, on: this.#view(on) });
    this.#keep(handle, { kind: "session", session });
    return { value: undefined };
  }

  #write(request: Request & { op: "write" }): Reply {
    const { session } = this.#session(request.session);
    const values = unpack(request.values);
    for (const [i, key] of unpack(request.keys).entries()) {
      const value = values[i];
      if (value === undefined) session.delete(key!);
      else session.set(key!, value);
    }
    return { value: undefined };
  }

  #prepare(request: Request & { op: "prepare" }): Reply {
    const view = this.#session(request.session).session.prepare();
    this.#kept.delete(request.session);
    this.#keep(request.handle, { kind: "view", view });
    const { root, previousRoot, witness } = view;
    const value: Answers["prepare"] = { root, previousRoot, witness };
    // The version keeps its witness; what is sent is a copy.
    return { value };
  }

  async #commit(request: Request & { op: "commit" }): Promise<Reply> {
    const view = this.#view(request.handle);
    if (!(view instanceof Prepared)) {
      throw new TypeError("Cannot commit version: it is a snapshot");
    }
    const { meta } = request;
    await view.commit(meta === undefined ? {} : { meta });
    this.#kept.delete(request.handle);
    return { value: undefined };
  }

  #snapshot(db: Stemma, request: Request & { op: "snapshot" }): Reply {
    const { at, handle } = request;
    const view = db.snapshot(
      typeof at === "number" ? this.#view(at) as Prepared : at,
    );
    this.#keep(handle, { kind: "view", view });
    return { value: { root: view.root, sequence: view.sequence } };
  }

  #drop(handle: number): Reply {
    const kept = this.#kept.get(handle);
    this.#kept.delete(handle);
    if (kept !== undefined) letGo(kept);
    return { value: undefined };
  }

  #follow(db: Stemma, request: Request & { op: "follow" }): Reply {
    const { handle, from } = request, stop = new AbortController();
    const { signal } = stop;
    const commits = db.commits(
      from === undefined ? { signal } : { from, signal },
    );
    this.#keep(handle, { kind: "commits", commits, stop });
    return { value: undefined };
  }

  /** Waits outside of `run`: a commit may take as long as it likes to come. */
  async #next(request: Request & { op: "next" }): Promise<Reply> {
    await this.#host.run(() => {});
    const kept = this.#find(request.handle);
    if (kept.kind !== "commits") throw wrong(request.handle);
    const { done, value } = await kept.commits.next();
    if (done) return { value: undefined };
    const { sequence, kind, previousRoot, root, meta } = value;
    const changes = request.changes ? packChanges(value) : undefined;
    const sent: SentCommit = {
      sequence,
      kind,
      previousRoot,
      root,
      meta,
      changes,
    };
    const transfer = changes && buffersOf(changes.keys, changes.values);
    return { value: sent, ...(transfer && { transfer }) };
  }

  async #pull(handle: number): Promise<Reply> {
    const kept = this.#find(handle);
    if (kept.kind !== "export") throw wrong(handle);
    const { done, value } = await kept.reader.read();
    if (!done) return { value };
    this.#kept.delete(handle);
    return { value: undefined };
  }

  async #import(
    db: Stemma,
    request: Request & { op: "import" },
    signal: AbortSignal,
  ): Promise<Reply> {
    const { handle, root } = request;
    const { readable, writable } = new TransformStream<
      Uint8Array,
      Uint8Array
    >();
    this.#keep(handle, { kind: "import", writer: writable.getWriter() });
    try {
      await db.import(
        readable,
        root === undefined ? { signal } : { signal, root },
      );
    } finally {
      this.#drop(handle);
    }
    return { value: undefined };
  }

  async #push(request: Request & { op: "push" }): Promise<Reply> {
    const kept = this.#find(request.handle);
    if (kept.kind !== "import") throw wrong(request.handle);
    if (request.chunk === undefined) await kept.writer.close();
    else await kept.writer.write(request.chunk);
    return { value: undefined };
  }

  #keep(handle: number, kept: Kept): void {
    this.#kept.set(handle, kept);
  }

  #find(handle: number): Kept {
    const kept = this.#kept.get(handle);
    if (kept === undefined) throw wrong(handle);
    if (kept.kind === "error") throw receiveError(kept.error);
    return kept;
  }

  #session(handle: number): { session: Session } {
    const kept = this.#find(handle);
    if (kept.kind !== "session") throw wrong(handle);
    if (kept.failure !== undefined) throw receiveError(kept.failure);
    return kept;
  }

  #view(handle: number): Prepared | Snapshot {
    const kept = this.#find(handle);
    if (kept.kind !== "view") throw wrong(handle);
    return kept.view;
  }

  #reader(handle: number): Prepared | Snapshot | Session {
    const kept = this.#find(handle);
    return kept.kind === "session"
      ? this.#session(handle).session
      : this.#view(handle);
  }
}

function wrong(handle: number): UsedUpError {
  return new UsedUpError(
    `Cannot use object ${handle}: it was used up, dropped or never made`,
  );
}

function letGo(kept: Kept): void {
  if (kept.kind === "session") kept.session.discard();
  else if (kept.kind === "commits") kept.stop.abort();
  else if (kept.kind === "export") kept.reader.cancel().catch(() => {});
  else if (kept.kind === "import") kept.writer.abort().catch(() => {});
  else if (kept.kind === "view") {
    if (kept.view instanceof Prepared) kept.view.discard();
    else kept.view.close();
  }
}

async function plain(done: Promise<void>): Promise<Reply> {
  await done;
  return { value: undefined };
}

function bytes(value: Uint8Array): Reply {
  return { value, transfer: [value.buffer as ArrayBuffer] };
}

function packChanges(commit: Commit): { keys: Packed; values: Packed } {
  const keys: Uint8Array[] = [], values: (Uint8Array | undefined)[] = [];
  for (const [key, value] of commit.changes()) {
    keys.push(key);
    values.push(value);
  }
  return { keys: pack(keys), values: pack(values) };
}

function definedOnly(range: object): Range {
  return Object.fromEntries(
    Object.entries(range).filter(([, value]) => value !== undefined),
  );
}

/** The metrics without the error objects in them. */
function plainMetrics(db: Stemma): Answers["metrics"] {
  const metrics = db.metrics(), { checkpointError } = metrics;
  if (checkpointError === undefined) return metrics;
  return { ...metrics, checkpointError: String(checkpointError) };
}
