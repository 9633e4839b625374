// The handler for light clients: proofs and witnesses that verify, limits, typed
// errors, events, and a light client that follows over HTTP.

import { assert, assertEquals } from "@std/assert";
import { verify, verifyWitness } from "@stemma/verify";
import { memoryBackend } from "../../backends/memory.ts";
import { open, type Stemma } from "../../mod.ts";
import { LightClient, LightServer } from "../../src/light/mod.ts";
import { proofHandler } from "../../src/server/proof_handler.ts";
import { nomtBlake3 } from "../../verify/nomt_blake3.ts";

function key(i: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
  return bytes;
}

async function withStore(
  run: (db: Stemma, roots: Uint8Array[]) => Promise<void>,
  commits = 5,
): Promise<void> {
  await using db = await open(memoryBackend(), { cacheBytes: 1 << 22 });
  const roots = [db.root];
  for (let i = 0; i < commits; i++) {
    using session = db.begin();
    for (let n = 0; n < 20; n++) session.set(key(i * 7 + n), Uint8Array.of(i));
    session.delete(key(i));
    await session.prepare().commit({ meta: Uint8Array.of(i) });
    roots.push(db.root);
  }
  await run(db, roots);
}

const get = (path: string, init?: RequestInit): Request =>
  new Request(`http://localhost${path}`, init);

Deno.test("proofHandler() gives proofs at the head and at older roots", async () => {
  await withStore(async (db, roots) => {
    const handler = proofHandler(db, { path: "/state" });
    for (const root of [roots[5], roots[3]]) {
      const query = `key=${key(9).toHex()}&key=${key(999).toHex()}`;
      const response = await handler(
        get(`/state/proof?${query}&root=${root.toHex()}`),
      );
      assertEquals(response.headers.get("stemma-root"), root.toHex());
      const proof = await response.bytes();
      const keys = [key(9), key(999)];
      const tree = verify(nomtBlake3, root, { keys }, proof);
      assertEquals(tree.get(key(9)).status, "present");
      assertEquals(tree.get(key(999)).status, "absent");
    }
  });
});

Deno.test("proofHandler() gives the witness of every step it still keeps", async () => {
  await withStore(async (db, roots) => {
    await db.rollback(2);
    const states = [...roots, db.root];
    const handler = proofHandler(db);
    for (let height = 1; height < states.length; height++) {
      for (let twice = 0; twice < 2; twice++) {
        const witness = await (await handler(get(`/witness/${height}`)))
          .bytes();
        const step = verifyWitness(nomtBlake3, states[height - 1], witness);
        assertEquals(step.root, states[height]);
      }
    }
  });
});

Deno.test("proofHandler() refuses with a status and a code", async () => {
  await withStore(async (db) => {
    const handler = proofHandler(db, { keysMax: 2, bytesMax: 600, cors: "*" });
    const body = new Uint8Array(34 * 3);
    for (let i = 0; i < 3; i++) body[34 * i + 1] = 32;
    const cases: [Request, number, string][] = [
      [get("/nothing"), 404, "path"],
      [get("/head", { method: "DELETE" }), 405, "method"],
      [get("/proof"), 400, "keys"],
      [get("/proof?key=00&key=01&key=02"), 400, "keys"],
      [get("/proof?key=xyz"), 400, "key"],
      [get("/proof?key=00"), 400, "key"],
      [get("/proof", { method: "POST", body }), 413, "bytes"],
      [
        get("/proof", { method: "POST", body: body.slice(0, 20) }),
        400,
        "keys",
      ],
      [
        get(`/proof?key=${key(1).toHex()}&root=${"11".repeat(32)}`),
        410,
        "not-retained",
      ],
      [get("/witness/0"), 404, "height"],
      [get("/witness/99"), 404, "height"],
      [get("/witness/3"), 413, "bytes"],
      [get("/commits?from=abc"), 400, "request"],
    ];
    for (const [request, status, code] of cases) {
      const response = await handler(request);
      const said = await response.json();
      assertEquals([response.status, said.code], [status, code], request.url);
      assertEquals(response.headers.get("access-control-allow-origin"), "*");
    }
    const preflight = await handler(get("/proof", { method: "OPTIONS" }));
    assertEquals(preflight.status, 204);
  });
});

Deno.test("proofHandler() streams commits until the client goes", async () => {
  await withStore(async (db, roots) => {
    const handler = proofHandler(db, { streamsMax: 1 });
    const response = await handler(get("/commits?from=4"));
    assertEquals((await handler(get("/commits"))).status, 503);
    const reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader();
    for (const height of [4, 5]) {
      const { value } = await reader.read();
      assert(value?.includes(`"height":${height}`), value);
      assert(value?.includes(roots[height].toHex()), value);
    }
    await reader.cancel();
    const next = await handler(get("/commits"));
    assertEquals(next.status, 200);
    await next.body!.cancel();
  });
});

Deno.test("LightServer brings a light client up to a server's head", async () => {
  await withStore(async (db, roots) => {
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      proofHandler(db),
    );
    const light = await LightClient.open({
      scheme: nomtBlake3,
      checkpoint: { height: 0, root: roots[0], time: Date.now() },
    });
    const remote = new LightServer(`http://127.0.0.1:${server.addr.port}/`);
    assertEquals(await remote.follow(light), 5);
    assertEquals(light.root, db.root);
    await remote.prove(light, [key(30), key(31), key(4)]);
    assertEquals(light.get(key(31)).status, "present");
    assertEquals(light.get(key(4)).status, "absent");
    await server.shutdown();
  });
});
