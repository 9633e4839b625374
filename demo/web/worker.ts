// This module is browser compatible.
//
// The page's worker: the engine on the origin's private files, served to the
// page.

import { opfs } from "../../backends/opfs.ts";
import { serveStore } from "../../src/client/worker.ts";

serveStore(opfs("stemma-demo"), {
  scheme: "nomt-blake3",
  cacheBytes: 32 << 20,
  history: { commits: 512 },
});
