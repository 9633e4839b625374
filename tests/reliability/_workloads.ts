// Small programs over a store, each of which leans on one part of it. All of
// them together touch everything that can be under way when the power fails.

import { memoryBackend, open } from "../../mod.ts";
import type { Pending, Run, StoreOptions } from "./_run.ts";

/** Steps of a program over a store. */
export type Workload = (run: Run) => Promise<void>;

/** A named program and how its store is opened. */
export interface NamedWorkload {
  readonly name: string;
  readonly options: Partial<StoreOptions>;
  readonly program: Workload;
  /** Large: fewer images at each call. */
  readonly isLarge: boolean;
}

/** How many commits a call of `repeat` makes, and with how many writes. */
async function repeat(
  run: Run,
  commits: number,
  writes: number,
): Promise<void> {
  for (let i = 0; i < commits; i++) await run.commit(run.writes(writes));
}

function workload(
  name: string,
  options: Partial<StoreOptions>,
  program: Workload,
  isLarge = false,
): NamedWorkload {
  const opened: Workload = async (run) => {
    await run.open();
    await program(run);
  };
  return { name, options, program: opened, isLarge };
}

/** The programs. */
export const WORKLOADS: readonly NamedWorkload[] = [
  workload("create, close, open", {}, async (run) => {
    await run.reopen();
    await run.commit(run.writes(1));
    await run.close();
  }),

  workload("commits of one key", {}, async (run) => {
    for (let i = 0; i < 6; i++) {
      await run.commit([[run.key(1), run.value(i)]]);
    }
  }),

  workload("commits of several keys", {}, (run) => repeat(run, 8, 5)),

  workload("many keys, then close", {}, async (run) => {
    await repeat(run, 3, 24);
    await run.close();
  }),

  workload("forks", {}, async (run) => {
    await run.commit(run.writes(3));
    for (let i = 0; i < 3; i++) {
      const [left, right] = [
        run.prepare(run.writes(3)),
        run.prepare(
          run.writes(2),
        ),
      ];
      const child = run.prepare(run.writes(2), right);
      await run.commitPending(right);
      if (i === 1) await run.checkpoint();
      await run.commitPending(child);
      left.prepared.discard();
    }
  }),

  workload("checkpoints on demand", {}, async (run) => {
    for (let i = 0; i < 4; i++) {
      await run.commit(run.writes(4));
      await run.checkpoint();
    }
    await run.commit(run.writes(2));
  }),

  workload(
    "checkpoints by count",
    { checkpoint: { commits: 2 } },
    (run) => repeat(run, 9, 3),
  ),

  workload(
    "checkpoints by log bytes",
    { checkpoint: { logBytes: 900 } },
    (run) => repeat(run, 9, 4),
  ),

  workload("rollbacks", {}, async (run) => {
    await repeat(run, 3, 3);
    await run.rollback(1);
    await run.commit(run.writes(3));
    await run.rollback(2);
    await run.commit(run.writes(2));
    await run.rollback(1);
  }),

  workload("rollbacks to nothing, across reopening", {}, async (run) => {
    await repeat(run, 2, 3);
    await run.rollback(1);
    await run.reopen();
    await run.commit(run.writes(2));
    await run.rollback(1);
    await run.rollback(1);
    await run.reopen();
  }),

  workload(
    "rollbacks to a root, over checkpoints",
    { checkpoint: { commits: 3 } },
    async (run) => {
      await repeat(run, 4, 3);
      await run.rollbackTo(run.tip.history[1]);
      await repeat(run, 2, 3);
      await run.rollbackTo(run.tip.history[0]);
      await run.close();
    },
  ),

  workload(
    "history of one commit",
    { history: { commits: 1 }, checkpoint: { commits: 2 } },
    async (run) => {
      await repeat(run, 4, 3);
      await run.rollback(1);
      await repeat(run, 3, 3);
      await run.reopen();
    },
  ),

  workload(
    "no history",
    { history: { commits: 0 }, checkpoint: { commits: 3 } },
    async (run) => {
      await repeat(run, 5, 4);
      await run.reopen();
      await repeat(run, 2, 3);
    },
  ),

  workload(
    "history bounded by bytes",
    { history: { commits: 20, bytes: 1500 }, checkpoint: { commits: 2 } },
    async (run) => {
      await repeat(run, 6, 4);
      await run.reopen();
      await repeat(run, 3, 4);
    },
  ),

  workload("closed after each commit", {}, async (run) => {
    for (let i = 0; i < 4; i++) {
      await run.commit(run.writes(3));
      await run.reopen();
    }
  }),

  workload("killed after each commit", {}, async (run) => {
    for (let i = 0; i < 5; i++) {
      await run.commit(run.writes(3));
      if (i === 3) await run.checkpoint();
      run.kill();
      await run.open();
    }
  }),

  workload("killed while commits wait", {
    durability: { everyCommits: 3 },
  }, async (run) => {
    for (let i = 0; i < 3; i++) {
      await repeat(run, 2, 2);
      run.kill();
      await run.open();
    }
    await run.commit(run.writes(2));
  }),

  workload("overflow values", {}, async (run) => {
    const { pageBytes = 512 } = run.options;
    for (let i = 0; i < 5; i++) {
      const length = [pageBytes - 1, pageBytes + 1, 3 * pageBytes, 130][i % 4];
      await run.commit([[run.key(i % 3), run.value(length)]]);
      if (i === 2) await run.checkpoint();
    }
    await run.commit([[run.key(1), undefined], [run.key(2), run.value(0)]]);
    await run.close();
  }),

  workload("deletes to nothing", {}, async (run) => {
    await run.commit([0, 1, 2, 3, 4].map((i) => [run.key(i), run.value(30)]));
    await run.checkpoint();
    await run.commit([0, 1, 2].map((i) => [run.key(i), undefined]));
    await run.commit([3, 4].map((i) => [run.key(i), undefined]));
    await run.checkpoint();
    await run.commit([]);
    await run.commit([[run.key(1), run.value(0)]]);
    await run.close();
  }),

  workload("relaxed", { durability: "relaxed" }, async (run) => {
    await repeat(run, 4, 3);
    await run.checkpoint();
    await repeat(run, 3, 3);
    await run.rollback(2);
    await run.reopen();
    await repeat(run, 2, 3);
  }),

  workload(
    "flushed every third commit",
    { durability: { everyCommits: 3 }, checkpoint: { commits: 4 } },
    (run) => repeat(run, 10, 3),
  ),

  workload("queued commits", {}, async (run) => {
    for (let i = 0; i < 3; i++) {
      const queue: Pending[] = [];
      for (let j = 0; j < 3; j++) {
        queue.push(run.prepare(run.writes(2), queue[j - 1]));
      }
      await Promise.all(queue.map((pending) => run.commitPending(pending)));
      if (i === 1) await run.checkpoint();
    }
  }),

  workload("the page file shrinks", {
    history: { commits: 1 },
  }, async (run) => {
    await run.commit([[run.key(1), run.value(6000)]]);
    await run.checkpoint();
    await run.commit([[run.key(1), run.value(10)]]);
    for (let i = 0; i < 4; i++) {
      await run.commit(run.writes(1, 3));
      await run.checkpoint();
    }
  }),

  workload(
    "log segments are used again",
    { history: { commits: 2 }, checkpoint: { logBytes: 1400 } },
    async (run) => {
      for (let i = 0; i < 12; i++) {
        await run.commit([[run.key(i % 4), run.value(300)]]);
      }
      await run.close();
    },
  ),

  workload("records over several segments", {}, async (run) => {
    for (let i = 0; i < 3; i++) {
      await run.commit([[run.key(i), run.value(2500)], ...run.writes(3)]);
    }
    await run.checkpoint();
    await run.rollback(2);
  }),

  workload("import", {}, async (run) => {
    const { scheme, pageBytes } = run.options;
    await using source = await open(memoryBackend(), {
      scheme,
      pageBytes,
      hasher: "js",
    });
    const writes = [0, 1, 2, 3, 5].map((i) =>
      [run.key(i), run.value(90 * i)] as const
    );
    using session = source.begin();
    for (const [key, value] of writes) session.set(key, value);
    const meta = run.draw.bytes(5);
    await session.prepare().commit({ meta });
    await run.importFrom(source.export(), writes, meta);
    await run.commit(run.writes(3));
    await run.close();
  }),

  workload("application data", {}, async (run) => {
    for (const length of [1, 4096, 0, 900]) {
      await run.commit(run.writes(1), run.draw.bytes(length));
      if (length === 4096) await run.checkpoint();
    }
    await run.rollback(2);
    await run.reopen();
  }),

  workload("snapshots outlive checkpoints", {
    history: { commits: 2 },
    checkpoint: { commits: 2 },
  }, async (run) => {
    await repeat(run, 2, 5);
    using first = run.db.snapshot();
    await repeat(run, 2, 5);
    using second = run.db.snapshot(run.tip.history[0].root);
    await repeat(run, 3, 5);
    first.close();
    await repeat(run, 2, 5);
    second.close();
    await run.reopen();
    await repeat(run, 2, 3);
  }),

  workload("one root, two commits", {}, async (run) => {
    const key = run.key(1), one = run.value(9), two = run.value(9);
    for (let i = 0; i < 3; i++) {
      await run.commit([[key, one]]);
      await run.commit([[key, two]]);
    }
    await run.rollbackTo(run.tip.history[1]);
    await run.commit([[key, one]]);
  }),

  workload(
    "prepared and dropped",
    { checkpoint: { commits: 3 } },
    async (run) => {
      for (let i = 0; i < 5; i++) {
        const dropped = run.prepare(run.writes(6));
        run.prepare(run.writes(6), dropped).prepared.discard();
        await run.commit(run.writes(2));
        dropped.prepared.discard();
      }
    },
  ),

  workload("more dirty pages than memory", {
    history: { commits: 2 },
  }, async (run) => {
    await run.commit(
      Array.from({ length: 220 }, (_, k) => [run.key(k), run.value(20)]),
    );
    await run.commit(
      Array.from({ length: 40 }, (_, k) => [run.key(5 * k), run.value(9)]),
    );
    await run.close();
  }, true),
];

/** The workloads of these names. */
export function workloads(...names: string[]): NamedWorkload[] {
  return names.map((name) => {
    const found = WORKLOADS.find((one) => one.name === name);
    if (found === undefined) throw new RangeError(`No workload ${name}`);
    return found;
  });
}

/**
 * The workload in a process that is killed at a call, and another process after it
 * that goes on from what the first one left unflushed in the machine's cache.
 */
export function killedAt(work: NamedWorkload, call: number): NamedWorkload {
  return {
    ...work,
    name: `${work.name}, killed at call ${call}`,
    program: async (run) => {
      run.dieAt(call);
      // Whatever it comes to: the process is dead.
      await work.program(run).catch(() => {});
      run.kill();
      await run.open();
      await run.goOn(3);
      await run.close();
    },
  };
}
