// Bundles the verifier with one scheme for the browser, minifies and gzips it,
// and fails when it is over its budget. Prints one line per scheme, and the size
// with witnesses, which has no budget of its own. Run by `deno task ok`.

/** Most bytes of verifier and one hash, minified and gzipped: 6 KB. */
export const BUDGET_BYTES = 6 * 1024;

/** Size of one bundle. */
export interface BundleSize {
  /** What is in it. */
  readonly name: string;
  /** Bytes, minified. */
  readonly bytes: number;
  /** Bytes, minified and gzipped. */
  readonly gzipBytes: number;
  /** Whether the budget is for this one. */
  readonly limited: boolean;
}

const PROVE = "verify, verifyKey";
const ALL = "applyWrites, decodePartial, verify, verifyKey, verifyWitness";

/** Bundles and measures. */
export async function bundleSizes(): Promise<BundleSize[]> {
  const verifyFolder = new URL("../verify/", import.meta.url);
  const folder = await Deno.makeTempDir();
  try {
    const wanted: [file: string, scheme: string, names: string][] = [
      ["nomt_blake3", "nomtBlake3", PROVE],
      ["nomt_sha256", "nomtSha256", PROVE],
      ["jam_blake2b", "jamBlake2b", PROVE],
      ["nomt_blake3", "nomtBlake3", ALL],
      ["eip7864_sha256", "eip7864Sha256", ALL],
    ];
    const sizes: BundleSize[] = [];
    for (const [file, scheme, names] of wanted) {
      const entry = `${folder}/entry.ts`;
      const from = (name: string): string =>
        JSON.stringify(new URL(name, verifyFolder).href);
      await Deno.writeTextFile(
        entry,
        `export { ${names} } from ${from("core.ts")};
         export { ${scheme} } from ${from(`${file}.ts`)};`,
      );
      const bundle = await bundled(entry);
      sizes.push({
        name: `${file}: ${names}`,
        bytes: bundle.length,
        gzipBytes: await gzipped(bundle),
        limited: names === PROVE && file.startsWith("nomt"),
      });
    }
    return sizes;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function bundled(entry: string): Promise<Uint8Array> {
  const config = new URL("../deno.json", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      `--config=${config}`,
      "--platform=browser",
      "--minify",
      entry,
    ],
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout;
}

async function gzipped(bytes: Uint8Array): Promise<number> {
  const { gzipSync } = await import("node:zlib");
  return gzipSync(bytes, { level: 9 }).length;
}

if (import.meta.main) {
  let over = false;
  for (const { name, bytes, gzipBytes, limited } of await bundleSizes()) {
    const verdict = !limited
      ? ""
      : gzipBytes <= BUDGET_BYTES
      ? `, within ${BUDGET_BYTES}`
      : `, OVER ${BUDGET_BYTES}`;
    over ||= limited && gzipBytes > BUDGET_BYTES;
    console.log(`${gzipBytes} bytes gzip (${bytes} min)${verdict}: ${name}`);
  }
  if (over) Deno.exit(1);
}
