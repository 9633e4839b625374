// The demo page in Chromium, on a desktop and on a phone, light and dark: all of
// its buttons, its size, its names for screen readers, and the keyboard. Pictures
// are left in STEMMA_ARTEFACTS, or in a temporary directory that is printed.

import type { Page } from "npm:playwright-core@^1";
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  build,
  PAGE_BYTES_MAX,
  pageBytes,
  siteHandler,
} from "../../demo/web/build.ts";
import { chromiumPath, launch, type LaunchOptions } from "./_chromium.ts";

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

const files = chromiumPath === undefined ? new Map() : await build();
const pictures = Deno.env.get("STEMMA_ARTEFACTS") ??
  await Deno.makeTempDir({ prefix: "stemma-demo-" });

/** A page of the demo; anything that it logs as an error fails the test. */
async function withDemo(
  options: LaunchOptions,
  run: (page: Page) => Promise<void>,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    siteHandler(files),
  );
  try {
    await using browser = await launch(options);
    const page = await browser.context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await ready(page);
    await run(page);
    assertEquals(errors, []);
  } finally {
    await server.shutdown();
  }
}

async function ready(page: Page): Promise<void> {
  await page.waitForSelector("html[data-ready]", { state: "attached" });
  await page.waitForSelector("#genesis-reset:enabled");
}

/** Clicks and waits until the page is ready for the next thing. */
async function press(page: Page, id: string): Promise<void> {
  await page.click(`#${id}`);
  await page.waitForSelector("#genesis-reset:enabled");
}

async function picture(page: Page, name: string): Promise<void> {
  await page.evaluate(() =>
    (globalThis as unknown as { scrollTo(x: number, y: number): void })
      .scrollTo(0, 0)
  );
  await page.waitForTimeout(700);
  const path = `${pictures}/${name}.png`;
  await page.screenshot({ path, fullPage: true });
  console.log(`picture: ${path}`);
}

/** Whether anything is wider than the screen. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = (globalThis as unknown as {
      document: {
        documentElement: { scrollWidth: number; clientWidth: number };
      };
    }).document.documentElement;
    return scrollWidth - clientWidth;
  });
}

async function tour(page: Page): Promise<void> {
  await press(page, "genesis-load");
  assert((await page.innerText("#genesis-note")).startsWith("8,893 accounts"));
  await press(page, "account-look");
  const proven = await page.innerText("#account-verdict");
  assert(proven.startsWith("Proven: "), proven);
  await page.waitForSelector("#account-path svg");
  await page.click("#proof-flip");
  const refused = await page.innerText("#account-verdict");
  assert(refused.startsWith("Refused"), refused);
}

async function blocks(page: Page): Promise<void> {
  await page.click("#blocks-run");
  await page.waitForFunction(() =>
    (globalThis as unknown as {
      document: { querySelectorAll(query: string): { length: number } };
    }).document.querySelectorAll("#blocks-list .good").length >= 8
  );
  // Stopped, and run again before the last block is done.
  await page.evaluate(() => {
    const { document } = globalThis as unknown as {
      document: { getElementById(id: string): { click(): void } };
    };
    for (let i = 0; i < 2; i++) document.getElementById("blocks-run").click();
  });
  await page.waitForTimeout(300);
  await press(page, "blocks-one");
  assertEquals(await page.innerText("#blocks-run"), "Run blocks");
  assert(await page.innerText("#fact-state") !== "stopped");
}

async function trials(page: Page): Promise<void> {
  await press(page, "break-plug");
  const plug = await page.innerText("#break-plug-note");
  assert(plug.startsWith("Whole."), plug);
  await press(page, "break-fork");
  const fork = await page.innerText("#break-fork-note");
  assert(fork.includes("is refused (stale-session)"), fork);
  await press(page, "break-back");
  await press(page, "break-genesis");
  const back = await page.innerText("#break-back-note");
  assert(back.startsWith("Done"), back);
}

function demoTest(
  name: string,
  run: () => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: chromiumPath === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: run,
  });
}

demoTest("the demo page is small", () => {
  const bytes = pageBytes(files);
  console.log(`demo page: ${bytes} bytes gzipped`);
  assertLessOrEqual(bytes, PAGE_BYTES_MAX);
  return Promise.resolve();
});

demoTest("the demo shows all it says on a desktop", async () => {
  await withDemo({ viewport: DESKTOP, colorScheme: "light" }, async (page) => {
    await picture(page, "desktop-light-empty");
    await tour(page);
    await picture(page, "desktop-light-refused");
    await page.click("#proof-restore");
    await press(page, "account-stranger");
    const absent = await page.innerText("#account-verdict");
    assert(absent.startsWith("Proven: there is no such account"), absent);
    await press(page, "account-random");
    await blocks(page);
    await trials(page);
    await picture(page, "desktop-light");
    assertEquals(await overflow(page), 0);

    const root = await page.innerText("#fact-root");
    await page.reload();
    await ready(page);
    assertEquals(await page.innerText("#fact-root"), root);
    await page.emulateMedia({ colorScheme: "dark" });
    await press(page, "account-look");
    await picture(page, "desktop-dark");
    await page.click("#genesis-reset");
    await page.waitForFunction(() =>
      (globalThis as unknown as {
        document: { getElementById(id: string): { textContent: string } };
      }).document.getElementById("fact-height").textContent === "0"
    );
  });
});

demoTest(
  "the demo fits a phone, light and dark, and follows the keyboard",
  async () => {
    await withDemo({ viewport: PHONE, colorScheme: "dark" }, async (page) => {
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#account-look:enabled");
      await page.focus("#account-address");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#account-path svg");
      await page.focus("#proof-index");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      const refused = await page.innerText("#account-verdict");
      assert(refused.startsWith("Refused"), refused);
      await picture(page, "phone-dark-refused");
      await page.click("#proof-restore");
      await blocks(page);
      await trials(page);
      assertEquals(await overflow(page), 0);
      await picture(page, "phone-dark");
      await page.emulateMedia({ colorScheme: "light" });
      await picture(page, "phone-light");
      assertEquals(await unnamed(page), []);
    });
  },
);

/** Controls and pictures that a screen reader could not name. */
async function unnamed(page: Page): Promise<string[]> {
  const tree = await page.locator("body").ariaSnapshot();
  return tree.split("\n").filter((line) =>
    /- (button|textbox|slider|img|progressbar|link)\s*:?$/.test(line)
  );
}
