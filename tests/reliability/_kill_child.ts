// A program that commits until it is killed, and says so after each commit.
// Arguments: directory, and "once" to say only whether the store can be opened.

import { open } from "../../mod.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import { killOptions, writesOf } from "./_kill_writes.ts";

const [directory, mode] = Deno.args;
const text = new TextEncoder();

function say(line: string | number): void {
  Deno.stdout.writeSync(text.encode(`${line}\n`));
}

try {
  const db = await open(denoFs(directory, { writer: true }), killOptions);
  say(`open ${db.head.sequence}`);
  while (mode !== "once") {
    const sequence = db.head.sequence + 1;
    using session = db.begin();
    for (const [key, value] of writesOf(sequence)) {
      if (value === undefined) session.delete(key);
      else session.set(key, value);
    }
    const meta = Uint8Array.of(sequence, sequence >> 8);
    await session.prepare().commit({ meta });
    say(sequence);
  }
  await db.close();
} catch (error) {
  say(`error ${(error as { code?: string }).code}`);
}
