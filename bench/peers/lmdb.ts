// lmdb: a memory-mapped B-tree, a plain store without roots or proofs. A commit is
// over when the transaction is flushed.

import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { loadInstalled } from "./_load.ts";

interface Environment {
  getBinaryFast(key: Uint8Array): Uint8Array | undefined;
  put(key: Uint8Array, value: Uint8Array): unknown;
  remove(key: Uint8Array): unknown;
  transaction<T>(run: () => T): Promise<T>;
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}

interface Module {
  open(options: {
    path: string;
    keyEncoding: "binary";
    encoding: "binary";
  }): Environment;
}

const PACKAGE = { name: "lmdb", version: "3.5.6" };

class LmdbSubject implements Subject {
  readonly #db: Environment;

  constructor(db: Environment) {
    this.#db = db;
  }

  read({ reads }: Batch): number {
    let found = 0;
    for (const key of reads) {
      if (this.#db.getBinaryFast(key) !== undefined) found++;
    }
    return found;
  }

  async commit({ keys, values }: Batch): Promise<void> {
    const db = this.#db;
    await db.transaction(() => {
      for (let i = 0; i < keys.length; i++) {
        const value = values[i];
        if (value === undefined) db.remove(keys[i]);
        else db.put(keys[i], value);
      }
    });
    await db.flushed;
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

/** The peer, or why it is absent. */
export async function lmdb(): Promise<Peer | string> {
  const module = await loadInstalled<Module>(PACKAGE);
  if (typeof module === "string") return module;
  return {
    ...PACKAGE,
    isDurable: true,
    isAuthenticated: false,
    needsFixed: false,
    lacks: "roots, proofs, older states",
    async open(directory) {
      await Deno.mkdir(directory, { recursive: true });
      const path = `${directory}/data.mdb`;
      const encoding = { keyEncoding: "binary", encoding: "binary" } as const;
      const db = module.open({ path, ...encoding });
      return new LmdbSubject(db);
    },
  };
}
