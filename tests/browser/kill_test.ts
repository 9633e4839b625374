// Ends the whole browser, the renderer, the tab and the worker in the middle of
// commits: what opens afterwards is a state that was acknowledged, or the one
// commit behind it.

import type { Page } from "npm:playwright-core@^1";
import { assert, assertEquals } from "@std/assert";
import { amount, random } from "../_amount.ts";
import { chromiumPath, launch, removeProfile } from "./_chromium.ts";
import type { Remains } from "./entries/victim.ts";
import { type Handler, serve, type Site } from "./_serve.ts";

const KILLS = Math.min(amount(5), 200);
const ENDS = Math.min(amount(3), 30);
const PATH = "victim";

const draw = random("kills");

/** What the page has as globals. */
interface Globals {
  victim: {
    start(path: string): void;
    inspect(path: string): Promise<Remains>;
    end(): void;
  };
}

/** Hears of every commit before it starts and after it is acknowledged. */
class Witness {
  started = 0;
  acknowledged = 0;
  #waiting: (() => void)[] = [];

  readonly handler: Handler = (request) => {
    const told = /\/tell\/(\w+)\/(\d+)$/.exec(request.url);
    if (told === null) return undefined;
    const sequence = Number(told[2]);
    if (told[1] === "started") this.started = sequence;
    else this.acknowledged = sequence;
    for (const go of this.#waiting.splice(0)) go();
    return new Response();
  };

  /** Waits for some commits, then for a moment within the next. */
  async moment(): Promise<void> {
    const wanted = this.acknowledged + 1 + draw.int(6);
    while (this.acknowledged < wanted) {
      await new Promise<void>((go) => this.#waiting.push(go));
    }
    await new Promise((go) => setTimeout(go, draw.real() * 15));
  }

  /** Compares what is left with what was heard. */
  check({ sequence, root, expected }: Remains): void {
    const bounds = `${this.acknowledged} ≤ ${sequence} ≤ ${this.started}`;
    assert(this.acknowledged <= sequence && sequence <= this.started, bounds);
    assertEquals(root, expected, bounds);
  }
}

async function victimOf(
  site: Site,
  context: { newPage(): Promise<Page> },
): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${site.origin}/victim`);
  await page.waitForFunction(() => "victim" in globalThis);
  return page;
}

function inspect(page: Page): Promise<Remains> {
  return page.evaluate(
    (path) => (globalThis as unknown as Globals).victim.inspect(path),
    PATH,
  );
}

async function startWriting(page: Page): Promise<void> {
  await page.evaluate(
    (path) => (globalThis as unknown as Globals).victim.start(path),
    PATH,
  );
}

Deno.test({
  name:
    `open() finds every acknowledged commit after ${KILLS} kills of Chromium`,
  ignore: chromiumPath === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const witness = new Witness();
    await using site = serve(witness.handler);
    const profile = await Deno.makeTempDir({ prefix: "stemma-kill-" });
    try {
      for (let i = 0; i < KILLS; i++) {
        await using browser = await launch({ profile });
        const page = await victimOf(site, browser.context);
        if (i > 0) witness.check(await inspect(page));
        await startWriting(page);
        await witness.moment();
        await browser.kill();
      }
      await using browser = await launch({ profile });
      witness.check(await inspect(await victimOf(site, browser.context)));
    } finally {
      await removeProfile(profile);
    }
  },
});

const ENDINGS: Record<string, (page: Page) => Promise<void>> = {
  "its renderer crashed": async (page) => {
    const devtools = await page.context().newCDPSession(page);
    const crashed = new Promise((go) => page.once("crash", go));
    devtools.send("Page.crash").catch(() => {});
    await crashed;
    await page.close();
  },
  "its tab was closed": (page) => page.close(),
  "its worker was terminated": (page) =>
    page.evaluate(() => (globalThis as unknown as Globals).victim.end()),
};

Deno.test({
  name: "open() finds every acknowledged commit after an owner's end",
  ignore: chromiumPath === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const witness = new Witness();
    await using site = serve(witness.handler);
    await using browser = await launch();
    for (const [name, end] of Object.entries(ENDINGS)) {
      await t.step(`when ${name}, ${ENDS} times`, async () => {
        for (let i = 0; i < ENDS; i++) {
          const page = await victimOf(site, browser.context);
          await startWriting(page);
          await witness.moment();
          await end(page);
          const next = await victimOf(site, browser.context);
          witness.check(await inspect(next));
          await next.close();
          if (!page.isClosed()) await page.close();
        }
      });
    }
  },
});
