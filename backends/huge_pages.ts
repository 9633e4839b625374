/**
 * Huge pages for a store's cache, on Linux, from Deno. A commit touches thousands of
 * pages all over the cache, and for each of them the processor has to translate an
 * address; with huge pages it mostly knows the translation already.
 *
 * @module
 */

const MADV_HUGEPAGE = 14;
/** Hands over all pages at once (Linux 5.14). */
const MADV_POPULATE_WRITE = 23;
/** Bytes of a huge page on x86-64, and on ARM with small pages of 4 KiB. */
const HUGE_PAGE_BYTES = 1n << 21n;

/** What {@linkcode hugePages} asks for besides huge pages. */
export interface HugePagesOptions {
  /**
   * Whether the system hands over the whole memory now, and not page by page as the
   * store comes to use it: opening takes longer by a tenth of a second a GiB, and by
   * seconds where a host has to find memory for a virtual machine, and commits no
   * longer wait for that. Systems that cannot do it change nothing.
   *
   * @default {false}
   */
  readonly populate?: boolean;
}

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
 * @example All of it at once
 * ```ts
 * import { memoryBackend, open } from "@stemma/db";
 * import { hugePages } from "@stemma/db/backends/huge_pages";
 *
 * await using db = await open(memoryBackend(), {
 *   prepareMemory: (memory) => hugePages(memory, { populate: true }),
 * });
 * ```
 *
 * @param memory The memory, not used so far.
 * @param options What else to ask for.
 * @returns Whether the system took the advice.
 */
export function hugePages(
  memory: ArrayBufferLike,
  options: HugePagesOptions = {},
): boolean {
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
    if (to <= from) return false;
    const at = Deno.UnsafePointer.create(from);
    const advise = (advice: number): boolean =>
      library.symbols.madvise(at, to - from, advice) === 0;
    const isTaken = advise(MADV_HUGEPAGE);
    return options.populate ? advise(MADV_POPULATE_WRITE) && isTaken : isTaken;
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
