// The command line, called as a function on real directories, and once as a
// process with no more permissions than its header names.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../cli.ts";

const KEY = "11".repeat(32);
const OTHER = "22".repeat(32);

interface Result {
  code: number;
  out: string[];
  err: string[];
}

async function cli(...args: string[]): Promise<Result> {
  const out: string[] = [], err: string[] = [];
  const code = await run(args, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err };
}

/** Runs a command that must work; returns its first line. */
async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await cli(...args);
  assertEquals([code, err], [0, []], args.join(" "));
  return out[0];
}

async function inFolder(
  test: (folder: string, store: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder, `${folder}/store`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("cli reads what it wrote, and says when a key is absent", () =>
  inFolder(async (folder, store) => {
    assertEquals(await ok("create", store), "00".repeat(32));
    await Deno.writeFile(`${folder}/value`, Uint8Array.of(1, 2));
    const root = await ok("set", store, KEY, "coins", OTHER, "0x00ff");
    assertEquals(await ok("get", store, KEY), "0x636f696e73");
    assertEquals(await ok("get", store, `0x${OTHER}`), "0x00ff");
    await ok("set", store, KEY, `@${folder}/value`);
    assertEquals(await ok("get", store, KEY), "0x0102");
    assertEquals(await ok("get", store, KEY, "--at", root), "0x636f696e73");
    await ok("delete", store, KEY);
    const { code, out, err } = await cli("get", store, KEY);
    assertEquals([code, out, err], [1, [], ["absent"]]);
    const json = await cli("get", store, KEY, "--json");
    assertEquals(json.code, 1);
    assertEquals(JSON.parse(json.out[0]), { key: KEY, value: null });
  }));

Deno.test("cli proves to somebody who has only the root", () =>
  inFolder(async (folder, store) => {
    await ok("create", store, "--scheme", "nomt-sha256");
    const root = await ok("set", store, KEY, "coins");
    const about = ["--scheme", "nomt-sha256", "--root", root];
    const proof = await ok("prove", store, KEY);
    assertEquals(
      await ok("verify", proof, KEY, ...about),
      "present 0x636f696e73",
    );
    await ok("prove", store, KEY, OTHER, "--out", `${folder}/proof`);
    const both = await cli("verify", `@${folder}/proof`, KEY, OTHER, ...about);
    assertEquals(both.out, ["present 0x636f696e73", "absent"]);

    const forged = proof.slice(0, -2) + (proof.endsWith("00") ? "01" : "00");
    const refused = await cli("verify", forged, KEY, ...about, "--json");
    assertEquals([refused.code, refused.out], [1, []]);
    assertMatch(JSON.parse(refused.err[0]).error.code, /^[a-z-]+$/);
  }));

Deno.test("cli checks a witness of a write without the store", () =>
  inFolder(async (folder, store) => {
    const before = await ok("create", store);
    const witness = `${folder}/witness`;
    const root = await ok("set", store, KEY, "coins", "--witness", witness);
    const about = ["--scheme", "nomt-blake3", "--root"];
    const line = await ok("verify-witness", `@${witness}`, ...about, before);
    assertEquals(line, root);
    const again = await cli("verify-witness", `@${witness}`, ...about, root);
    assertEquals(again.code, 1);
  }));

Deno.test("cli goes back to earlier states", () =>
  inFolder(async (_folder, store) => {
    const empty = await ok("create", store);
    const roots = [empty];
    for (const value of ["a", "b", "c"]) {
      roots.push(await ok("set", store, KEY, value));
    }
    const { out } = await cli("history", store);
    assertEquals(out.map((line) => line.split(" ")[1]), roots.toReversed());
    assertEquals(await ok("rollback", store), roots[2]);
    assertEquals(await ok("rollback", store, "--root", empty), empty);
    const { code, err } = await cli("rollback", store, "9");
    assertEquals(code, 1);
    assertStringIncludes(err[0], "not-retained: ");
  }));

Deno.test("cli copies a whole state and verifies its root", () =>
  inFolder(async (folder, store) => {
    await ok("create", store, "--scheme", "eip7864-blake3");
    const root = await ok("set", store, KEY, `0x${"ab".repeat(32)}`);
    const file = `${folder}/state`;
    assertEquals(await ok("export", store, "--out", file), root);
    const scheme = ["--scheme", "eip7864-blake3"];
    const copy = `${folder}/copy`;
    assertEquals(await ok("import", copy, file, ...scheme), root);
    assertEquals((await cli("dump", copy)).out, (await cli("dump", store)).out);
    const wrong = await cli("import", `${folder}/other`, file);
    assertEquals(wrong.code, 1);
  }));

Deno.test("cli dumps a range in key order, as text and as JSON", () =>
  inFolder(async (_folder, store) => {
    await ok("create", store);
    const keys = [1, 2, 3, 4].map((byte) => `0${byte}`.repeat(32));
    await ok("set", store, ...keys.flatMap((key) => [key, "v"]));
    const dump = async (...args: string[]) =>
      (await cli("dump", store, ...args)).out.map((line) => line.slice(0, 64));
    assertEquals(await dump(), keys);
    assertEquals(await dump("--gte", keys[1], "--lt", keys[3]), [
      keys[1],
      keys[2],
    ]);
    assertEquals(await dump("--reverse", "--limit", "1"), [keys[3]]);
    const { out } = await cli("dump", store, "--json", "--limit", "1");
    assertEquals(JSON.parse(out[0]), { key: keys[0], value: "0x76" });
  }));

Deno.test("cli tells about a store and checks it", () =>
  inFolder(async (_folder, store) => {
    await ok("create", store);
    const root = await ok("set", store, KEY, "coins");
    const info = JSON.parse(await ok("info", store, "--json"));
    assertEquals([info.scheme, info.root], ["nomt-blake3", root]);
    assertMatch((await cli("info", store)).out[1], /^root +[0-9a-f]{64}$/);
    const checked = JSON.parse(await ok("check", store, "--json"));
    assertEquals([checked.root, checked.entries], [root, 1]);
  }));

Deno.test("cli exits with 2 and says why when it is misused", () =>
  inFolder(async (_folder, store) => {
    for (
      const [args, words] of [
        [["frobnicate"], "There is no command frobnicate"],
        [["toString"], "There is no command toString"],
        [["get", store], "usage: get DIR KEY"],
        [["set", store, KEY], "usage: set DIR KEY VALUE"],
        [["verify", "00", KEY], "--scheme NAME is missing"],
        [["create", store, "--scheme", "md5"], "No scheme is called md5"],
        [["info", store, "--frob"], "--frob"],
      ] as const
    ) {
      const { code, out, err } = await cli(...args);
      assertEquals([code, out], [2, []], args.join(" "));
      assertStringIncludes(err[0], words);
    }
    await ok("create", store);
    assertEquals((await cli("get", store, "xyz")).code, 2);
    assertEquals((await cli("get", store, "11")).code, 2);
    assertEquals((await cli("rollback", store, "-1")).code, 2);
  }));

Deno.test("cli refuses a store that is not there, or is there already", () =>
  inFolder(async (_folder, store) => {
    const missing = await cli("info", store);
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.err[0], "no-store: ");
    await ok("create", store);
    const second = await cli("create", store);
    assertEquals(second.code, 1);
    assertStringIncludes(second.err[0], "already-exists: ");
  }));

Deno.test("cli prints help, and asks for it when called with nothing", async () => {
  assertStringIncludes(await ok("--help"), "rollback DIR");
  assertEquals((await cli()).code, 1);
});

Deno.test("cli runs as a process with read and write of its directory only", () =>
  inFolder(async (_folder, store) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", `--allow-read=${store}`].concat(
        [`--allow-write=${store}`, "cli.ts", "create", store],
      ),
      cwd: new URL("..", import.meta.url),
      stdin: "null",
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(new TextDecoder().decode(stdout), `${"00".repeat(32)}\n`);
  }));
