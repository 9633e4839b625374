// Huge pages change where memory lies and nothing else; without permission nothing is
// asked and nobody is prompted.

import { assert, assertEquals } from "@std/assert";
import { hugePages } from "../../backends/huge_pages.ts";
import { memoryBackend, open } from "../../mod.ts";
import { random } from "../_amount.ts";
import { commit, type Write } from "../engine/_store.ts";

/** Bytes of a huge page, times enough to hold one wherever the block begins. */
const BLOCK_BYTES = 16 << 20;

/** The setting of the system, or `undefined` where there is none. */
function setting(): string | undefined {
  try {
    const path = "/sys/kernel/mm/transparent_hugepage/enabled";
    return Deno.readTextFileSync(path).match(/\[(\w+)\]/)?.[1];
  } catch {
    return undefined;
  }
}

/** Bytes of this process in huge pages. */
function hugeBytes(): number {
  const rollup = Deno.readTextFileSync("/proc/self/smaps_rollup");
  return 1024 * Number(rollup.match(/AnonHugePages:\s*(\d+)/)![1]);
}

Deno.test({
  name: "hugePages() gives a block huge pages where the system has them",
  ignore: setting() !== "madvise",
  fn() {
    const before = hugeBytes();
    const memory = new WebAssembly.Memory({ initial: BLOCK_BYTES >> 16 });
    assert(hugePages(memory.buffer));
    new Uint8Array(memory.buffer).fill(1);
    assert(hugeBytes() - before >= BLOCK_BYTES / 2, "none was used");
  },
});

Deno.test({
  name: "hugePages() has the system hand over a whole block when it is to",
  ignore: setting() !== "madvise",
  fn() {
    const before = hugeBytes();
    const memory = new WebAssembly.Memory({ initial: BLOCK_BYTES >> 16 });
    assert(hugePages(memory.buffer, { populate: true }));
    assert(hugeBytes() - before >= BLOCK_BYTES / 2, "nothing is there");
    assert(new Uint8Array(memory.buffer).every((byte) => byte === 0));
  },
});

Deno.test("hugePages() refuses a block too small for one", () => {
  assert(!hugePages(new ArrayBuffer(4096)));
});

Deno.test("hugePages() does nothing and asks nobody without --allow-ffi", async () => {
  const child = new URL("_huge_pages_child.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", child.pathname],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), "false");
});

Deno.test("open() gives the same root with and without huge pages", async () => {
  const draw = random("huge pages");
  const writes: Write[] = Array.from(
    { length: 5000 },
    () => [draw.bytes(32), draw.bytes(32)],
  );
  const roots = [];
  for (const threads of [1, 2] as const) {
    for (const prepareMemory of [undefined, hugePages]) {
      const options = { threads, prepareMemory };
      await using db = await open(memoryBackend(), options);
      await commit(db, writes);
      roots.push(db.root.toHex());
      assertEquals(db.get(writes[9][0]), writes[9][1]);
    }
  }
  assertEquals(new Set(roots).size, 1);
});
