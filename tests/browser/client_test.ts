// The client in Chromium: a store on OPFS from a page's main thread, and one
// store for three tabs, of which the one that has it goes.

import type { Page } from "npm:playwright-core@^1";
import { assert, assertEquals } from "@std/assert";
import { browserTest, runOffered } from "./_suite.ts";

/** What the page has as globals. */
interface Tab {
  tab: {
    join(path: string): Promise<boolean>;
    commit(i: number): Promise<void>;
    read(i: number): Promise<number | undefined>;
    isHolder(): boolean;
    takeovers(): number;
    leave(): Promise<void>;
  };
}

function tabOf(page: Page): Tab["tab"] {
  const call = <T>(name: keyof Tab["tab"], argument?: unknown): Promise<T> =>
    page.evaluate(
      ([what, value]) =>
        (globalThis as unknown as {
          tab: Record<string, (value: unknown) => unknown>;
        }).tab[what as string](value),
      [name, argument],
    ) as Promise<T>;
  return {
    join: (path) => call("join", path),
    commit: (i) => call("commit", i),
    read: (i) => call("read", i),
    isHolder: () => call<boolean>("isHolder") as unknown as boolean,
    takeovers: () => call<number>("takeovers") as unknown as number,
    leave: () => call("leave"),
  };
}

browserTest("connect() in Chromium", async ({ load }, t) => {
  await runOffered(await load("client"), t);
});

browserTest("share() gives three tabs one store", async ({ load }) => {
  const pages = [
    await load("client"),
    await load("client"),
    await load("client"),
  ];
  const [a, b, c] = pages.map(tabOf);
  assertEquals(await a.join("shared"), true);
  assertEquals(await b.join("shared"), false);
  await b.commit(1);
  assertEquals(await c.join("shared"), false);
  await c.commit(2);
  assertEquals(await a.read(1), 1);
  assertEquals(await b.read(2), 2);

  await pages[0].close();
  // What is asked of a worker that is going is lost; each tab finds out by itself.
  await Promise.allSettled([b.commit(3), c.read(3)]);
  await b.commit(4).catch(() => b.commit(4));
  assertEquals(await c.read(4).catch(() => c.read(4)), 4);
  assertEquals(await c.read(1), 1);
  const holders = [await b.isHolder(), await c.isHolder()];
  assertEquals(holders.filter(Boolean).length, 1);
  assert(await b.takeovers() >= 1);

  const [holder, other] = holders[0] ? [b, c] : [c, b];
  await holder.leave();
  await other.commit(5);
  assertEquals(await other.read(5), 5);
  assertEquals(await other.read(2), 2);
  assertEquals(await other.isHolder(), true);
});

browserTest(
  "a store is closed as its page goes, and opened by the next",
  async ({ load, site }) => {
    const page = await load("client");
    await tabOf(page).join("leaving");
    await tabOf(page).commit(1);
    await page.goto(`${site.origin}/client`);
    await page.waitForFunction(() => "offered" in globalThis);
    await tabOf(page).join("leaving");
    assertEquals(await tabOf(page).read(1), 1);
  },
);
