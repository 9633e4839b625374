// The main job in one go: Ethereum's mainnet genesis in a store on files, with
// proofs, a block and its witness, a reopening and a rollback; then the same
// data under a second scheme, side by side.
//
//   deno task demo [--dir DIRECTORY]

import { parseArgs } from "node:util";
import { StemmaError } from "@stemma/verify";
import { chapter, dim, row, short, size, time } from "./_print.ts";
import { fromHex, mainnetGenesis } from "./_genesis.ts";
import { type Report, tour } from "./_run.ts";

const SCHEMES = ["eip7864-sha256", "nomt-blake3"] as const;

/** First used in 2015, so not in the allocation. */
const STRANGER = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045";

const HELP = `Ethereum's mainnet genesis in a Stemma store.

deno task demo [--dir DIRECTORY]

  --dir DIRECTORY  keep the stores there; a temporary directory otherwise
  --help           this text`;

async function demo(directory: string): Promise<void> {
  const accounts = mainnetGenesis();
  const stranger = fromHex(STRANGER);
  const reports: Report[] = [];
  for (const schemeName of SCHEMES) {
    const about = { schemeName, directory: `${directory}/${schemeName}` };
    reports.push(await tour({ ...about, accounts, stranger }));
    console.log();
  }
  compare(reports);
}

function compare([left, right]: readonly Report[]): void {
  const both = (label: string, text: (report: Report) => string): void =>
    row(label, text(left), text(right));
  chapter("Side by side");
  row("", SCHEMES[0], SCHEMES[1]);
  both("genesis root", (r) => short(r.genesisRoot).slice(0, 12) + "…");
  both("commit of genesis", (r) => time(r.loadMs));
  both("store on disk", (r) => size(r.storeBytes));
  both("proof of a balance", (r) => size(r.proofBytes));
  both("proof of absence", (r) => size(r.absenceBytes));
  both("verified in", (r) => time(r.verifyMs));
  both("block, durable", (r) => time(r.blockMs));
  both("witness of the block", (r) => size(r.witnessBytes));
  both("witness checked in", (r) => time(r.witnessMs));
  both("open", (r) => time(r.openMs));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { dir: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const directory = values.dir ??
    await Deno.makeTempDir({ prefix: "stemma-demo-" });
  try {
    if (values.dir !== undefined) {
      await Deno.mkdir(directory, { recursive: true });
    }
    await demo(directory);
    if (values.dir !== undefined) console.log(dim(`\nkept in ${directory}`));
    return 0;
  } catch (error) {
    if (!(error instanceof StemmaError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    return 1;
  } finally {
    if (values.dir === undefined) {
      await Deno.remove(directory, { recursive: true });
    }
  }
}

if (import.meta.main) Deno.exitCode = await main();
