// Half of the model runs; the other half is in a file of its own, so that both
// run at the same time.

import { modelRuns } from "./_model_run.ts";

Deno.test("open() agrees with the model under random commands, part b", async () => {
  await modelRuns(500, 2);
});
