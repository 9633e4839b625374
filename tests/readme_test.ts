// What the README says is so: its example runs, its commands and links exist.

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { assertStringIncludes } from "@std/assert";

const ROOT = new URL("..", import.meta.url).pathname;
const readme = await Deno.readTextFile(`${ROOT}/README.md`);

Deno.test("the README's example runs and proves what it says", async () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  assert(example !== undefined);
  const lines = example.split("\n").filter((line) => line.trim() !== "");
  assertLessOrEqual(lines.length, 20);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/example.ts`, example);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--check",
        `--config=${ROOT}/deno.json`,
        "example.ts",
      ],
      cwd: folder,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertStringIncludes(new TextDecoder().decode(stdout), "proven: 42 coins");
    assert((await Deno.stat(`${folder}/state`)).isDirectory);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the README's test command is what .ci/run calls", async () => {
  const command = /^npx -y deno@\S+ task test/m.exec(readme)?.[0];
  assert(command !== undefined);
  const lines = (await Deno.readTextFile(`${ROOT}/.ci/run`)).split("\n");
  assert(lines.includes(command));
});

Deno.test("the README's tasks are in deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  for (const [, task] of readme.matchAll(/(?<=[` ])task (\w+)/g)) {
    assert(task in tasks, task);
  }
});

Deno.test("the README's links lead somewhere", async () => {
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    await Deno.stat(`${ROOT}/${path}`);
  }
});
