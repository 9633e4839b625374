// Builds the page: scripts bundled and minified, the genesis packed, all of it in
// memory with each file's type and its size when gzipped.

import { gzipSync } from "node:zlib";
import { mainnetGenesis } from "../_genesis.ts";

const HERE = new URL("./", import.meta.url);
const CONFIG = new URL("../../deno.json", HERE).pathname;

/** Most bytes of the page, its styles and its scripts, gzipped. */
export const PAGE_BYTES_MAX = 150 * 1024;

/** Nothing but what the page itself brings. */
export const POLICY = "default-src 'none'; script-src 'self' " +
  "'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
  "style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'none'; " +
  "form-action 'none'";

/** One file of the page. */
export interface BuiltFile {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  /** Whether it is data that the page asks for, not a part of it. */
  readonly isData: boolean;
}

/** Builds all files, by path. */
export async function build(): Promise<Map<string, BuiltFile>> {
  const files = new Map<string, BuiltFile>();
  const add = (
    path: string,
    type: string,
    bytes: Uint8Array<ArrayBuffer>,
    isData = false,
  ): void => {
    const gzipped = new Uint8Array(gzipSync(bytes, { level: 9 }));
    files.set(path, { type, bytes, gzipped, isData });
  };
  const read = (name: string) => Deno.readFile(new URL(name, HERE));
  add("/", "text/html; charset=utf-8", await read("index.html"));
  add("/style.css", "text/css; charset=utf-8", await read("style.css"));
  add("/icon.svg", "image/svg+xml", await read("icon.svg"));
  const script = "text/javascript; charset=utf-8";
  for (const name of ["main", "worker"]) {
    add(`/${name}.js`, script, await bundle(`${name}.ts`));
  }
  add("/genesis.bin", "application/octet-stream", packGenesis(), true);
  return files;
}

/** Gzipped bytes of the page without the data that it loads. */
export function pageBytes(files: ReadonlyMap<string, BuiltFile>): number {
  let total = 0;
  for (const { gzipped, isData } of files.values()) {
    if (!isData) total += gzipped.length;
  }
  return total;
}

async function bundle(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "--minify"]
      .concat("--config", CONFIG, new URL(name, HERE).pathname),
    stdin: "null",
  }).output();
  if (success) return stdout;
  throw new Error(new TextDecoder().decode(stderr));
}

/** 36 bytes an account: address, and balance in wei, big endian. */
function packGenesis(): Uint8Array<ArrayBuffer> {
  const accounts = mainnetGenesis();
  const bytes = new Uint8Array(36 * accounts.length);
  const view = new DataView(bytes.buffer);
  for (const [i, { address, balance }] of accounts.entries()) {
    bytes.set(address, 36 * i);
    view.setBigUint64(36 * i + 20, balance >> 64n);
    view.setBigUint64(36 * i + 28, balance & 0xffff_ffff_ffff_ffffn);
  }
  return bytes;
}

/** Answers requests for the files of the page. */
export function siteHandler(
  files: ReadonlyMap<string, BuiltFile>,
): (request: Request) => Response {
  return (request) => {
    const file = files.get(new URL(request.url).pathname);
    if (file === undefined) return new Response("not found", { status: 404 });
    return new Response(file.gzipped, {
      headers: {
        "content-type": file.type,
        "content-encoding": "gzip",
        "content-security-policy": POLICY,
        "cache-control": "no-cache",
        "genesis-bytes": String(file.bytes.length),
      },
    });
  };
}
