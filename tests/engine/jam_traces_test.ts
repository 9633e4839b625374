// Six chains of 100 JAM blocks through the engine: each block one commit, each
// root the published one. Every tenth block the store goes back to a random
// earlier version by fork: the blocks since are replayed on a snapshot of that
// version as a chain of prepared ones.

import { assertEquals } from "@std/assert";
import { random } from "../_amount.ts";
import {
  hasJamTrace,
  JAM_TRACES,
  type JamBlock,
  jamTrace,
} from "../_vectors.ts";
import type { Prepared, Snapshot, Stemma } from "../../mod.ts";
import { commit, openSmall, put, type Write } from "./_store.ts";

function writesOf(block: JamBlock): Write[] {
  return [
    ...block.set,
    ...block.delete.map((key): Write => [key, undefined]),
  ];
}

/** Replays blocks on an older version; nothing of it is committed. */
function replayOn(
  db: Stemma,
  snapshot: Snapshot,
  blocks: readonly JamBlock[],
): void {
  const chain: Prepared[] = [];
  for (const block of blocks) {
    using session = db.begin({ on: chain.at(-1) ?? snapshot });
    put(session, writesOf(block));
    const next = session.prepare();
    assertEquals(next.root.toHex(), block.root.toHex());
    chain.push(next);
  }
  for (const next of chain.reverse()) next.discard();
}

for (const name of JAM_TRACES) {
  Deno.test({
    name: `commit() reaches every state root of the JAM trace ${name}`,
    ignore: !hasJamTrace(name),
    async fn() {
      const trace = jamTrace(name)!, draw = random(`forks ${name}`);
      const { blocks } = trace;
      await using db = await openSmall({ scheme: "jam-blake2b" });
      await commit(db, trace.genesis);
      const live = db.metrics().liveVersions;
      const roots = [trace.genesisRoot, ...blocks.map(({ root }) => root)];
      for (let i = 0; i < blocks.length; i++) {
        assertEquals(db.root.toHex(), roots[i].toHex());
        await commit(db, writesOf(blocks[i]));
        if (i % 10 !== 9) continue;
        const from = draw.int(i + 1);
        using snapshot = db.snapshot(roots[from]);
        assertEquals(snapshot.root.toHex(), roots[from].toHex());
        replayOn(db, snapshot, blocks.slice(from, i + 1));
      }
      assertEquals(db.root.toHex(), roots[blocks.length].toHex());
      assertEquals(db.metrics().liveVersions, live);
      // And once for good: back, and forth again.
      const from = draw.int(blocks.length);
      await db.rollbackTo(roots[from]);
      assertEquals(db.root.toHex(), roots[from].toHex());
      for (const block of blocks.slice(from)) {
        await commit(db, writesOf(block));
        assertEquals(db.root.toHex(), block.root.toHex());
      }
      await db.check();
    },
  });
}
