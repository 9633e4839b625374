// The project's TypeScript files, and which of them say that they run in a
// browser. Shared by the gate and by the test that keeps the house in order.

/** The literal first line of a file that needs nothing of Deno. */
export const BROWSER_LINE = "// This module is browser compatible.";

const SKIPPED = new Set(["node_modules", "coverage", "links", "scratch"]);

/** Paths of all `.ts` files below `root`, relative to it, in order. */
export async function sourceFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [""];
  for (let i = 0; i < folders.length; i++) {
    for await (const entry of Deno.readDir(`${root}/${folders[i]}`)) {
      if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
      const path = folders[i] + entry.name;
      if (entry.isDirectory) folders.push(`${path}/`);
      else if (entry.isFile && path.endsWith(".ts")) files.push(path);
    }
  }
  return files.sort();
}

/**
 * The files whose first line is {@linkcode BROWSER_LINE}, without the tests:
 * those run in a browser with stand-ins for `Deno` and `@std/assert`.
 */
export async function browserFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  for (const path of await sourceFiles(root)) {
    if (path.startsWith("tests/")) continue;
    const text = await Deno.readTextFile(`${root}/${path}`);
    if (text.startsWith(`${BROWSER_LINE}\n`)) files.push(path);
  }
  return files;
}

/**
 * Writes a configuration that knows the DOM's types and none of Deno's into
 * `folder`, which lies outside the repository (inside, it would inherit from
 * the workspace); returns its path.
 */
export async function writeDomConfig(
  root: string,
  folder: string,
): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  const verify = JSON.parse(
    await Deno.readTextFile(`${root}/verify/deno.json`),
  );
  const base = new URL(`file://${await Deno.realPath(root)}/verify/`);
  const local: Record<string, string> = {};
  for (const [name, path] of Object.entries<string>(verify.exports)) {
    local[`@stemma/verify${name.slice(1)}`] = new URL(path, base).href;
  }
  const path = `${folder}/deno.json`;
  const config = {
    imports: {
      "@noble/hashes": imports["@noble/hashes"],
      "idb-keyval": imports["idb-keyval"],
      ...local,
    },
    lock: false,
    nodeModulesDir: "none",
    compilerOptions: {
      lib: ["dom", "dom.iterable", "dom.asynciterable", "esnext"],
      types: [],
    },
  };
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}
