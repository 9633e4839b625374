// Commits of 20,000 writes in Chromium on OPFS, against the same on Deno's files,
// on the same machine, in turns: the bar is twice the time.
//
//   deno run -A bench/chromium.ts [--commits N] [--writes N]

import { parseArgs } from "node:util";
import { denoFs } from "../backends/deno_fs.ts";
import { chromiumPath, launch } from "../tests/browser/_chromium.ts";
import { serve } from "../tests/browser/_serve.ts";
import {
  benchCommits,
  type CommitBench,
} from "../tests/browser/entries/commits_bench.ts";

const ROUNDS = 3;
const RATIO_MAX = 2;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    commits: { type: "string", default: "10" },
    writes: { type: "string", default: "20000" },
  },
});

type Times = Awaited<ReturnType<typeof benchCommits>>;

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1];
}

async function onFiles(amount: CommitBench): Promise<Times> {
  const directory = await Deno.makeTempDir();
  try {
    return await benchCommits(denoFs(directory), amount);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function inChromium(amount: CommitBench): Promise<Times> {
  await using site = serve();
  await using browser = await launch();
  const page = await browser.context.newPage();
  await page.goto(`${site.origin}/unsupported`);
  const found = await page.evaluate((asked) => {
    const worker = new Worker("/commits_bench.js", { type: "module" });
    worker.postMessage({ ...asked, path: "bench" });
    return new Promise<Times | string>((go) => {
      worker.onmessage = ({ data }) => go(data);
    });
  }, amount);
  if (typeof found === "string") throw new Error(found);
  return found;
}

async function main(): Promise<number> {
  if (chromiumPath === undefined) return 1;
  const amount: CommitBench = {
    commits: Number(values.commits),
    writes: Number(values.writes),
    valueBytes: 32,
  };
  const all = { files: [] as number[], chromium: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const [files, chromium] = [await onFiles(amount), await inChromium(amount)];
    all.files.push(...files.commits);
    all.chromium.push(...chromium.commits);
    console.error(
      `checkpoint: ${files.checkpoint.toFixed(0)} ms on files, ` +
        `${chromium.checkpoint.toFixed(0)} ms on OPFS`,
    );
  }
  const files = median(all.files), chromium = median(all.chromium);
  const ratio = chromium / files;
  console.log(
    `commit of ${amount.writes} writes: ${
      files.toFixed(1)
    } ms on Deno files, ` +
      `${chromium.toFixed(1)} ms on OPFS in Chromium, ratio ` +
      `${ratio.toFixed(2)} (at most ${RATIO_MAX})`,
  );
  return ratio <= RATIO_MAX ? 0 : 1;
}

Deno.exitCode = await main();
