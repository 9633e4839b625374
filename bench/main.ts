// The benchmark: workloads on Stemma and its peers, and the bars that Stemma has to
// reach.
//
//   deno task bench [--workload NAME ...] [options]
//   deno task bench --bars [--quick] [--nightly] [--only 1,3]
//
// Data goes to stdout, progress to stderr. See docs/performance.md.

import { parseArgs } from "node:util";
import { describe, holds, measureBars } from "./bars/mod.ts";

const { values: flags } = parseArgs({
  options: {
    bars: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    nightly: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    dir: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

function log(text: string): void {
  console.error(`… ${text}`);
}

async function bars(directory: string): Promise<number> {
  const only = flags.only === "" ? [] : flags.only.split(",").map(Number);
  const context = {
    isQuick: flags.quick,
    isNightly: flags.nightly,
    directory,
    seed: Number(flags.seed),
    log,
  };
  const results = await measureBars(context, only, (result) => {
    if (!flags.json) console.log(describe(result));
  });
  if (flags.json) console.log(JSON.stringify(results, undefined, 2));
  return results.some((result) => holds(result) === false) ? 1 : 0;
}

async function main(): Promise<number> {
  const directory = await Deno.makeTempDir({ dir: flags.dir });
  try {
    return await bars(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.exit(await main());
