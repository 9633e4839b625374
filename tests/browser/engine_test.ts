// The engine in Chromium: test files of the engine as they are, in a worker.

import { ported } from "./_port.ts";
import { browserTest, runOffered } from "./_suite.ts";

browserTest(
  "open() reaches the known roots in Chromium",
  async ({ load }, t) => {
    await runOffered(await load("vectors", "worker"), t);
  },
  ported({ vectors: ["tests/engine/vectors_test.ts"] }),
);
