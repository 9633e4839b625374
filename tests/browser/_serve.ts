// A web server on loopback for the tests: bundles of entry points made on
// demand, and pages that load them under a content security policy.

import { bundle } from "./_bundle.ts";

/** What the pages may do: scripts and workers of their own origin, no more. */
export const STRICT_POLICY =
  "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'";

/** As above, with workers, WebAssembly and requests to the own origin. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; " +
  "worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'";

const ENTRIES = new URL("entries/", import.meta.url);

/** A running server. */
export interface Site extends AsyncDisposable {
  /** "http://127.0.0.1:port". */
  readonly origin: string;
}

/** Answers before the site does; undefined: it is not mine. */
export type Handler = (
  request: Request,
) => Response | undefined | Promise<Response | undefined>;

/**
 * Serves `/NAME.js`, the bundle of `entries/NAME.ts`; `/NAME`, a page that loads
 * it; `/strict/NAME`, the same under {@linkcode STRICT_POLICY}; `/plain/NAME`, the same
 * without isolation; `/worker/NAME`, a page that starts it as a worker.
 */
export function serve(handler?: Handler): Site {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const answer = await handler?.(request);
      if (answer !== undefined) return answer;
      const { pathname } = new URL(request.url);
      const name = /^\/([a-z0-9_]+)\.js$/.exec(pathname)?.[1];
      if (name !== undefined) {
        const path = new URL(`${name}.ts`, ENTRIES).pathname;
        const isThere = await Deno.stat(path).then(() => true, () => false);
        if (!isThere) return new Response("", { status: 404 });
        return scriptResponse(await bundle(path));
      }
      const page = /^\/(?:(strict|plain|worker)\/)?([a-z0-9_]+)$/.exec(
        pathname,
      );
      if (page === null) return new Response("", { status: 404 });
      const script = page[1] === "worker" ? "host" : page[2];
      return pageResponse(script, page[1]);
    },
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Isolated, so that pages have shared memory and exact clocks. */
const ISOLATION: Record<string, string> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-store",
};

function pageResponse(name: string, where: string | undefined): Response {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8">` +
    `<title>${name}</title>` +
    `<script type="module" src="/${name}.js"></script>`;
  return new Response(html, {
    headers: {
      ...(where === "plain" ? {} : ISOLATION),
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": where === "strict" ? STRICT_POLICY : POLICY,
    },
  });
}

/** A script that pages and workers of the site may run. */
export function scriptResponse(bytes: Uint8Array<ArrayBuffer>): Response {
  return new Response(bytes, {
    headers: {
      ...ISOLATION,
      "content-type": "text/javascript; charset=utf-8",
      "content-security-policy": POLICY,
    },
  });
}
