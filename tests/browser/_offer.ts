// This module is browser compatible.
//
// Browser side of `_suite.ts`: an entry point offers its tests, from the page or
// from a dedicated worker that the page starts with the same script.

/** A test by name. */
export interface BrowserTest {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/** What is left of an error when it crosses from one world to another. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** What a page that offers tests has as globals. */
export interface Offered {
  offered: {
    names(): string[] | Promise<string[]>;
    run(index: number): Promise<Failure | undefined>;
  };
}

const globals = globalThis as unknown as Offered & {
  document?: unknown;
  postMessage(message: unknown): void;
  addEventListener(
    type: "message",
    listen: (event: MessageEvent) => void,
  ): void;
};

/** Number of this run and how much it does, from the page's address. */
export const settings: { seed: number; scale: number } = readSettings();

function readSettings(): { seed: number; scale: number } {
  const { searchParams } = new URL(globalThis.location.href);
  return {
    seed: Number(searchParams.get("seed") ?? 1),
    scale: Number(searchParams.get("scale") ?? 1),
  };
}

/** Whether this script runs as a page's, not as a worker's. */
export const isPage: boolean = globals.document !== undefined;

/** Offers tests that run on the page. */
export function offer(tests: readonly BrowserTest[]): void {
  globals.offered = {
    names: () => tests.map(({ name }) => name),
    run: (index) => attempt(tests[index]),
  };
}

/** Offers tests that run in a dedicated worker with the same script. */
export function offerInWorker(tests: readonly BrowserTest[]): void {
  if (!isPage) {
    serveTests(tests);
    return;
  }
  const worker = new Worker(ownScript(), { type: "module" });
  const ask = <T>(message: unknown): Promise<T> =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(message);
    });
  globals.offered = {
    names: () => ask<string[]>("names"),
    run: (index) => ask<Failure | undefined>(index),
  };
}

/** Address of the running script with the page's settings. */
export function ownScript(): string {
  const { search, pathname } = globalThis.location;
  return `${pathname.replace(/^\/strict/, "")}.js${search}`;
}

function serveTests(tests: readonly BrowserTest[]): void {
  globals.addEventListener("message", async ({ data }) => {
    globals.postMessage(
      data === "names"
        ? tests.map(({ name }) => name)
        : await attempt(tests[data]),
    );
  });
}

async function attempt(test: BrowserTest): Promise<Failure | undefined> {
  try {
    await test.run();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) {
      return { name: "Error", message: String(error), stack: "" };
    }
    const { name, message, stack } = error;
    return { name, message, stack: stack ?? "" };
  }
}
