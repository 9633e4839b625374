// Bundles a test file of the project for a browser, unchanged: `Deno`,
// `node:assert` and what else it stands on are replaced by `port/`.

import { gunzipSync } from "node:zlib";
import { makeBundle } from "./_bundle.ts";
import { type Handler, scriptResponse } from "./_serve.ts";

const ROOT = new URL("../../", import.meta.url);
const PORT = new URL("port/", import.meta.url);

/** A worker's script that offers the tests of these files. */
async function portedScript(
  files: readonly string[],
  onOpfs: boolean,
): Promise<Response> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
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
  const script = await makeBundle(entry, onOpfs);
  await Deno.remove(entry);
  return scriptResponse(script);
}

/** Some test files under the name of the script that offers them. */
export interface Suite {
  readonly files: readonly string[];
  /** Put OPFS in the place of the backend in memory. */
  readonly onOpfs?: boolean;
}

/** Serves `/NAME.js` for the test files of a name, and their vectors. */
export function ported(suites: Readonly<Record<string, Suite>>): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const name = pathname.slice(1, -3);
    if (pathname.endsWith(".js") && name in suites) {
      const { files, onOpfs = false } = suites[name];
      return await portedScript(files, onOpfs);
    }
    if (!/^\/vectors\/[a-z0-9-]+\.json\.gz$/.test(pathname)) return undefined;
    const bytes = await Deno.readFile(new URL(`tests${pathname}`, ROOT));
    return new Response(new Uint8Array(gunzipSync(bytes)), {
      headers: { "content-type": "application/octet-stream" },
    });
  };
}
