// Static SVG plots of a run, drawn by vega-lite without a browser.

import { throughput } from "./report.ts";
import type { Report } from "./runner.ts";

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";
const VEGA = "npm:vega@6.4.0";
const VEGA_LITE = "npm:vega-lite@6.5.0";

interface Vega {
  parse(spec: unknown): unknown;
  readonly View: new (
    runtime: unknown,
    options: { renderer: "none" },
  ) => { toSVG(): Promise<string> };
}

interface VegaLite {
  compile(spec: unknown): { spec: unknown };
}

/** Operations a second of each store on each workload. */
function throughputs(reports: readonly Report[]): unknown {
  const values = reports.flatMap(({ workload, rows }) =>
    rows.map((row) => ({
      workload,
      store: row.isDurable ? row.peer : `${row.peer} (memory)`,
      kind: row.isAuthenticated ? "with a root" : "plain",
      operations: throughput(row),
    }))
  );
  return {
    $schema: SCHEMA,
    title: "Operations a second (logarithmic)",
    data: { values },
    facet: { column: { field: "workload", type: "nominal", title: null } },
    spec: {
      width: 170,
      mark: "bar",
      encoding: {
        y: { field: "store", type: "nominal", title: null, sort: null },
        x: {
          field: "operations",
          type: "quantitative",
          title: null,
          scale: { type: "log", domainMin: 1000 },
        },
        color: { field: "kind", type: "nominal", title: null },
      },
    },
  };
}

/** Time of each commit in the order of commits. */
function commits(report: Report): unknown {
  const values = report.rows.flatMap(({ peer, commitTimes }) =>
    commitTimes.map((milliseconds, i) => ({
      store: peer,
      commit: i + 1,
      milliseconds,
    }))
  );
  return {
    $schema: SCHEMA,
    title: `Milliseconds a commit, ${report.workload} (logarithmic)`,
    width: 480,
    height: 260,
    data: { values },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "commit", type: "quantitative" },
      y: {
        field: "milliseconds",
        type: "quantitative",
        title: null,
        scale: { type: "log" },
      },
      color: { field: "store", type: "nominal", title: null, sort: null },
    },
  };
}

async function draw(spec: unknown): Promise<string> {
  const vega: Vega = await import(VEGA);
  const { compile }: VegaLite = await import(VEGA_LITE);
  const runtime = vega.parse(compile(spec).spec);
  return await new vega.View(runtime, { renderer: "none" }).toSVG();
}

/** Writes the plots of a run into a folder. */
export async function drawPlots(
  reports: readonly Report[],
  folder: string,
): Promise<void> {
  const all = await draw(throughputs(reports));
  await Deno.writeTextFile(`${folder}/throughput.svg`, `${all}\n`);
  for (const report of reports) {
    if (report.workload !== "randw") continue;
    const svg = await draw(commits(report));
    await Deno.writeTextFile(`${folder}/commit_times.svg`, `${svg}\n`);
  }
}
