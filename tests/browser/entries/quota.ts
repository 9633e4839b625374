// This module is browser compatible.
//
// A store that meets its quota: the commit is refused with a typed error, reads
// go on, and after room was made so do writes. The quota is set from outside.

import { assert, assertEquals } from "@std/assert";
import { StorageFullError } from "../../../backends/errors.ts";
import { opfs } from "../../../backends/opfs.ts";
import { open, type Stemma } from "../../../mod.ts";
import { offer } from "../_offer.ts";

const KEY = new Uint8Array(32).fill(1);

async function commitBytes(db: Stemma, length: number): Promise<void> {
  using session = db.begin();
  const key = crypto.getRandomValues(new Uint8Array(32));
  session.set(key, new Uint8Array(length).fill(3));
  await session.prepare().commit();
}

async function fill(db: Stemma): Promise<unknown> {
  for (let i = 0; i < 100; i++) {
    try {
      await commitBytes(db, 500_000);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

offer([{
  name: "commit() at the quota is refused, and works when there is room",
  async run() {
    const ballast = await opfs("ballast").open("a", { create: true });
    ballast.truncate(4 << 20);
    const db = await open(opfs("full"), { cacheBytes: 1 << 24 });
    using session = db.begin();
    session.set(KEY, KEY);
    await session.prepare().commit();
    const error = await fill(db);
    assert(error instanceof StorageFullError, `commit threw ${error}`);
    const { root, sequence } = db.head;
    assertEquals(db.get(KEY), KEY);
    ballast.truncate(0);
    ballast.close();
    await commitBytes(db, 500_000);
    assertEquals(db.head.sequence, sequence + 1);
    assert(db.root.some((byte, i) => byte !== root[i]));
    const last = db.root;
    await db.close();
    await using again = await open(opfs("full"), { cacheBytes: 1 << 24 });
    assertEquals(again.root, last);
    await again.check();
  },
}]);
