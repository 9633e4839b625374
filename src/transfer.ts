// This module is browser compatible.
//
// A whole state as a stream of bytes (docs/format.md, "Export"): a header with scheme
// and root, the entries in key order, a trailer. The import computes the root
// itself and commits only when it is the one in the header.

import { CorruptError, ExistenceError } from "./errors.ts";
import type { Core } from "./core.ts";
import type { Head, Stemma } from "./database.ts";
import type { Session } from "./session.ts";
import type { Snapshot } from "./snapshot.ts";
import { ByteWriter } from "./store/bytes.ts";
import { META_BYTES_MAX } from "./store/header.ts";
import { VALUE_BYTES_MAX } from "./tree/layout.ts";
import { sameBytes } from "./store/bytes.ts";

/** "STMEXP" and the version of the format. */
const MAGIC = [0x53, 0x54, 0x4d, 0x45, 0x58, 0x50, 0, 1];
const HEADER_BYTES = 48;
const CHUNK_BYTES = 1 << 16;

/** How a state is imported. */
export interface ImportOptions {
  /** The root that the state must have: 32 bytes. */
  readonly root?: Uint8Array;
  /** Stops the import; nothing is committed then. */
  readonly signal?: AbortSignal;
}

/** Streams the entries of a snapshot, and closes it. */
export function exportState(
  core: Core,
  snapshot: Snapshot,
  head: Head,
): ReadableStream<Uint8Array> {
  const entries = snapshot.entries();
  const out = new ByteWriter();
  out.bytes(Uint8Array.from(MAGIC));
  out.byte(core.scheme.id);
  out.byte(0);
  out.byte(head.meta.length & 255);
  out.byte(head.meta.length >> 8);
  out.bytes(new Uint8Array(4));
  out.bytes(head.root);
  out.bytes(head.meta);
  let count = 0;
  return new ReadableStream({
    pull(controller): void {
      try {
        while (out.length < CHUNK_BYTES) {
          const next = entries.next();
          if (next.done) {
            out.byte(0);
            out.varint(count);
            controller.enqueue(out.done().slice());
            controller.close();
            snapshot.close();
            return;
          }
          const [key, value] = next.value;
          out.varint(key.length);
          out.bytes(key);
          out.varint(value.length);
          out.bytes(value);
          count++;
        }
        controller.enqueue(out.done().slice());
        out.clear();
      } catch (error) {
        snapshot.close();
        throw error;
      }
    },
    cancel(): void {
      snapshot.close();
    },
  });
}

/** Reads an exported state into an empty store. */
export async function importState(
  db: Stemma,
  stream: ReadableStream<Uint8Array>,
  options: ImportOptions,
): Promise<void> {
  if (db.head.sequence !== 0) {
    throw new ExistenceError(
      "not-empty",
      "Cannot import state: the store must be empty",
    );
  }
  const input = new StreamBytes(stream.getReader(), options.signal);
  try {
    const header = await input.take(HEADER_BYTES);
    if (MAGIC.some((byte, i) => header[i] !== byte)) {
      throw damaged("it is no export of format version 1");
    }
    if (header[8] !== db.scheme.id) {
      throw damaged(
        `its scheme is ${header[8]}, the store's is ${db.scheme.id}`,
      );
    }
    const root = header.slice(16, 48);
    if (options.root !== undefined && !sameBytes(root, options.root)) {
      throw damaged("its root is not the trusted one");
    }
    const metaBytes = header[10] | header[11] << 8;
    if (metaBytes > META_BYTES_MAX) throw damaged("its data is too long");
    const meta = (await input.take(metaBytes)).slice();
    using session = db.begin();
    await readEntries(session, input, db);
    using next = session.prepare();
    if (!sameBytes(next.root, root)) {
      throw damaged("its entries have another root");
    }
    await next.commit({ meta });
  } finally {
    await input.cancel();
  }
}

async function readEntries(
  session: Session,
  input: StreamBytes,
  db: Stemma,
): Promise<void> {
  const { keyBytesMax } = db.scheme;
  for (let count = 0;; count++) {
    const keyBytes = await input.varint();
    if (keyBytes === 0) {
      if (await input.varint() !== count) throw damaged("entries are missing");
      if (!await input.isEnd()) throw damaged("it goes on behind its end");
      return;
    }
    if (keyBytes > keyBytesMax) throw damaged("a key is too long");
    const key = (await input.take(keyBytes)).slice();
    const valueBytes = await input.varint();
    if (valueBytes > VALUE_BYTES_MAX) throw damaged("a value is too long");
    const value = await input.take(valueBytes);
    try {
      session.set(key, value);
    } catch (error) {
      if (error instanceof RangeError) throw damaged(error.message);
      throw error;
    }
  }
}

/** Takes exact numbers of bytes from a stream. */
class StreamBytes {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #isEnd = false;

  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    signal: AbortSignal | undefined,
  ) {
    this.#reader = reader;
    this.#signal = signal;
  }

  /** The next bytes: a view, valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < length) {
      if (!await this.#more()) throw damaged("it ends too early");
      const end = Math.min(this.#chunk.length, this.#at + length - have);
      const part = this.#chunk.subarray(this.#at, end);
      this.#at = end;
      if (part.length === length) return part;
      parts.push(part);
      have += part.length;
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  async varint(): Promise<number> {
    let value = 0, scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.#at === this.#chunk.length && !await this.#more()) {
        throw damaged("it ends too early");
      }
      const byte = this.#chunk[this.#at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw damaged("a number is too long");
  }

  async isEnd(): Promise<boolean> {
    return !await this.#more();
  }

  async cancel(): Promise<void> {
    try {
      await this.#reader.cancel();
    } catch {
      // The stream failed already; that error was thrown.
    }
    this.#reader.releaseLock();
  }

  /** Whether there is at least one byte to take. */
  async #more(): Promise<boolean> {
    while (this.#at === this.#chunk.length && !this.#isEnd) {
      this.#signal?.throwIfAborted();
      const { done, value } = await this.#reader.read();
      if (done) this.#isEnd = true;
      else {
        this.#chunk = value;
        this.#at = 0;
      }
    }
    return this.#at < this.#chunk.length;
  }
}

function damaged(why: string): CorruptError {
  return new CorruptError(`Cannot import state: ${why}`);
}
