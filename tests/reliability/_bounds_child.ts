// Work whose memory is measured in a process of its own. Arguments: what to do,
// and a directory. Prints one line of JSON.

import { open, type Stemma } from "../../mod.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import { memoryBackend } from "../../mod.ts";

const MIB = 1 << 20;

/** Most memory that the process ever had, in bytes. */
function peakBytes(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)![1]);
}

/** The n-th key: 32 bytes spread evenly. */
function keyOf(n: number, key: Uint8Array): Uint8Array {
  const view = new DataView(key.buffer);
  view.setUint32(0, Math.imul(n + 1, 0x9e3779b1));
  view.setUint32(4, n);
  return key;
}

/** One commit of four times the cache's bytes. */
async function large(directory: string): Promise<unknown> {
  const cacheBytes = 32 * MIB, valueBytes = 220;
  const db = await open(denoFs(directory), { cacheBytes });
  const before = peakBytes();
  const key = new Uint8Array(32), value = new Uint8Array(valueBytes);
  const count = Math.ceil(4 * cacheBytes / (32 + valueBytes));
  using session = db.begin();
  for (let n = 0; n < count; n++) {
    value.fill(n);
    session.set(keyOf(n, key), value);
  }
  await session.prepare().commit();
  const during = peakBytes();
  await db.close();
  const again = await open(denoFs(directory), { cacheBytes });
  const last = again.get(keyOf(count - 1, key));
  const { sequence } = again.head;
  await again.close();
  const good = last?.length === valueBytes && sequence === 1;
  return { cacheBytes, before, during, after: peakBytes(), good };
}

async function commits(
  db: Stemma,
  from: number,
  to: number,
): Promise<Record<string, number>> {
  const key = new Uint8Array(32);
  let pageFileSize = 0;
  for (let n = from; n < to; n++) {
    using session = db.begin();
    for (let k = 0; k < 8; k++) {
      const id = (13 * n + 31 * k) % 500;
      if ((n + k) % 7 === 0) session.delete(keyOf(id, key));
      else session.set(keyOf(id, key), new Uint8Array(40 + (n % 50) * k));
    }
    if (n % 3 === 0) {
      using other = db.begin();
      other.set(keyOf(n % 500, key), new Uint8Array(9));
      using dropped = other.prepare();
      using snapshot = db.snapshot();
      snapshot.has(dropped.root);
    }
    await session.prepare().commit();
    // It grows for long runs of pages and shrinks again.
    pageFileSize = Math.max(pageFileSize, db.metrics().pageFileSize);
  }
  await db.checkpoint();
  await db.checkpoint();
  (globalThis as unknown as { gc(): void }).gc();
  const { logSize, liveVersions, pageFileFree } = db.metrics();
  const { heapUsed, external } = Deno.memoryUsage();
  const heap = heapUsed + external;
  return { heap, pageFileSize, logSize, liveVersions, pageFileFree };
}

/** Ten thousand commits, measured on the way and at the end. */
async function many(): Promise<unknown> {
  const db = await open(memoryBackend(), {
    cacheBytes: 4 * MIB,
    segmentBytes: 1 << 14,
    history: { commits: 20 },
    checkpoint: { commits: 100 },
  });
  const early = await commits(db, 0, 2000);
  const late = await commits(db, 2000, 10_000);
  await db.close();
  return { early, late };
}

const [what, directory] = Deno.args;
const result = what === "large" ? await large(directory) : await many();
console.log(JSON.stringify(result));
