// Small tools of everything that measures.

/** The middle of some numbers; 0 of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1
    ? sorted[half]
    : (sorted[half - 1] + sorted[half]) / 2;
}

/** Milliseconds that something takes. */
export async function clock(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/**
 * Clears away what making the input left behind, so that no store pays for it;
 * does nothing without the flag `--expose-gc`.
 */
export function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

/**
 * Copies a folder with everything in it, down to the disk: what a system has yet to
 * write slows down whoever writes next.
 */
export async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const source = `${from}/${name}`, copy = `${to}/${name}`;
    if (isDirectory) {
      await copyFolder(source, copy);
      continue;
    }
    await Deno.copyFile(source, copy);
    using file = await Deno.open(copy, { write: true });
    await file.sync();
  }
}

/** Waits for work in the background to end. */
export async function rest(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1000));
}

/** Has the system write what it still holds, where there is a command for that. */
export async function settleDisk(): Promise<void> {
  try {
    await new Deno.Command("sync").output();
  } catch {
    // Measured with a busy disk, then.
  }
}

/** Arguments with which Deno runs a program of the benchmark, told a value as JSON. */
export function programArguments(program: string, value: unknown): string[] {
  const root = new URL("..", import.meta.url).pathname;
  return [
    ...["run", "-A", "--no-lock", "--v8-flags=--expose-gc"],
    `--config=${root}deno.json`,
    program,
    JSON.stringify(value),
  ];
}
