// This module is browser compatible.
//
// The few parts of `Deno` that the project's own tests use, for a dedicated
// worker: so the same test files run in a browser as they are. Imported before
// them; collects what they register.

import type { BrowserTest } from "../_offer.ts";
import { scale, seed } from "./settings.ts";

type Run = (t: Steps) => void | Promise<void>;

/** What a test is given. */
interface Steps {
  readonly name: string;
  step(name: string | Run, run?: Run): Promise<boolean>;
}

interface Definition {
  readonly name: string;
  readonly fn?: Run;
  readonly ignore?: boolean;
}

/** The tests that were registered. */
export const collected: BrowserTest[] = [];

function test(
  first: string | Definition,
  second?: Run | Omit<Definition, "name">,
  third?: Run,
): void {
  const given = typeof first === "string" ? { name: first } : first;
  const options = typeof second === "object" ? { ...given, ...second } : given;
  const run = third ?? (typeof second === "function" ? second : options.fn);
  if (run === undefined) throw new TypeError(`Test ${options.name} is empty`);
  if (options.ignore) return;
  collected.push({
    name: options.name,
    run: () => run(steps(options.name)),
  });
}

function steps(name: string): Steps {
  return {
    name,
    async step(stepName, run) {
      const call = typeof stepName === "function" ? stepName : run;
      await call?.(steps(String(stepName)));
      return true;
    },
  };
}

/** What a worker has of `XMLHttpRequest`; Deno's types know nothing of it. */
interface Request {
  responseType: string;
  readonly status: number;
  readonly response: ArrayBuffer;
  open(method: string, url: string, isAsync: boolean): void;
  send(): void;
}

class NotFound extends Error {}

/** Files of the repository that the server gives out, read at once. */
function readFileSync(url: URL): Uint8Array {
  const { XMLHttpRequest } = globalThis as unknown as {
    XMLHttpRequest: new () => Request;
  };
  const request = new XMLHttpRequest();
  request.open("GET", url.href, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new NotFound(`${url}: ${request.status}`);
  return new Uint8Array(request.response);
}

function statSync(): never {
  throw new NotFound("No file system here");
}

function inspect(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part) =>
      typeof part === "bigint"
        ? `${part}n`
        : part instanceof Uint8Array
        ? part.toHex()
        : part,
  ) ?? String(value);
}

const environment: Record<string, string> = {
  STEMMA_SEED: String(seed),
  STEMMA_SCALE: String(scale),
};

Object.assign(globalThis, {
  Deno: {
    test,
    readFileSync,
    statSync,
    inspect,
    env: { get: (name: string) => environment[name] },
    errors: { NotFound },
    build: { os: "browser" },
  },
});
