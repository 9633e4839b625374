// The gate, `deno task ok`: everything that must hold before a change lands,
// one step after another, each with its time. Stops at nothing, so that one
// run shows all there is to mend; exits non-zero when any step failed.
//
//   deno run -A tools/ok.ts [step ...]      for instance: ok.ts lint dom

import { parseArgs } from "node:util";
import { browserFiles, sourceFiles, writeDomConfig } from "./_files.ts";

/** A step: its name and the arguments of the `deno` that it runs. */
interface Step {
  readonly name: string;
  readonly args: string[];
  /** Folder to run in; the repository's root unless given. */
  readonly cwd?: string;
}

const PUBLISH = ["publish", "--dry-run", "--allow-dirty", "--quiet"];

async function entryPoints(): Promise<string[]> {
  const entries: string[] = [];
  for (const folder of [".", "verify"]) {
    const config = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
    for (const path of Object.values<string>(config.exports)) {
      entries.push(`${folder}/${path}`.replaceAll("/./", "/"));
    }
  }
  return entries;
}

async function steps(domConfig: string): Promise<Step[]> {
  const entries = await entryPoints();
  const sources = await sourceFiles(".");
  const published = sources.filter((path) =>
    /^(mod\.ts|(src|verify|backends)\/)/.test(path)
  );
  return [
    { name: "fmt", args: ["fmt", "--check", "--quiet"] },
    { name: "lint", args: ["lint", "--quiet"] },
    { name: "check", args: ["check", "--quiet", ...sources] },
    {
      name: "dom",
      args: [
        "check",
        "--quiet",
        ...["--config", domConfig],
        ...await browserFiles("."),
      ],
    },
    { name: "doc-lint", args: ["doc", "--lint", ...entries] },
    {
      name: "doc-test",
      args: ["test", "-A", "--doc", "--permit-no-files", ...published],
    },
    {
      name: "test",
      args: ["run", "-A", "tools/test.ts", "--sanitize-ops"].concat(
        "--sanitize-resources",
      ),
    },
    { name: "publish", args: PUBLISH },
    { name: "publish-verify", args: PUBLISH, cwd: "verify" },
    { name: "size", args: ["run", "-A", "tests/bundle_size.ts"] },
  ];
}

async function runStep(step: Step): Promise<boolean> {
  console.log(`\n── ${step.name}`);
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: step.args,
    cwd: step.cwd,
    stdin: "null",
  }).spawn();
  const { success } = await child.status;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`── ${step.name} ${success ? "ok" : "FAILED"} (${seconds} s)`);
  return success;
}

async function main(): Promise<number> {
  const scratch = await Deno.makeTempDir();
  try {
    return await runSteps(await steps(await writeDomConfig(".", scratch)));
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function runSteps(all: readonly Step[]): Promise<number> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const unknown = positionals.find((name) => !all.some((s) => s.name === name));
  if (unknown !== undefined) {
    console.error(`No step ${unknown}; there are: ${all.map((s) => s.name)}`);
    return 2;
  }
  const failed: string[] = [];
  for (const step of all) {
    if (positionals.length > 0 && !positionals.includes(step.name)) continue;
    if (!await runStep(step)) failed.push(step.name);
  }
  console.log(failed.length > 0 ? `\nfailed: ${failed.join(", ")}` : "\nok");
  return failed.length > 0 ? 1 : 0;
}

Deno.exit(await main());
