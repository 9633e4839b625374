// This module is browser compatible.
//
// Model runs of about 1,000 commands, half of the stores on OPFS (`memory.ts`
// stands in), half on the simulated disk that loses power.

import { assert } from "@std/assert";
import { modelRuns } from "../../engine/_model_run.ts";
import type { OpfsDirectory } from "../../../backends/opfs.ts";
import { collected } from "./deno.ts";

/** What the run needs of `navigator`. */
interface Host {
  navigator: { storage: { getDirectory(): Promise<OpfsDirectory> } };
}

collected.push({
  name: "open() agrees with the model under random commands",
  async run() {
    await modelRuns(25, 3);
    const { storage } = (globalThis as unknown as Host).navigator;
    const disks = await (await storage.getDirectory())
      .getDirectoryHandle("disks");
    let stores = 0;
    for await (const _ of disks.keys()) stores++;
    assert(stores > 0, "no store lay on OPFS");
  },
});
