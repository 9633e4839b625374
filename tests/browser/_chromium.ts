// Chromium for the tests: finds it (CHROME_PATH, then Debian's), installs
// Debian's when that may be done and it is missing, and launches it with a
// profile of its own on disk (OPFS is slow in private windows).

import { type BrowserContext, chromium } from "npm:playwright-core@^1";

const DEBIAN_PATH = "/usr/bin/chromium";

const FLAGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Path of the browser, or undefined: then tests are skipped, loudly. */
export const chromiumPath: string | undefined = await findChromium();

async function findChromium(): Promise<string | undefined> {
  const wanted = Deno.env.get("CHROME_PATH");
  if (wanted !== undefined) {
    if (await isFile(wanted)) return wanted;
    throw new Error(`CHROME_PATH is ${wanted}, where there is no file`);
  }
  // Test files run side by side: one installs it, the others wait until it has.
  using lock = await Deno.open(new URL(import.meta.url));
  await lock.lock(true);
  if (await isFile(DEBIAN_PATH) || await install()) return DEBIAN_PATH;
  console.log(
    "BROWSER TESTS ARE SKIPPED: no Chromium at /usr/bin/chromium, none could " +
      "be installed, and CHROME_PATH is not set",
  );
  return undefined;
}

/** Installs Debian's package; only root can. Waits for others that install something. */
async function install(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  console.log("installing Debian's chromium");
  const apt = async (...args: string[]): Promise<boolean> => {
    const options = ["-o", "DPkg::Lock::Timeout=300", "-qq", "-y"];
    const { success } = await new Deno.Command("apt-get", {
      args: [...options, ...args],
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  };
  try {
    await apt("update");
    await apt("install", "--no-install-recommends", "chromium");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return await isFile(DEBIAN_PATH);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((found) => found.isFile, () => false);
}

/** A running browser and its profile. */
export interface Browser extends AsyncDisposable {
  /** The one window. */
  readonly context: BrowserContext;
  /** Directory of the profile. */
  readonly profile: string;
  /** Kills the browser and all its processes, as power loss would. */
  kill(): Promise<void>;
}

/** How a browser is launched. */
export interface LaunchOptions {
  /** Profile to go on with; a new one that is removed later if not given. */
  readonly profile?: string;
  /** Width and height of pages in CSS pixels. */
  readonly viewport?: { readonly width: number; readonly height: number };
  /** What pages see as the user's preference. */
  readonly colorScheme?: "light" | "dark";
}

/** Launches Chromium. */
export async function launch(options: LaunchOptions = {}): Promise<Browser> {
  const own = options.profile === undefined;
  const profile = options.profile ??
    await Deno.makeTempDir({ prefix: "stemma-chromium-" });
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath!,
    headless: true,
    args: [...FLAGS],
    viewport: options.viewport ?? null,
    colorScheme: options.colorScheme ?? null,
  });
  return {
    context,
    profile,
    kill: () => killProfile(profile),
    async [Symbol.asyncDispose]() {
      await context.close().catch(() => {});
      if (own) await removeProfile(profile);
    },
  };
}

/** Ends the processes that were started with this profile, by their ids. */
async function killProfile(profile: string): Promise<void> {
  const ids: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`)
      .catch(() => "");
    if (line.includes(profile)) ids.push(Number(name));
  }
  for (const id of ids) {
    try {
      Deno.kill(id, "SIGKILL");
    } catch {
      // It has ended with its parent.
    }
  }
}

/** A browser that was killed may still be writing for a moment. */
export async function removeProfile(profile: string): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      await Deno.remove(profile, { recursive: true });
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      await new Promise((go) => setTimeout(go, 50));
    }
  }
}
