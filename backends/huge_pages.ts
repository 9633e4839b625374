/**
 * Huge pages for a store's cache, on Linux, from Deno. A commit touches thousands of
 * pages all over the cache, and for each of them the processor has to translate an
 * address; with huge pages it mostly knows the translation already.
 *
 * @module
 */

const MADV_HUGEPAGE = 14;
/** Bytes of a huge page on x86-64, and on ARM with small pages of 4 KiB. */
const HUGE_PAGE_BYTES = 1n << 21n;

/**
 * Asks the system to back a block of memory with huge pages. To be given to `open`
 * as `prepareMemory`. Where transparent huge pages are set to `always`, the system
 * does it unasked; where they are set to `never`, asking changes nothing.
 *
 * Needs `--allow-ffi`, and never prompts: without it, or on another system than
 * Linux with the GNU C library, nothing happens.
 *
 * @example Usage
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { hugePages } from "@stemma/db/backends/huge_pages";
 *
 * await using db = await open(memoryBackend(), { prepareMemory: hugePages });
 * ```
 *
 * @param memory The memory, not used so far.
 * @returns Whether the system took the advice.
 */
export function hugePages(memory: ArrayBufferLike): boolean {
  if (Deno.build.os !== "linux") return false;
  // A call without permission would prompt the user.
  const { state } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted") return false;
  const library = openLibrary();
  if (library === undefined) return false;
  try {
    const block = Deno.UnsafePointer.of(new Uint8Array(memory));
    const start = Deno.UnsafePointer.value(block);
    const from = (start + HUGE_PAGE_BYTES - 1n) & -HUGE_PAGE_BYTES;
    const to = (start + BigInt(memory.byteLength)) & -HUGE_PAGE_BYTES;
    const at = Deno.UnsafePointer.create(from);
    return to > from &&
      library.symbols.madvise(at, to - from, MADV_HUGEPAGE) === 0;
  } finally {
    library.close();
  }
}

function openLibrary() {
  try {
    return Deno.dlopen("libc.so.6", {
      madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },
    });
  } catch {
    return undefined;
  }
}
