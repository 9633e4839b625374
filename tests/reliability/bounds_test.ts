// What a store may cost: memory whatever the size of a commit, memory and files
// whatever the number of commits, one flush and few bytes of log a commit.
// Memory is measured in processes of their own.

import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { memoryBackend, open } from "../../mod.ts";
import { random } from "../_amount.ts";

const MIB = 1 << 20;

async function measure<T>(what: string): Promise<T> {
  const child = join(dirname(fromFileUrl(import.meta.url)), "_bounds_child.ts");
  const directory = await Deno.makeTempDir({ prefix: "stemma-bounds-" });
  try {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--v8-flags=--expose-gc", child, what, directory],
      stdout: "piped",
      stderr: "inherit",
    }).output();
    assert(success, `the process for "${what}" failed`);
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a commit of four times the cache stays within the cache and 100 MB", async () => {
  const { cacheBytes, before, during, after, good } = await measure<{
    cacheBytes: number;
    before: number;
    during: number;
    after: number;
    good: boolean;
  }>("large");
  assert(good, "the commit is not there after reopening");
  const grown = Math.max(during, after) - before;
  console.log(
    `cache ${cacheBytes / MIB} MiB, peak ${
      (grown / MIB).toFixed(0)
    } MiB above ` +
      `the process with an open store`,
  );
  assert(grown <= cacheBytes + 100e6, `${grown} bytes more than before`);
});

Deno.test("ten thousand commits, forks and snapshots leave nothing behind", async () => {
  type Sizes = Record<
    "heap" | "pageFileSize" | "logSize" | "liveVersions",
    number
  >;
  const { early, late } = await measure<{ early: Sizes; late: Sizes }>("many");
  console.log(`heap ${early.heap} and ${late.heap} bytes`);
  assert(late.heap <= early.heap + 16 * MIB, "heap grows with the commits");
  assert(late.pageFileSize <= 1.5 * early.pageFileSize, "page file grows");
  assert(late.logSize <= 1.5 * early.logSize, "log grows");
  assertEquals(late.liveVersions, 0);
});

Deno.test("commit() flushes once, and logs little more than what changed", async () => {
  const draw = random("log bytes");
  await using db = await open(memoryBackend());
  const keys = Array.from({ length: 300 }, () => draw.bytes(32));
  const state = new Map<Uint8Array, number>();
  for (let round = 0; round < 40; round++) {
    const before = db.metrics();
    let changed = 0;
    using session = db.begin();
    for (const key of draw.shuffle(keys.slice()).slice(0, draw.int(60))) {
      const old = state.get(key);
      if (draw.chance(0.3)) {
        session.delete(key);
        state.delete(key);
        if (old !== undefined) changed += 32 + old;
      } else {
        const length = 1 + draw.int(draw.chance(0.1) ? 9000 : 100);
        session.set(key, draw.bytes(length));
        state.set(key, length);
        changed += 32 + length + (old ?? 0);
      }
    }
    await session.prepare().commit();
    const after = db.metrics();
    assertEquals(after.flushes - before.flushes, 1);
    const logged = after.logBytes - before.logBytes;
    assert(logged <= 1.3 * changed + 200, `${logged} bytes for ${changed}`);
  }
});
