// The IndexedDB backend in Chromium: the conformance suite and the engine, on
// the main thread and in a worker.

import { browserTest, runOffered } from "./_suite.ts";

browserTest("idb() conforms in Chromium", async ({ load }, t) => {
  for (const where of ["page", "worker"] as const) {
    const page = await load("conformance_idb", where);
    await t.step(`in a ${where}`, (step) => runOffered(page, step));
    await page.close();
  }
});
