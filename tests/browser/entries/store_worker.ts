// This module is browser compatible.
//
// The whole script of a worker that serves a store on OPFS.

import { opfs } from "../../../backends/opfs.ts";
import { serveStore } from "../../../src/client/worker.ts";

const { searchParams } = new URL(globalThis.location.href);
const path = searchParams.get("path")!;

serveStore(opfs(path), {
  cacheBytes: 1 << 23,
  ...(searchParams.has("share") ? { share: path } : {}),
});
