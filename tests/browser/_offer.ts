// This module is browser compatible.
//
// Browser side of `_suite.ts`: an entry point offers its tests, on a page or in a
// dedicated worker.

import "./port/deno.ts";

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

/** Offers tests, from a page or from a worker that `entries/host.ts` starts. */
export function offer(tests: readonly BrowserTest[]): void {
  const names = tests.map(({ name }) => name);
  if (globals.document !== undefined) {
    globals.offered = {
      names: () => names,
      run: (index) => attempt(tests[index]),
    };
    return;
  }
  globals.addEventListener("message", async ({ data }) => {
    globals.postMessage(await attempt(tests[data]));
  });
  globals.postMessage(names);
}

/** Offers what the worker at a path offers. */
export async function offerFrom(path: string): Promise<void> {
  const worker = new Worker(path + globalThis.location.search, {
    type: "module",
  });
  const next = <T>(): Promise<T> =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
  const names = await next<string[]>();
  globals.offered = {
    names: () => names,
    run(index) {
      worker.postMessage(index);
      return next<Failure | undefined>();
    },
  };
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
