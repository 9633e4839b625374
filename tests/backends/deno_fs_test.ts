// The backend on files: the conformance suite, and what only files have: modes,
// links and other things in a file's place, locks between processes,
// permissions, and real errors of the system.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import {
  FileExistsError,
  FileKindError,
  LockedError,
  PermissionError,
  StorageFullError,
} from "../../backends/errors.ts";
import type { StorageBackend } from "../../backends/types.ts";

const unix = Deno.build.os !== "windows";
const backendUrl = new URL("../../backends/deno_fs.ts", import.meta.url).href;
const config = new URL("../../deno.json", import.meta.url).pathname;

conformance("denoFs()", async () => {
  const directory = await Deno.makeTempDir();
  return {
    backend: denoFs(directory),
    another: () => denoFs(directory),
    cleanup: () => Deno.remove(directory, { recursive: true }),
  };
}, { test: Deno.test });

async function withDirectory(
  run: (directory: string, backend: StorageBackend) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir();
  const directory = `${parent}/store`;
  try {
    await run(directory, denoFs(directory));
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

interface Outcome {
  readonly code: number;
  readonly output: string;
}

async function runDeno(
  source: string,
  flags: string[],
  args: string[] = [],
): Promise<Outcome> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, source);
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--config", config, ...flags, file, ...args],
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  await Deno.remove(file);
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test({
  name: "denoFs() makes a directory 0700 and files 0600",
  ignore: !unix,
  fn: () =>
    withDirectory(async (directory, backend) => {
      const lock = await backend.lock();
      const file = await backend.open("pages.stemma", { create: true });
      await backend.sync?.();
      const mode = (path: string): number =>
        (Deno.statSync(path).mode ?? 0) & 0o777;
      assertEquals(mode(directory), 0o700);
      assertEquals(mode(`${directory}/pages.stemma`), 0o600);
      assertEquals(mode(`${directory}/lock.stemma`), 0o600);
      file.close();
      await lock.release();
    }),
});

Deno.test("denoFs() touches nothing before it is asked to create", () =>
  withDirectory(async (directory, backend) => {
    assertEquals(await backend.list(), []);
    await assertRejects(() => backend.open("a", { create: false }));
    await assertRejects(() => backend.remove("a"));
    assertThrows(() => Deno.statSync(directory), Deno.errors.NotFound);
  }));

Deno.test("denoFs() takes a file: URL and refuses other ones", async () => {
  const directory = await Deno.makeTempDir({ prefix: "with space " });
  const backend = denoFs(new URL(`file://${encodeURI(directory)}`));
  (await backend.open("a", { create: true })).close();
  assertEquals([...Deno.readDirSync(directory)].map((e) => e.name), ["a"]);
  await Deno.remove(directory, { recursive: true });
  assertThrows(() => denoFs(new URL("https://example.com/")), TypeError);
  assertThrows(() => denoFs(""), TypeError);
});

Deno.test("denoFs() refuses the lock's own name", () =>
  withDirectory(async (_directory, backend) => {
    const open = () => backend.open("lock.stemma", { create: true });
    await assertRejects(open, TypeError);
    await assertRejects(() => backend.remove("lock.stemma"), TypeError);
  }));

/** Puts something that is not a plain file of its own at a path. */
const STRANGERS: Record<string, (path: string, other: string) => void> = {
  "a symbolic link": (path, other) => Deno.symlinkSync(other, path),
  "a dangling symbolic link": (path) => Deno.symlinkSync("nowhere", path),
  "a hard link": (path, other) => Deno.linkSync(other, path),
  "a directory": (path) => Deno.mkdirSync(path),
  "a FIFO": (path) => {
    const made = new Deno.Command("mkfifo", { args: [path] }).outputSync();
    assert(made.success);
  },
};

for (const [what, put] of Object.entries(STRANGERS)) {
  Deno.test({
    name: `denoFs() refuses ${what} in place of a file and of the lock`,
    ignore: !unix,
    fn: () =>
      withDirectory(async (directory, backend) => {
        Deno.mkdirSync(directory);
        const other = `${directory}/../victim`;
        Deno.writeTextFileSync(other, "untouched");
        put(`${directory}/pages.stemma`, other);
        const name = "pages.stemma";
        await assertRejects(
          () => backend.open(name, { create: false }),
          FileKindError,
        );
        const create = () => backend.open(name, { create: true });
        await assertRejects(create, FileExistsError);
        await assertRejects(() => backend.remove(name), FileKindError);
        if (what === "a hard link") Deno.removeSync(`${directory}/${name}`);
        put(`${directory}/lock.stemma`, other);
        await assertRejects(() => backend.lock(), FileKindError);
        assertEquals(Deno.readTextFileSync(other), "untouched");
        assertThrows(() => Deno.lstatSync(`${directory}/nowhere`));
      }),
  });
}

Deno.test("denoFs() refuses a file in place of its directory", () =>
  withDirectory(async (directory, backend) => {
    Deno.writeTextFileSync(directory, "a file");
    await assertRejects(() => backend.list(), FileKindError);
    await assertRejects(() => backend.lock(), FileKindError);
    await assertRejects(
      () => backend.open("a", { create: true }),
      FileKindError,
    );
    assertEquals(Deno.readTextFileSync(directory), "a file");
  }));

Deno.test("denoFs().lock() excludes another process until it is killed", () =>
  withDirectory(async (directory, backend) => {
    const source = `
      import { denoFs } from ${JSON.stringify(backendUrl)};
      await denoFs(Deno.args[0]).lock();
      console.log("locked");
      setInterval(() => {}, 1000);
    `;
    const script = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(script, source);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--config", config, script, directory],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const first = await reader.read();
    assertStringIncludes(new TextDecoder().decode(first.value), "locked");
    await assertRejects(() => backend.lock(), LockedError, directory);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const lock = await backend.lock();
    const { code, output } = await runDeno(
      `
        import { denoFs } from ${JSON.stringify(backendUrl)};
        try { await denoFs(Deno.args[0]).lock(); } catch (e) {
          console.log(e.code);
        }
      `,
      ["-A"],
      [directory],
    );
    assertEquals([code, output.trim()], [0, "locked"]);
    await lock.release();
    await Deno.remove(script);
  }));

/** A child has a copy of every handle of its parent until it is a program of its own. */
const START_PROCESSES = `
  for (let started = 0; started < 300; started++) {
    await new Deno.Command("true").output();
  }
  postMessage("done");
`;

Deno.test({
  name: "denoFs() lets go of its lock while processes are being started",
  ignore: !unix,
  fn: () =>
    withDirectory(async (_, backend) => {
      const source = `data:application/javascript,${
        encodeURIComponent(START_PROCESSES)
      }`;
      const starter = new Worker(source, { type: "module" });
      let ended = "";
      starter.onmessage = ({ data }) => ended = data;
      starter.onerror = ({ message }) => ended = message;
      while (ended === "") {
        for (let i = 0; i < 100; i++) await (await backend.lock()).release();
        await new Promise((resolve) => setTimeout(resolve));
      }
      starter.terminate();
      assertEquals(ended, "done");
    }),
});

const EXERCISE = `
  import { denoFs } from ${JSON.stringify(backendUrl)};
  const backend = denoFs(Deno.args[0]);
  try {
    const lock = await backend.lock();
    const file = await backend.open("a", { create: true });
    await backend.sync?.();
    file.write(new Uint8Array([1, 2, 3]), 0);
    file.flush();
    file.close();
    console.log((await backend.list()).join());
    await backend.remove("a");
    await lock.release();
  } catch (error) {
    console.log(error.code, error.message);
  }
`;

Deno.test("denoFs() works with access to its directory and nothing more", () =>
  withDirectory(async (directory) => {
    const flags = [`--allow-read=${directory}`, `--allow-write=${directory}`];
    const { code, output } = await runDeno(EXERCISE, flags, [directory]);
    assertEquals([code, output.trim()], [0, "a"]);
  }));

Deno.test("denoFs() names the missing permission and both flags", () =>
  withDirectory(async (directory) => {
    const read = `--allow-read=${directory}`;
    const write = `--allow-write=${directory}`;
    const cases: [string[], string][] = [
      [[], "read and write access"],
      [[read], ": write access"],
      [[write], ": read access"],
    ];
    for (const [flags, words] of cases) {
      const { code, output } = await runDeno(EXERCISE, flags, [directory]);
      assertEquals(code, 0);
      assertStringIncludes(output, "permission Cannot lock store");
      assertStringIncludes(output, words);
      assertStringIncludes(output, read);
      assertStringIncludes(output, write);
      // What a prompt would say.
      assertEquals(output.includes("Allow?"), false);
    }
    assertThrows(() => Deno.statSync(directory), Deno.errors.NotFound);
  }));

Deno.test({
  name: "denoFs() gives StorageFullError at the file size limit",
  ignore: !unix,
  fn: () =>
    withDirectory(async (directory) => {
      const source = `
        import { denoFs } from ${JSON.stringify(backendUrl)};
        const file = await denoFs(Deno.args[0]).open("a", { create: true });
        let at = 0;
        try {
          for (;;) at += file.write(new Uint8Array(5000), at);
        } catch (error) {
          console.log(error.code, error.file, error.position === at, at);
          console.log(file.size() === at, error.cause instanceof Error);
        }
      `;
      const script = await Deno.makeTempFile({ suffix: ".ts" });
      await Deno.writeTextFile(script, source);
      // The signal would kill the process before the call could fail.
      const shell = `trap '' XFSZ; ulimit -f 32; exec "$0" "$@"`;
      const command = new Deno.Command("bash", {
        args: ["-c", shell, Deno.execPath(), "run", "-A", "--quiet"]
          .concat("--no-code-cache", "--config", config, script, directory),
      });
      const { stdout, stderr } = await command.output();
      const output = new TextDecoder().decode(stdout);
      const lines = output.trim().split("\n");
      assertEquals(
        lines,
        ["storage-full a true 32768", "true true"],
        new TextDecoder().decode(stderr),
      );
      await Deno.remove(script);
    }),
});

Deno.test({
  name: "denoFs() gives StorageFullError on a full disk and works again",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  fn: () =>
    withDirectory(async (directory, backend) => {
      Deno.mkdirSync(directory);
      const mount = new Deno.Command("mount", {
        args: ["-t", "tmpfs", "-o", "size=64k", "none", directory],
      }).outputSync();
      // A container may not be allowed to mount anything.
      if (!mount.success) return;
      try {
        const file = await backend.open("a", { create: true });
        const fill = await backend.open("fill", { create: true });
        const bytes = new Uint8Array(4096).fill(1);
        const error = assertThrows(() => {
          for (let at = 0;;) at += fill.write(bytes, at);
        }, StorageFullError);
        assertEquals(error.operation, "write");
        assertEquals(error.file, "fill");
        assertEquals(error.position, fill.size());
        assertInstanceOf(error.cause, Error);
        assertThrows(() => file.write(bytes, 0), StorageFullError);
        fill.truncate(0);
        assertEquals(file.write(bytes, 0), 4096);
        file.close();
        fill.close();
      } finally {
        new Deno.Command("umount", { args: [directory] }).outputSync();
      }
    }),
});

Deno.test({
  name: "denoFs() gives PermissionError where the system refuses",
  ignore: !unix || Deno.uid() === 0,
  fn: () =>
    withDirectory(async (directory, backend) => {
      Deno.mkdirSync(directory, { mode: 0o500 });
      const create = () => backend.open("a", { create: true });
      const error = await assertRejects(create, PermissionError);
      assertInstanceOf(error.cause, Error);
    }),
});
