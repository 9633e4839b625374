// The crash tests, cut into parts that run side by side: every workload with every
// seed, half of them without a directory sync or with asynchronous flushes; then
// the same with the schemes' real hashes.

import { assertGreaterOrEqual } from "@std/assert";
import { schemes } from "@stemma/verify";
import { cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { amount, seed } from "../_amount.ts";
import { explore, type ExploreOptions } from "./_explore.ts";
import { tinyOptions } from "./_run.ts";
import { type NamedWorkload, WORKLOADS } from "./_workloads.ts";

/** Parts that together make 100,000 different disks, as decisions.md, point 25, has them. */
const PARTS = 2;
const REAL_IMAGES_MIN = 10_000;
const CHEAP_IMAGES_MIN = 90_000;
const SEEDS = 12;
/** A large workload gets every third seed: still disks of all kinds. */
const LARGE_STEP = 3;
const PER_CALL = 4;
const NESTED_ONE_IN = 40;

/** How the n-th seed's disk behaves. */
function disk(
  n: number,
): Pick<ExploreOptions, "directory" | "asyncFlush" | "backgroundFlush"> {
  return {
    directory: n % 4 === 3 ? "opfs" : "sync",
    asyncFlush: n % 4 === 1 || n % 8 === 7,
    backgroundFlush: n % 2 === 0,
  };
}

/** Explores a workload under the test scheme. */
async function exploreCheap(work: NamedWorkload, n: number): Promise<number> {
  const { images } = await explore(work, {
    seed: seed + n,
    options: { ...tinyOptions(cheapScheme), ...work.options },
    ...disk(n),
    perCall: PER_CALL,
    nestedOneIn: NESTED_ONE_IN,
  });
  return images;
}

/** Registers one part of the crash tests. */
export function crashTests(part: number): void {
  const seeds = amount(SEEDS / PARTS);
  const first = part * seeds;
  let images = 0;

  for (const work of WORKLOADS) {
    Deno.test(`open() finds one state after power loss: ${work.name}`, async () => {
      const step = work.isLarge ? LARGE_STEP : 1;
      for (let n = first; n < first + seeds; n += step) {
        images += await exploreCheap(work, n);
      }
    });
  }

  Deno.test("open() was shown enough different disks", async () => {
    const least = amount(CHEAP_IMAGES_MIN) / PARTS;
    let n = PARTS * seeds + part;
    for (let i = 0; images < least; i++) {
      images += await exploreCheap(WORKLOADS[i % WORKLOADS.length], n);
      if (i % WORKLOADS.length === WORKLOADS.length - 1) n += PARTS;
    }
    console.log(`${images} different disks`);
    assertGreaterOrEqual(images, least);
  });

  Deno.test("open() finds one state after power loss, real hashes", async () => {
    const least = amount(REAL_IMAGES_MIN) / PARTS;
    const works = WORKLOADS.filter(({ isLarge }) => !isLarge);
    let real = 0;
    for (let i = 0; real < least; i++) {
      const n = i * PARTS + part;
      const work = works[(7 * n) % works.length];
      const scheme = schemes[n % schemes.length];
      const { images } = await explore(work, {
        seed: seed + n,
        options: { ...tinyOptions(scheme), ...work.options },
        ...disk(n),
        perCall: PER_CALL,
        nestedOneIn: NESTED_ONE_IN,
      });
      real += images;
    }
    console.log(`${real} different disks with real hashes`);
  });
}
