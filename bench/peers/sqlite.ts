// node:sqlite as it comes with Deno: a table of keys and values, a plain store
// without roots or proofs. Write-ahead log, flushed at each commit.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";

class SqliteSubject implements Subject {
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    db.exec("PRAGMA cache_size = -1048576");
    db.exec(
      "CREATE TABLE IF NOT EXISTS entries " +
        "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    );
    this.#get = db.prepare("SELECT value FROM entries WHERE key = ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
    this.#remove = db.prepare("DELETE FROM entries WHERE key = ?");
  }

  read({ reads }: Batch): number {
    let found = 0;
    for (const key of reads) if (this.#get.get(key) !== undefined) found++;
    return found;
  }

  commit({ keys, values }: Batch): Promise<void> {
    this.#db.exec("BEGIN");
    for (let i = 0; i < keys.length; i++) {
      const value = values[i];
      if (value === undefined) this.#remove.run(keys[i]);
      else this.#put.run(keys[i], value);
    }
    this.#db.exec("COMMIT");
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#db.close();
    return Promise.resolve();
  }
}

/** The peer. */
export function sqlite(): Promise<Peer | string> {
  const memory = new DatabaseSync(":memory:");
  const row = memory.prepare("SELECT sqlite_version() AS version").get();
  memory.close();
  return Promise.resolve({
    name: "node:sqlite",
    version: String(row?.version),
    isDurable: true,
    isAuthenticated: false,
    needsFixed: false,
    lacks: "roots, proofs, older states",
    async open(directory) {
      await Deno.mkdir(directory, { recursive: true });
      return new SqliteSubject(new DatabaseSync(`${directory}/db.sqlite`));
    },
  });
}
