// A light client in Chromium follows a store on a Deno server over loopback: 100
// commits, one forged proof, one forged witness, and a page that comes back.

import type { Page } from "npm:playwright-core@^1";
import { assert, assertEquals } from "@std/assert";
import { memoryBackend } from "../../backends/memory.ts";
import { open, type Stemma } from "../../mod.ts";
import { proofHandler } from "../../src/server/proof_handler.ts";
import type { LightState } from "./entries/light.ts";
import { ported } from "./_port.ts";
import { browserTest, runOffered } from "./_suite.ts";

const COMMITS = 100;

const db = await open(memoryBackend(), { cacheBytes: 1 << 23 });
const handler = proofHandler(db, { path: "/state" });

async function commit(store: Stemma, i: number): Promise<void> {
  using session = store.begin();
  for (let n = 0; n < 30; n++) {
    session.set(key(i * 11 + n), Uint8Array.of(i, n));
  }
  session.delete(key(i));
  await session.prepare().commit();
}

function key(i: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
  return bytes;
}

function call<T>(page: Page, name: string, ...values: unknown[]): Promise<T> {
  return page.evaluate(
    ([what, list]) =>
      (globalThis as unknown as {
        light: Record<string, (...values: unknown[]) => unknown>;
      }).light[what as string](...list as unknown[]),
    [name, values],
  ) as Promise<T>;
}

const serveState = async (
  request: Request,
): Promise<Response | undefined> => {
  if (!new URL(request.url).pathname.startsWith("/state/")) return undefined;
  const response = await handler(request);
  response.headers.set("cross-origin-resource-policy", "same-origin");
  return response;
};

browserTest(
  `LightClient follows a server for ${COMMITS} commits in Chromium`,
  async ({ load }) => {
    await commit(db, 0);
    const checkpoint = db.head,
      at = [
        checkpoint.sequence,
        checkpoint.root.toHex(),
      ] as const;
    for (const storage of ["opfs", "idb"]) {
      const page = await load("light");
      assertEquals(
        (await call<LightState>(page, "open", ...at, storage)).height,
        at[0],
      );
      const start = db.head.sequence, wanted = start + COMMITS / 2;
      assertEquals(await call(page, "known", key(5).toHex()), "unknown");
      while (db.head.sequence < wanted) {
        await commit(db, db.head.sequence);
        const { height, root } = await call<LightState>(page, "follow");
        assertEquals([height, root], [db.head.sequence, db.root.toHex()]);
      }
      const known = key(11 * wanted),
        expected = db.get(known)?.toHex() ?? "absent";
      assertEquals(await call(page, "lookUp", known.toHex()), expected);

      const proof = await call<string>(page, "acceptForged", key(7).toHex());
      assertEquals(proof.slice(0, 9), "refused: ", proof);
      await commit(db, db.head.sequence);
      const witness = await call<string>(
        page,
        "advanceForged",
        db.head.sequence,
      );
      assertEquals(witness.slice(0, 9), "refused: ", witness);
      const shown = await page.innerText("body");
      assert(shown.includes(proof) && shown.includes(witness), shown);
      assertEquals((await call<LightState>(page, "state")).height, wanted);
      await call(page, "follow");
      await page.close();

      const again = await load("light");
      const back = await call<LightState>(again, "open", ...at, storage);
      assertEquals([back.height, back.root], [
        db.head.sequence,
        db.root.toHex(),
      ]);
      const value = db.get(known)?.toHex() ?? "absent";
      assertEquals(await call(again, "known", known.toHex()), value);
      await again.close();
    }
  },
  serveState,
);

browserTest(
  "LightClient passes its tests under a strict policy",
  async ({ load }, t) => {
    await runOffered(await load("light_suite", "strict"), t);
  },
  ported({ light_suite: { files: ["tests/light/light_test.ts"] } }),
);
