// A light client with one hash, minified and gzipped: at most 12 KB.

import { gzipSync } from "node:zlib";
import { assertLessOrEqual } from "@std/assert";

const BYTES_MAX = 12 * 1024;
const ROOT = new URL("../../", import.meta.url);

for (
  const [file, scheme] of [
    ["nomt_blake3", "nomtBlake3"],
    ["nomt_sha256", "nomtSha256"],
    ["jam_blake2b", "jamBlake2b"],
  ]
) {
  Deno.test(`LightClient with ${file} is at most ${BYTES_MAX} bytes`, async () => {
    const entry = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(
      entry,
      `export * from "${new URL("src/light/mod.ts", ROOT)}";
       export { ${scheme} } from "${new URL(`verify/${file}.ts`, ROOT)}";`,
    );
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform=browser", "--minify"]
        .concat(`--config=${new URL("deno.json", ROOT).pathname}`, entry),
      stderr: "inherit",
    }).output();
    await Deno.remove(entry);
    const { length } = gzipSync(stdout, { level: 9 });
    console.log(`light client with ${file}: ${length} bytes`);
    assertLessOrEqual(length, BYTES_MAX);
  });
}
