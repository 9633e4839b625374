// Bundles for the browser: the project's sources with what tests import, where
// `node:assert` and other modules of Deno are replaced by `port/`.

import { writeDomConfig } from "../../tools/_files.ts";

const ROOT = new URL("../../", import.meta.url);
const PORT = new URL("port/", import.meta.url);

/** Writes the configuration of a bundle into a folder outside the workspace. */
async function writeConfig(folder: string, onOpfs: boolean): Promise<string> {
  const path = await writeDomConfig(ROOT.pathname, folder);
  const text = JSON.parse(await Deno.readTextFile(path));
  Object.assign(text.imports, {
    "@std/assert": new URL("links/std_assert/mod.ts", ROOT).href,
    "@stemma/db": new URL("mod.ts", ROOT).href,
    "node:assert": new URL("node_assert.ts", PORT).href,
    "node:crypto": new URL("node_crypto.ts", PORT).href,
    "node:zlib": new URL("node_zlib.ts", PORT).href,
    ...(onOpfs && {
      [new URL("backends/memory.ts", ROOT).href]:
        new URL("memory.ts", PORT).href,
    }),
  });
  await Deno.writeTextFile(path, JSON.stringify(text));
  return path;
}

const bundles = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/** The bundle of an entry point, made once a process. */
export function bundle(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const made = bundles.get(path) ?? makeBundle(path);
  bundles.set(path, made);
  return made;
}

/**
 * The bundle of an entry point, made anew.
 *
 * @param onOpfs Put OPFS in the place of the backend in memory.
 */
export async function makeBundle(
  path: string,
  onOpfs = false,
): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "stemma-bundle-" });
  try {
    const config = await writeConfig(folder, onOpfs);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform", "browser"]
        .concat("--config", config, path),
      stdin: "null",
    });
    const { success, stdout, stderr } = await command.output();
    if (success) return stdout;
    throw new Error(new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
