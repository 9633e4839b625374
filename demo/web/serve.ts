// Builds the page and serves it on this machine.
//
//   deno task demo:web [--port PORT]

import { parseArgs } from "node:util";
import { build, pageBytes, siteHandler } from "./build.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { port: { type: "string", default: "8000" } },
});

const files = await build();
for (const [path, { gzipped, isData }] of files) {
  const what = isData ? "data" : "page";
  console.error(`${String(gzipped.length).padStart(8)} ${what} ${path}`);
}
console.error(`${String(pageBytes(files)).padStart(8)} bytes of page, gzipped`);

// Localhost is a secure origin, which private files need.
Deno.serve({
  hostname: "127.0.0.1",
  port: Number(values.port),
  onListen: ({ port }) => console.log(`http://localhost:${port}/`),
}, siteHandler(files));
