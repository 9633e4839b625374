// This module is browser compatible.
//
// The conformance suite on the browser's own IndexedDB, and the engine on it:
// on the page's main thread and in a worker.

import { assertEquals } from "@std/assert";
import { conformanceCases } from "../../../backends/conformance.ts";
import { idb } from "../../../backends/idb.ts";
import { open } from "../../../mod.ts";
import { offer } from "../_offer.ts";

let places = 0;

function place(): string {
  return `idb-${crypto.randomUUID()}-${places++}`;
}

const OPTIONS = { cacheBytes: 1 << 22 } as const;

offer([
  ...conformanceCases(() => {
    const database = place();
    return { backend: idb(database), another: () => idb(database) };
  }),
  {
    name: "open() keeps commits in IndexedDB",
    async run() {
      const database = place();
      let root: Uint8Array = new Uint8Array(32);
      for (let i = 1; i <= 3; i++) {
        await using db = await open(idb(database), OPTIONS);
        assertEquals(db.root, root);
        for (let n = 0; n < 5; n++) {
          using session = db.begin();
          for (let k = 0; k < 200; k++) {
            const key = crypto.getRandomValues(new Uint8Array(32));
            session.set(key, new Uint8Array(k));
          }
          await session.prepare().commit();
        }
        root = db.root;
        await db.check();
      }
    },
  },
]);
