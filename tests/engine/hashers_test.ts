// Whatever computes the hashes, a store has the same roots, witnesses and proofs.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { sha256 } from "@noble/hashes/sha2.js";
import {
  type HashtreeModule,
  memoryBackend,
  open,
  type OpenOptions,
} from "../../mod.ts";
import { UnsupportedError } from "../../backends/errors.ts";
import { random } from "../_amount.ts";
import { drawEntries, drawValue } from "../oracle/mod.ts";
import { CHEAP, commit, SCHEMES, type Write } from "./_store.ts";

/** Does what the add-on does. */
const standIn: HashtreeModule = {
  hashInto(input, output) {
    for (let i = 0; i < input.length / 64; i++) {
      output.set(sha256(input.subarray(64 * i, 64 * i + 64)), 32 * i);
    }
  },
};

/** Gives other hashes. */
const wrong: HashtreeModule = {
  hashInto: (_input, output) => void output.fill(1),
};

/** The native add-on, if there is one for this system. */
async function addOn(): Promise<HashtreeModule | undefined> {
  try {
    return await import("npm:@chainsafe/hashtree@^1.0.2");
  } catch (error) {
    console.log(`@chainsafe/hashtree is not there: ${error}`);
    return undefined;
  }
}

/** Roots of a store after each of some commits, and what hashed for it. */
async function rootsWith(
  options: OpenOptions,
  batches: readonly Write[][],
): Promise<[engine: string, roots: string[], hashes: number]> {
  await using db = await open(memoryBackend(), options);
  const roots: string[] = [], before = db.metrics().hashes;
  for (const batch of batches) {
    await commit(db, batch);
    roots.push(db.root.toHex());
  }
  const { hasher, hashes } = db.metrics();
  return [hasher, roots, hashes - before];
}

for (const name of Object.keys(SCHEMES)) {
  Deno.test(`every hasher gives the same roots under ${name}`, async () => {
    const scheme = SCHEMES[name], draw = random(`hashers ${name}`);
    const isSha = scheme.hashName === "sha256";
    const state = drawEntries(name, "mixed", 1500, draw);
    const batches = [
      state,
      ...[1, 2, 3].map(() =>
        state.filter(() => draw.chance(0.3)).map(([key]): Write => [
          key,
          draw.chance(0.2) ? undefined : drawValue(name, draw),
        ])
      ),
    ];
    const plain = await rootsWith({ scheme, hasher: "js" }, batches);
    const [, wanted, least] = plain;
    assertEquals(plain[0], "js");
    const check = async (engine: string, options: OpenOptions) => {
      const [found, roots, hashes] = await rootsWith(options, batches);
      assertEquals([found, roots], [engine, wanted]);
      // What a kernel leaves is done after it, and the path to that is hashed again.
      const more = hashes / least;
      assert(more >= 1 && more < 1.04, `${engine}: ${more} times the hashes`);
    };
    await check("wasm-simd", { scheme, hasher: "wasm" });
    const modules: [HashtreeModule | undefined, boolean][] = [
      [standIn, true],
      [await addOn(), true],
      [wrong, false],
      [undefined, false],
    ];
    for (const [hashtree, isRight] of modules) {
      for (const hasher of ["js", "auto"] as const) {
        const isUsed = hashtree !== undefined && isRight && isSha;
        const engine = hasher === "js" ? "js" : "wasm-simd";
        const options = { scheme, hasher, hashtree };
        await check(isUsed ? "hashtree" : engine, options);
      }
    }
  });
}

for (const name of ["nomt-sha256", "jam-blake2b", "eip7864-sha256"]) {
  Deno.test(`large pages have the same roots under ${name}`, async () => {
    const scheme = SCHEMES[name], draw = random(`large pages ${name}`);
    // Sixteen pages have more nodes than the kernels take at a time.
    const batches = [drawEntries(name, "random", 8000, draw)];
    const pageBytes = 32768;
    const [, wanted] = await rootsWith({ scheme, hasher: "js" }, batches);
    assertEquals(
      (await rootsWith({ scheme, hasher: "wasm", pageBytes }, batches))[1],
      wanted,
    );
  });
}

Deno.test("open() refuses kernels for a hash that has none", async () => {
  const options = { scheme: CHEAP.nomt, hasher: "wasm" } as const;
  await assertRejects(() => open(memoryBackend(), options), UnsupportedError);
});
