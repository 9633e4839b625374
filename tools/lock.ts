// Writes deno.lock anew after a change of dependencies. Everything else uses
// the lockfile frozen (deno.json), so this is the only way it changes.
//
//   deno run -A --frozen=false tools/lock.ts

import { sourceFiles } from "./_files.ts";

const child = new Deno.Command(Deno.execPath(), {
  args: ["cache", "--frozen=false", ...await sourceFiles(".")],
}).spawn();
Deno.exit((await child.status).code);
