// Runs a list of tests inside Chromium, each as a step of a Deno test: the page
// loads the entry point, which offers its tests (see `_offer.ts`), and each is
// called by its number so that failures arrive under their own names.

import type { Page } from "npm:playwright-core@^1";
import { scale, seed } from "../_amount.ts";
import { type Browser, chromiumPath, launch } from "./_chromium.ts";
import { type Handler, serve, type Site } from "./_serve.ts";
import type { Failure, Offered } from "./_offer.ts";

/**
 * Where an entry point runs: a page, one with a strict policy, one that is not
 * isolated, a worker.
 */
export type Where = "page" | "strict" | "plain" | "worker";

/** A browser does at most this many times the usual amount. */
const SCALE_MAX = 10;
/** At the usual amount, where the longest takes less than half of one. */
const STEP_MINUTES_MAX = 5;

/** What a browser test works with. */
export interface Stage {
  readonly browser: Browser;
  readonly site: Site;
  /**
   * A page that has loaded an entry point, itself or in a worker; `factor` times
   * the usual amount is done.
   */
  load(entry: string, where?: Where, factor?: number): Promise<Page>;
}

/** Registers a test with a browser and a server of its own. */
export function browserTest(
  name: string,
  run: (stage: Stage, t: Deno.TestContext) => Promise<void>,
  handler?: Handler,
): void {
  Deno.test({
    name,
    ignore: chromiumPath === undefined,
    // The browser's driver keeps pipes and timers for as long as it lives.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      await using site = serve(handler);
      await using browser = await launch();
      await run({ browser, site, load: loader(browser, site) }, t);
    },
  });
}

/** How pages of a site are loaded in a browser. */
export function loader(
  browser: Browser,
  site: Site,
): Stage["load"] {
  return async (entry, where = "page", factor = 1) => {
    const page = await browser.context.newPage();
    page.on("pageerror", (error) => console.log(`${entry}: ${error.stack}`));
    page.on("console", (message) => {
      if (message.type() === "error") {
        console.log(`${entry}: ${message.text()}`);
      }
    });
    const path = where === "page" ? entry : `${where}/${entry}`;
    const query = `seed=${seed}&scale=${Math.min(scale, SCALE_MAX) * factor}`;
    await page.goto(`${site.origin}/${path}?${query}`);
    await page.waitForFunction(() => "offered" in globalThis);
    return page;
  };
}

/** Runs every test that a page offers as a step. */
export async function runOffered(
  page: Page,
  t: Deno.TestContext,
): Promise<void> {
  const names = await page.evaluate(() =>
    (globalThis as unknown as Offered).offered.names()
  );
  if (names.length === 0) throw new Error("The page offers no test");
  for (const [index, name] of names.entries()) {
    await t.step(name, async () => {
      const failure = await withinLimit(page.evaluate(
        (i) => (globalThis as unknown as Offered).offered.run(i),
        index,
      ));
      if (failure !== undefined) throw asError(failure);
    });
  }
}

/** A test that hangs fails under its own name; the others go on. */
async function withinLimit<T>(running: Promise<T>): Promise<T> {
  const minutes = STEP_MINUTES_MAX * Math.min(Math.max(1, scale), SCALE_MAX);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Still running after ${minutes} minutes`)),
      minutes * 60_000,
    );
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}

function asError({ name, message, stack }: Failure): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = stack;
  return error;
}
