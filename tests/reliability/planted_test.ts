// Every planted bug is found by the tests that claim to find its kind: the same
// drivers run with one switch on until a promise is broken.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryBackend, open } from "../../mod.ts";
import { CorruptError, ExistenceError } from "../../src/errors.ts";
import { type Fault, FAULTS } from "../../src/store/faults.ts";
import { cheapHash, cheapScheme } from "../../src/testing/cheap_scheme.ts";
import { simulated } from "../../backends/simulated.ts";
import { random, seed } from "../_amount.ts";
import { loseSlots } from "./_damage.ts";
import { explore, fixStoreIds } from "./_explore.ts";
import { countCalls, type Kind, survive } from "./_failing.ts";
import { type StoreOptions, tinyOptions, Violation } from "./_run.ts";
import { type NamedWorkload, workloads } from "./_workloads.ts";

const SEEDS_MAX = 20;

function withFault(fault: Fault, work: NamedWorkload): StoreOptions {
  const faults = { [FAULTS]: new Set([fault]) };
  return { ...tinyOptions(cheapScheme), ...work.options, ...faults };
}

/** Whether losing power shows the bug. */
async function foundByPowerLoss(
  fault: Fault,
  works: readonly NamedWorkload[],
): Promise<boolean> {
  for (let n = 0; n < SEEDS_MAX; n++) {
    for (const work of works) {
      const options = withFault(fault, work);
      try {
        await explore(work, {
          seed: seed + n,
          options,
          directory: "sync",
          asyncFlush: n % 2 === 1,
          perCall: 8,
          nestedOneIn: 8,
        });
      } catch (error) {
        if (error instanceof Violation) return true;
        throw error;
      }
    }
  }
  return false;
}

/** Whether failing calls show the bug. */
async function foundByFailures(
  fault: Fault,
  kind: Kind,
  works: readonly NamedWorkload[],
): Promise<boolean> {
  const undo = fixStoreIds(seed);
  try {
    for (const work of works) {
      const program = { work, options: withFault(fault, work), seed };
      const calls = await countCalls(program);
      for (let at = 1; at <= calls; at++) {
        await survive({ ...program, at, kind, sticky: false });
      }
    }
    return false;
  } catch {
    return true;
  } finally {
    undo();
  }
}

const BY_POWER_LOSS: Partial<Record<Fault, readonly NamedWorkload[]>> = {
  "no-log-flush": workloads("commits of one key"),
  "header-before-log": workloads("relaxed"),
  "header-before-page-flush": workloads("checkpoints on demand"),
  "single-header-slot": workloads("checkpoints on demand"),
  "torn-record-fatal": workloads("commits of several keys"),
  "rollback-record-after-publish": workloads("rollbacks"),
  "log-reclaimed-too-early": workloads(
    "log segments are used again",
    "checkpoints by log bytes",
  ),
};

for (const [fault, works] of Object.entries(BY_POWER_LOSS)) {
  Deno.test(`planted bug ${fault} is found by losing power`, async () => {
    assert(await foundByPowerLoss(fault as Fault, works));
  });
}

Deno.test(
  "planted bug reuse-pages-of-older-header is found by destroying a header",
  async () => {
    // What was flushed stays, so no power loss ever brings the older one back.
    const [work] = workloads("the page file shrinks");
    const sound = { ...tinyOptions(cheapScheme), ...work.options };
    await loseSlots(work.program, sound, seed);
    await assertRejects(() =>
      loseSlots(
        work.program,
        withFault("reuse-pages-of-older-header", work),
        seed,
      )
    );
  },
);

const BY_FAILURES: Partial<Record<Fault, Kind>> = {
  "ignored-write-result": "io",
  "short-write-not-looped": "short-write",
  "trust-after-failed-flush": "flush",
};

for (const [fault, kind] of Object.entries(BY_FAILURES)) {
  Deno.test(`planted bug ${fault} is found by failing calls`, async () => {
    const works = workloads("commits of one key", "checkpoints on demand");
    assert(await foundByFailures(fault as Fault, kind, works));
  });
}

Deno.test("planted bug replay-without-root-check is found by a replay that goes wrong", async () => {
  const backend = simulated();
  const options = tinyOptions(cheapScheme);
  const db = await open(backend, options);
  using session = db.begin();
  session.set(new Uint8Array(32), new Uint8Array(5));
  await session.prepare().commit();
  await db.abandon();

  // A computer that computes another root from the same log.
  const scheme = {
    ...cheapScheme,
    hash: (message: Uint8Array) => {
      const hash = cheapHash(message);
      hash[31] ^= 1;
      return hash;
    },
  };
  const image = [...backend.images()][0];
  await assertRejects(
    () => open(image.open(), { ...options, scheme }),
    CorruptError,
  );
  const faults = { [FAULTS]: new Set(["replay-without-root-check"]) };
  const wrong = await open(image.open(), { ...options, ...faults, scheme });
  await wrong.abandon();
});

Deno.test("planted bug create-in-foreign-directory is found by a foreign file", async () => {
  const backend = memoryBackend();
  await backend.open("letters.txt", { create: true });
  await assertRejects(() => open(backend), ExistenceError);
  const faults = { [FAULTS]: new Set(["create-in-foreign-directory"]) };
  const db = await open(backend, { hasher: "js", ...faults });
  await db.close();
});

/** Reads an older state, no page of which was written, behind checkpoints. */
async function readBehind(faults: readonly Fault[]): Promise<void> {
  const draw = random("behind"), planted = { [FAULTS]: new Set(faults) };
  const options = { ...tinyOptions(cheapScheme), ...planted };
  const db = await open(memoryBackend(), options);
  const change = async (keys: number): Promise<void> => {
    using session = db.begin();
    for (let i = 0; i < keys; i++) session.set(draw.bytes(32), draw.bytes(5));
    await session.prepare().commit();
  };
  await change(400);
  using snapshot = db.snapshot();
  const state = [...snapshot.entries()];
  await change(1);
  for (let i = 0; i < 3; i++) {
    await db.checkpoint();
    await change(100);
  }
  assertEquals([...snapshot.entries()], state);
  await db.close();
}

Deno.test("planted bug move-shared-pages is found by reading an older state", async () => {
  await readBehind([]);
  await assertRejects(() => readBehind(["move-shared-pages"]));
});
