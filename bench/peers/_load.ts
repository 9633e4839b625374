// Gets the peers from npm without leaving a trace in the repository: each is
// installed in a folder of its own in the user's cache, as native add-ons need
// real files around them. What cannot be had is absent, and the report says so.

import { createRequire } from "node:module";

/** A package, exactly. */
export interface Package {
  readonly name: string;
  readonly version: string;
}

function cacheFolder(): string {
  const home = Deno.env.get("STEMMA_BENCH_PEERS");
  if (home !== undefined) return home;
  const cache = Deno.env.get("XDG_CACHE_HOME") ??
    `${Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? "."}/.cache`;
  return `${cache}/stemma-bench`;
}

async function run(command: string, args: string[], cwd: string) {
  try {
    const child = new Deno.Command(command, {
      args,
      cwd,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    return (await child.output()).success;
  } catch {
    return false; // No such program.
  }
}

/** Installs a package; returns its folder, `undefined` when it cannot be had. */
async function install(
  { name, version }: Package,
): Promise<string | undefined> {
  const folder = `${cacheFolder()}/${name.replaceAll("/", "+")}@${version}`;
  const done = `${folder}/installed`;
  if (await Deno.stat(done).then(() => true, () => false)) return folder;
  await Deno.mkdir(folder, { recursive: true });
  const dependencies = { [name]: version };
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, dependencies }),
  );
  const config = { nodeModulesDir: "auto", lock: false };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
  // Prebuilt add-ons need no install scripts; npm forgives missing optional parts.
  const isThere = await run(Deno.execPath(), ["install", "--quiet"], folder) ||
    await run("npm", ["install", "--ignore-scripts", "--no-audit"], folder);
  if (!isThere) return undefined;
  await Deno.writeTextFile(done, "");
  return folder;
}

/**
 * Loads a CommonJS package or a native add-on.
 *
 * @returns What it exports; the reason as a string when it cannot be had.
 */
export async function loadInstalled<T>(wanted: Package): Promise<T | string> {
  const folder = await install(wanted);
  if (folder === undefined) return "cannot be installed";
  try {
    const module: T = createRequire(`${folder}/package.json`)(wanted.name);
    return module;
  } catch (error) {
    return `cannot be loaded: ${firstLine(error)}`;
  }
}

/** Loads an ES module from npm, past the lockfile. */
export async function loadModule<T>(
  { name, version }: Package,
): Promise<T | string> {
  try {
    const module: T = await import(`npm:${name}@${version}`);
    return module;
  } catch (error) {
    return `cannot be loaded: ${firstLine(error)}`;
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split(
    "\n",
  )[0];
}
