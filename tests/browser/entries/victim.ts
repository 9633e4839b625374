// This module is browser compatible.
//
// A worker that commits until somebody ends it, telling the server before and
// after each commit, and that looks at what is left. A page starts it and hands
// it commands.

import { opfs } from "../../../backends/opfs.ts";
import { memoryBackend, open, type Stemma } from "../../../mod.ts";

/** Settings that make checkpoints come often and the log wrap around. */
const OPTIONS = {
  cacheBytes: 1 << 23,
  segmentBytes: 1 << 16,
  checkpoint: { commits: 3 },
  history: { commits: 4 },
} as const;

const WRITES = 300;

/** What is left of a store. */
export interface Remains {
  readonly sequence: number;
  readonly root: string;
  /** Root of as many commits in memory. */
  readonly expected: string;
}

const scope = globalThis as unknown as {
  document?: unknown;
  victim: {
    start(path: string): void;
    inspect(path: string): Promise<Remains>;
    end(): void;
  };
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
  XMLHttpRequest: new () => {
    open(method: string, url: string, isAsync: boolean): void;
    send(): void;
  };
};

/** Keys and values of commit number `n`: fresh ones and some of before. */
async function commit(db: Stemma, n: number): Promise<void> {
  using session = db.begin();
  for (let i = 0; i < WRITES; i++) {
    const key = new Uint8Array(32);
    const view = new DataView(key.buffer);
    const which = i % 3 === 0 ? i : n * WRITES + i;
    view.setUint32(0, Math.imul(which + 1, 0x9e3779b1));
    view.setUint32(4, which);
    if (i % 7 === 3) session.delete(key);
    else session.set(key, new Uint8Array(i % 200).fill(n));
  }
  await session.prepare().commit();
}

/** Tells the server and waits until it knows. */
function tell(what: string, sequence: number): void {
  const request = new scope.XMLHttpRequest();
  request.open("POST", `/tell/${what}/${sequence}`, false);
  request.send();
}

async function write(path: string): Promise<void> {
  const db = await open(opfs(path), OPTIONS);
  for (let n = db.head.sequence + 1;; n++) {
    tell("started", n);
    await commit(db, n);
    tell("acknowledged", n);
  }
}

async function inspect(path: string): Promise<Remains> {
  await using db = await open(opfs(path), OPTIONS);
  await db.check();
  const { sequence, root } = db.head;
  await using twin = await open(memoryBackend(), OPTIONS);
  for (let n = 1; n <= sequence; n++) await commit(twin, n);
  return { sequence, root: root.toHex(), expected: twin.root.toHex() };
}

function onPage(): void {
  let worker: Worker;
  const begin = (): void => {
    worker = new Worker("/victim.js", { type: "module" });
  };
  scope.victim = {
    start(path) {
      begin();
      worker.postMessage({ write: path });
    },
    inspect(path) {
      begin();
      worker.postMessage({ inspect: path });
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) =>
          typeof data === "string" ? reject(new Error(data)) : resolve(data);
      });
    },
    end: () => worker.terminate(),
  };
}

if (scope.document !== undefined) onPage();
else {
  scope.onmessage = async ({ data }) => {
    try {
      if (data.write !== undefined) await write(data.write);
      else scope.postMessage(await inspect(data.inspect));
    } catch (error) {
      scope.postMessage(String(error));
    }
  };
}
