// Runs the tests: every file in parallel, then the time of each suite and one
// closing line `N passed, N failed`. Draws one seed for the whole run and
// prints it, so that a failing randomized run can be replayed from its output.
//
// A run that hangs is ended; deno then names the tests that were under way.
//
//   deno run -A tools/test.ts [--scale N] [--jobs N] [path | deno test flag ...]

import { parseArgs } from "node:util";
import { readReport, type Suite, summarize, totals } from "./_junit.ts";

const SLOW_SECONDS = 30;

/** At scale 1, which takes less than 10: what lasts longer hangs. */
const LIMIT_MINUTES = 30;
/** What a timer can wait: 2^31 ms. */
const TIMER_MINUTES_MAX = 35_000;

interface Options {
  scale: string;
  jobs: string | undefined;
  rest: string[];
}

function readOptions(args: string[]): Options {
  const { values, tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    options: { scale: { type: "string" }, jobs: { type: "string" } },
  });
  const known = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (token.name !== "scale" && token.name !== "jobs") continue;
    known.add(token.index);
    if (token.inlineValue === false) known.add(token.index + 1);
  }
  return {
    scale: String(values.scale ?? Deno.env.get("STEMMA_SCALE") ?? "1"),
    jobs: values.jobs === undefined ? undefined : String(values.jobs),
    rest: args.filter((_, i) => !known.has(i)),
  };
}

function seedOfRun(): string {
  return Deno.env.get("STEMMA_SEED") ??
    String(crypto.getRandomValues(new Uint32Array(1))[0] >>> 1);
}

async function runDeno(options: Options, junit: string): Promise<number> {
  const paths = options.rest.some((arg) => !arg.startsWith("-"))
    ? []
    : ["tests"];
  const env: Record<string, string> = {
    STEMMA_SEED: seedOfRun(),
    STEMMA_SCALE: options.scale,
  };
  if (options.jobs !== undefined) env.DENO_JOBS = options.jobs;
  console.log(
    `STEMMA_SEED=${env.STEMMA_SEED} STEMMA_SCALE=${env.STEMMA_SCALE}`,
  );
  const args = ["test", "-A", "--parallel", `--junit-path=${junit}`];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, ...paths, ...options.rest],
    env,
    stdin: "null",
  }).spawn();
  const minutes = Math.min(
    LIMIT_MINUTES * Math.max(1, Number(options.scale) || 1),
    TIMER_MINUTES_MAX,
  );
  const limit = setTimeout(() => {
    console.log(`\nEnded after ${minutes} minutes: something hangs`);
    child.kill("SIGINT");
  }, minutes * 60_000);
  const { code } = await child.status;
  clearTimeout(limit);
  return code;
}

function printSuites(suites: Suite[], wallSeconds: number): void {
  const bySeconds = suites.toSorted((a, b) => b.seconds - a.seconds);
  const width = Math.max(5, ...suites.map((suite) => suite.name.length));
  console.log(`\n${"suite".padEnd(width)}  tests  seconds`);
  for (const suite of bySeconds) {
    const slow = suite.seconds >= SLOW_SECONDS
      ? `  slow: ${suite.slowest.name} ${suite.slowest.seconds.toFixed(1)} s`
      : "";
    const tests = String(suite.tests).padStart(5);
    const seconds = suite.seconds.toFixed(1).padStart(7);
    console.log(`${suite.name.padEnd(width)}  ${tests}  ${seconds}${slow}`);
  }
  for (const suite of suites) {
    for (const name of suite.skipped) {
      console.log(`skipped: ${suite.name}: ${name}`);
    }
  }
  console.log(`\n${wallSeconds.toFixed(0)} s in all`);
}

async function main(): Promise<number> {
  const options = readOptions(Deno.args);
  const junit = await Deno.makeTempFile({ suffix: ".xml" });
  const start = performance.now();
  let code: number;
  let suites: Suite[];
  try {
    code = await runDeno(options, junit);
    suites = summarize(readReport(await Deno.readTextFile(junit)));
  } finally {
    await Deno.remove(junit);
  }
  const { passed, failed, skipped } = totals(suites);
  const failures = code === 0 ? failed : Math.max(failed, 1);
  printSuites(suites, (performance.now() - start) / 1000);
  const tail = skipped > 0 ? `, ${skipped} skipped` : "";
  console.log(`${passed} passed, ${failures} failed${tail}`);
  return failures > 0 || passed === 0 ? 1 : 0;
}

Deno.exit(await main());
