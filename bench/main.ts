// The benchmark: workloads on Stemma and its peers, and the bars that Stemma has to
// reach. Data goes to stdout, progress to stderr. See docs/performance.md.

import { parseArgs } from "node:util";
import { describe as describeBar, holds, measureBars } from "./bars/mod.ts";
import { PEERS } from "./peers/mod.ts";
import { drawPlots } from "./plots.ts";
import { describe } from "./report.ts";
import { type Report, run } from "./runner.ts";
import { STEMMA } from "./store_process.ts";
import { type WorkloadName, WORKLOADS } from "./workloads.ts";

const HELP = `deno task bench [option ...]

  --workload NAME     ${WORKLOADS.join(", ")}; again for more; default: all
  --capacity N        keys to begin with: 2^N (16)
  --size N            operations of an iteration (5000)
  --iterations N      (20)
  --fresh PERCENT     operations on keys that are not there (50)
  --reads PERCENT     reads of randrw (50)
  --deletes PERCENT   writes that delete (0)
  --isolated          each iteration on a fresh copy; else one after another
  --peer NAME         ${Object.keys(PEERS).join(", ")};
                      again for more, "none" for none; default: all
  --plots FOLDER      also draw SVG plots
  --bars              measure the bars; exit 1 when one falls short
  --only N,N          only these bars
  --quick             small sizes, for a look and not for a verdict
  --nightly           the bars at 2^24 keys too
  --seed N            (1)
  --dir FOLDER        where the stores are made and removed again
  --json              for machines
`;

const { values: flags } = parseArgs({
  options: {
    workload: { type: "string", multiple: true, default: [...WORKLOADS] },
    capacity: { type: "string", default: "16" },
    size: { type: "string", default: "5000" },
    iterations: { type: "string", default: "20" },
    fresh: { type: "string", default: "50" },
    reads: { type: "string", default: "50" },
    deletes: { type: "string", default: "0" },
    isolated: { type: "boolean", default: false },
    peer: { type: "string", multiple: true, default: Object.keys(PEERS) },
    plots: { type: "string" },
    bars: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    nightly: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    dir: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
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
    if (!flags.json) console.log(describeBar(result));
  });
  if (flags.json) console.log(JSON.stringify(results, undefined, 2));
  return results.some((result) => holds(result) === false) ? 1 : 0;
}

async function workloads(directory: string): Promise<number> {
  // At once, as the plots come minutes later.
  if (flags.plots !== undefined) {
    await Deno.mkdir(flags.plots, { recursive: true });
  }
  const options = {
    capacity: Number(flags.capacity),
    size: Number(flags.size),
    fresh: Number(flags.fresh),
    reads: Number(flags.reads),
    deletes: Number(flags.deletes),
    seed: Number(flags.seed),
  };
  const reports: Report[] = [];
  for (const name of flags.workload) {
    const report = await run({
      workload: name as WorkloadName,
      options,
      peers: [STEMMA, ...flags.peer.filter((peer) => peer !== "none")],
      iterations: Number(flags.iterations),
      isIsolated: flags.isolated,
      directory,
      log,
    });
    reports.push(report);
    if (!flags.json) console.log(describe(report));
  }
  const result = { options, reports };
  if (flags.json) console.log(JSON.stringify(result, undefined, 2));
  if (flags.plots !== undefined) await drawPlots(reports, flags.plots);
  return 0;
}

async function main(): Promise<number> {
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const directory = await Deno.makeTempDir({ dir: flags.dir });
  try {
    return flags.bars ? await bars(directory) : await workloads(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.exit(await main());
