// @ethereumjs/mpt: Ethereum's hexary Patricia tree, in memory. Keys are hashed
// already, so its own hashing of keys is off, and old nodes are never pruned.

import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { loadModule } from "./_load.ts";

type Operation =
  | { type: "put"; key: Uint8Array; value: Uint8Array }
  | { type: "del"; key: Uint8Array };

interface Tree {
  get(key: Uint8Array): Promise<Uint8Array | null>;
  batch(operations: Operation[]): Promise<void>;
  root(): Uint8Array;
}

interface Module {
  createMPT(options: { cacheSize: number }): Promise<Tree>;
}

const PACKAGE = { name: "@ethereumjs/mpt", version: "10.1.3" };

class MptSubject implements Subject {
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  async read({ reads }: Batch): Promise<number> {
    let found = 0;
    for (const key of reads) if (await this.#tree.get(key) !== null) found++;
    return found;
  }

  async commit({ keys, values }: Batch): Promise<void> {
    await this.#tree.batch(keys.map((key, i) => {
      const value = values[i];
      return value === undefined
        ? { type: "del", key }
        : { type: "put", key, value };
    }));
    this.#tree.root();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The peer, or why it is absent. */
export async function mpt(): Promise<Peer | string> {
  const module = await loadModule<Module>(PACKAGE);
  if (typeof module === "string") return module;
  return {
    ...PACKAGE,
    isDurable: false,
    isAuthenticated: true,
    needsFixed: false,
    lacks: "storage of its own, multi-proofs, empty values",
    async open() {
      return new MptSubject(await module.createMPT({ cacheSize: 0 }));
    },
  };
}
