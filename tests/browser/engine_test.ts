// The engine and the verifier in Chromium: the project's own test files as they
// are, in a worker; and the verifier on a page with the strictest policy.

import { ported } from "./_port.ts";
import { browserTest, runOffered } from "./_suite.ts";

const VERIFY = "tests/verify";

const handler = ported({
  vectors: { files: ["tests/engine/vectors_test.ts"] },
  model: { files: ["tests/browser/port/model_in_browser.ts"], onOpfs: true },
  honest: { files: [`${VERIFY}/completeness_test.ts`] },
  forged: {
    files: ["negative", "eip7864_forgery", "witness", "host"]
      .map((name) => `${VERIFY}/${name}_test.ts`),
  },
});

/** The verifier's tests do this much of their work here, too. */
const VERIFIER_FACTOR = 0.05;

browserTest(
  "open() reaches the known roots in Chromium",
  async ({ load }, t) => {
    await runOffered(await load("vectors", "worker"), t);
  },
  handler,
);

for (const where of ["strict", "plain", "worker"] as const) {
  browserTest(
    `open() chooses what hashes, ${where}`,
    async ({ load }, t) => await runOffered(await load("hashers", where), t),
  );
}

browserTest("open() agrees with the model on OPFS", async ({ load }, t) => {
  await runOffered(await load("model", "worker"), t);
}, handler);

browserTest(
  "verify() accepts what is honest in Chromium",
  async ({ load }, t) => {
    await runOffered(await load("honest", "worker", VERIFIER_FACTOR), t);
  },
  handler,
);

browserTest(
  "verify() refuses forgeries under a strict policy",
  async ({ load }, t) => {
    await runOffered(await load("forged", "strict", VERIFIER_FACTOR), t);
  },
  handler,
);
