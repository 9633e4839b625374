// urkel: Handshake's binary tree, with its store in memory. Hashes are SHA-256 of
// node:crypto, the fastest one-shot hash that Deno has for it.

import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { loadInstalled } from "./_load.ts";

interface Transaction {
  insert(key: Buffer, value: Buffer): Promise<void>;
  remove(key: Buffer): Promise<void>;
  commit(): Promise<Buffer>;
}

interface Tree {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: Buffer): Promise<Buffer | null>;
  transaction(): Transaction;
}

interface Module {
  readonly Tree: new (options: { hash: Hash; bits: number }) => Tree;
}

const PACKAGE = { name: "urkel", version: "1.0.3" };

function sha256(parts: readonly Uint8Array[]): Buffer {
  const message = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  return hash("sha256", message, "buffer");
}

/** The hash function in the shape that urkel wants. */
class Hash {
  readonly name = "SHA256";
  readonly size = 32;
  readonly zero = Buffer.alloc(32);
  readonly ctx: {
    init(): void;
    update(part: Uint8Array): void;
    final(): Buffer;
  };

  constructor() {
    const parts: Uint8Array[] = [];
    this.ctx = {
      init: () => void (parts.length = 0),
      update: (part) => void parts.push(part),
      final: () => sha256(parts),
    };
  }

  digest(message: Uint8Array): Buffer {
    return sha256([message]);
  }

  multi(...parts: Uint8Array[]): Buffer {
    return sha256(parts);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

class UrkelSubject implements Subject {
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  async read({ reads }: Batch): Promise<number> {
    let found = 0;
    for (const key of reads) {
      if (await this.#tree.get(asBuffer(key)) !== null) found++;
    }
    return found;
  }

  async commit({ keys, values }: Batch): Promise<void> {
    const transaction = this.#tree.transaction();
    for (let i = 0; i < keys.length; i++) {
      const key = asBuffer(keys[i]), value = values[i];
      if (value === undefined) await transaction.remove(key);
      else await transaction.insert(key, asBuffer(value));
    }
    await transaction.commit();
  }

  close(): Promise<void> {
    return this.#tree.close();
  }
}

/** The peer, or why it is absent. */
export async function urkel(): Promise<Peer | string> {
  const module = await loadInstalled<Module>(PACKAGE);
  if (typeof module === "string") return module;
  return {
    ...PACKAGE,
    isDurable: false,
    isAuthenticated: true,
    needsFixed: true,
    lacks: "values over 1 KiB, multi-proofs, ranges",
    async open() {
      const tree = new module.Tree({ hash: new Hash(), bits: 256 });
      await tree.open();
      return new UrkelSubject(tree);
    },
  };
}
