// The OPFS backend in Chromium: the conformance suite in a dedicated worker.

import { browserTest, runOffered } from "./_suite.ts";

browserTest("opfs() conforms in Chromium", async ({ load }, t) => {
  await runOffered(await load("conformance", "worker"), t);
});
