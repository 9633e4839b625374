// The OPFS backend in Chromium: the conformance suite in a dedicated worker,
// what only OPFS has, the places where it does not work, and a small quota.

import { browserTest, runOffered } from "./_suite.ts";

browserTest("opfs() conforms in Chromium", async ({ load }, t) => {
  await runOffered(await load("conformance", "worker"), t);
});

browserTest("opfs() in a dedicated worker", async ({ load }, t) => {
  await runOffered(await load("opfs", "worker"), t);
});

browserTest("opfs() where it cannot work", async ({ load }, t) => {
  await runOffered(await load("unsupported"), t);
});

browserTest("a store on a full quota", async ({ load, site, browser }, t) => {
  const page = await load("quota", "worker");
  const devtools = await browser.context.newCDPSession(page);
  await devtools.send("Storage.overrideQuotaForOrigin", {
    origin: site.origin,
    quotaSize: 8 << 20,
  });
  await runOffered(page, t);
});
