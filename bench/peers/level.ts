// classic-level: LevelDB, a plain store without roots or proofs. Each commit is one
// batch written with `sync`, which flushes its log as ours does.

import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { loadInstalled } from "./_load.ts";

type Operation =
  | { type: "put"; key: Uint8Array; value: Uint8Array }
  | { type: "del"; key: Uint8Array };

interface Level {
  open(): Promise<void>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  batch(operations: Operation[], options: { sync: boolean }): Promise<void>;
  close(): Promise<void>;
}

interface Module {
  readonly ClassicLevel: new (
    directory: string,
    options: { keyEncoding: string; valueEncoding: string },
  ) => Level;
}

const PACKAGE = { name: "classic-level", version: "3.0.0" };

class LevelSubject implements Subject {
  readonly #db: Level;

  constructor(db: Level) {
    this.#db = db;
  }

  read({ reads }: Batch): number {
    let found = 0;
    for (const key of reads) if (this.#db.getSync(key) !== undefined) found++;
    return found;
  }

  async commit({ keys, values }: Batch): Promise<void> {
    const operations: Operation[] = keys.map((key, i) => {
      const value = values[i];
      return value === undefined
        ? { type: "del", key }
        : { type: "put", key, value };
    });
    await this.#db.batch(operations, { sync: true });
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

/** The peer, or why it is absent. */
export async function level(): Promise<Peer | string> {
  const module = await loadInstalled<Module>(PACKAGE);
  if (typeof module === "string") return module;
  return {
    ...PACKAGE,
    isDurable: true,
    isAuthenticated: false,
    needsFixed: false,
    lacks: "roots, proofs, older states",
    async open(directory) {
      const encoding = { keyEncoding: "view", valueEncoding: "view" };
      const db = new module.ClassicLevel(directory, encoding);
      await db.open();
      return new LevelSubject(db);
    },
  };
}
