// Bundles a test file of the project for a browser, unchanged: `Deno`,
// `node:assert` and what else it stands on are replaced by `port/`.

import { gunzipSync } from "node:zlib";
import { writeDomConfig } from "../../tools/_files.ts";
import { type Handler, makeBundle, scriptResponse } from "./_serve.ts";

const ROOT = new URL("../../", import.meta.url);
const PORT = new URL("port/", import.meta.url);

let config: Promise<string> | undefined;

async function writeConfig(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "stemma-port-" });
  const path = await writeDomConfig(ROOT.pathname, folder);
  const text = JSON.parse(await Deno.readTextFile(path));
  Object.assign(text.imports, {
    "@std/assert": new URL("links/std_assert/mod.ts", ROOT).href,
    "@stemma/db": new URL("mod.ts", ROOT).href,
    "node:assert": new URL("node_assert.ts", PORT).href,
    "node:crypto": new URL("node_crypto.ts", PORT).href,
    "node:zlib": new URL("node_zlib.ts", PORT).href,
  });
  await Deno.writeTextFile(path, JSON.stringify(text));
  return path;
}

/** A worker's script that offers the tests of these files. */
async function portedScript(files: string[]): Promise<Response> {
  config ??= writeConfig();
  const path = await config;
  const entry = await Deno.makeTempFile({
    dir: path.replace(/\/[^/]*$/, ""),
    suffix: ".ts",
  });
  const imports = files.map((file) => `import "${new URL(file, ROOT)}";`);
  await Deno.writeTextFile(
    entry,
    [
      `import { collected } from "${new URL("deno.ts", PORT)}";`,
      ...imports,
      `import { offer } from "${new URL("../_offer.ts", PORT)}";`,
      "offer(collected);",
    ].join("\n"),
  );
  return scriptResponse(await makeBundle(entry, ["--config", path]));
}

/** Serves `/NAME.js` for the test files of a name, and their vectors. */
export function ported(
  suites: Readonly<Record<string, readonly string[]>>,
): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const name = pathname.slice(1, -3);
    if (pathname.endsWith(".js") && name in suites) {
      return await portedScript([...suites[name]]);
    }
    if (!/^\/vectors\/[a-z0-9-]+\.json\.gz$/.test(pathname)) return undefined;
    const bytes = await Deno.readFile(new URL(`tests${pathname}`, ROOT));
    return new Response(new Uint8Array(gunzipSync(bytes)), {
      headers: { "content-type": "application/octet-stream" },
    });
  };
}
