// The benchmark itself: workloads are what they say, and a run at a tiny size,
// counts and reports.

import { assert, assertEquals } from "@std/assert";
import { describe as describeBar, holds } from "../../bench/bars/mod.ts";
import { describe, throughput } from "../../bench/report.ts";
import { type Report, run } from "../../bench/runner.ts";
import { STEMMA } from "../../bench/store_process.ts";
import {
  type Batch,
  workload,
  type WorkloadName,
  WORKLOADS,
} from "../../bench/workloads.ts";

const OPTIONS = {
  capacity: 8,
  size: 64,
  fresh: 25,
  reads: 50,
  deletes: 20,
  seed: 7,
};

async function report(
  name: WorkloadName,
  isIsolated: boolean,
): Promise<Report> {
  const directory = await Deno.makeTempDir();
  try {
    return await run({
      workload: name,
      options: OPTIONS,
      peers: [STEMMA, "node:sqlite", "nobody"],
      iterations: 2,
      isIsolated,
      directory,
      log: () => {},
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("workload() gives the same batches for the same seed", () => {
  for (const name of WORKLOADS) {
    const [a, b] = [workload(name, OPTIONS), workload(name, OPTIONS)];
    const first = a.iterations().next().value;
    assertEquals(first, b.iterations().next().value, name);
    assert(first.reads.length + first.keys.length > 0, name);
    assertEquals(first.keys.length, first.values.length);
  }
});

Deno.test("workload() loads 2^capacity distinct keys spread over the key space", () => {
  const keys = [...workload("randw", OPTIONS).load()].flatMap(({ keys }) =>
    keys
  );
  const distinct = new Set(keys.map((key) => key.toHex()));
  assertEquals(distinct.size, 256);
  const first = new Set(keys.map((key) => key[0]));
  assert(first.size > 128, "first bytes are spread");
});

Deno.test("workload() loads the same state in the order of its keys", () => {
  const work = workload("randw", OPTIONS);
  const entries = (batches: Iterable<Batch>): string[] =>
    [...batches].flatMap(({ keys, values }) =>
      keys.map((key, i) => `${key.toHex()} ${values[i]!.toHex()}`)
    );
  const inOrder = entries(work.loadInOrder!());
  assertEquals(inOrder, entries(work.load()).toSorted());
});

Deno.test("workload() keeps to its percentages", () => {
  const { value } = workload("randrw", { ...OPTIONS, size: 10_000 })
    .iterations().next();
  assert(Math.abs(value.reads.length - 5000) < 300);
  const deletes = value.values.filter((bytes) => bytes === undefined).length;
  assert(Math.abs(deletes - 750) < 150, `${deletes} deletes`);
});

Deno.test("jam values have the sizes that the bar asks for", () => {
  const sizes = [...workload("jam", { ...OPTIONS, seed: 1 }).load()]
    .flatMap(({ values }) => values.map((value) => value!.length))
    .sort((a, b) => a - b);
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  assert(Math.abs(sizes[sizes.length / 2] - 100) < 5);
  assert(mean > 300 && mean <= 1000, `mean ${mean}`);
  assertEquals(sizes.at(-1), 150_000);
});

for (const name of ["randrw", "ethereum"] as const) {
  Deno.test(`run() reports ${name} in sequence`, async () => {
    const result = await report(name, false);
    const [row, other] = result.rows;
    assertEquals(other.peer, "node:sqlite");
    assertEquals(other.operations, row.operations);
    assertEquals(result.absent, { nobody: "it is no peer" });
    assertEquals(row.commitTimes.length, 2);
    assert(row.details !== undefined && row.details.hashes > 0);
    assert(row.details.witnessBytes > 0 && row.details.proofBytes > 0);
    assert(throughput(row) > 0 && describe(result).includes("ops/s"));
  });
}

Deno.test("run() reports isolated iterations", async () => {
  const [row] = (await report("transfer", true)).rows;
  assertEquals(row.readTimes.length, 2);
  assertEquals(row.details, undefined);
});

Deno.test("holds() follows the bound and leaves out what was not measured", () => {
  const bar = {
    bar: 1,
    what: "commits",
    bound: 2,
    atLeast: true,
    unit: "x",
    note: "how",
  };
  assertEquals(holds({ ...bar, value: 2 }), true);
  assertEquals(holds({ ...bar, value: 3, atLeast: false }), false);
  assertEquals(holds({ ...bar, value: undefined }), undefined);
  assert(describeBar({ ...bar, value: 1 }).includes("SHORT"));
});
