// A real process over real files is killed in the middle of its commits, again
// and again over one store: what it acknowledged is there, and at most one
// commit more (P1). And a second process is kept out (P7).

import { assert, assertEquals, assertRejects } from "@std/assert";
import { open } from "../../mod.ts";
import { denoFs } from "../../backends/deno_fs.ts";
import { LockedError } from "../../backends/errors.ts";
import { amount, type Random, random } from "../_amount.ts";
import { compareEntries } from "./_inspect.ts";
import { killOptions, writesOf } from "./_kill_writes.ts";
import { Model, type State } from "./_model.ts";
import { namedScheme } from "./_run.ts";

const CHILD = new URL("./_kill_child.ts", import.meta.url).pathname;
const KILLS = 100;
const STORES = 2;

/** The program, and the lines that it says. */
class Child {
  readonly process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(directory: string, ...more: string[]) {
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", CHILD, directory, ...more],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** The next whole line; undefined at the end. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#lines.read();
      if (done) return undefined;
      this.#text += value;
    }
  }
}

/** Lets the program commit for a while, kills it; what it acknowledged last. */
async function commitAndKill(
  directory: string,
  draw: Random,
): Promise<number> {
  const child = new Child(directory);
  const first = await child.line() ?? "nothing";
  assert(first.startsWith("open "), `the program said ${first}`);
  let last = Number(first.slice(5));
  for (let more = 1 + draw.int(9); more > 0; more--) {
    last = Number(await child.line());
  }
  const wait = draw.real() * 3;
  if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait - 1));
  child.process.kill("SIGKILL");
  for (let line = await child.line(); line !== undefined;) {
    last = Number(line);
    line = await child.line();
  }
  await child.process.status;
  return last;
}

async function killManyTimes(kills: number, draw: Random): Promise<number> {
  const directory = await Deno.makeTempDir();
  const model = new Model(namedScheme("nomt-blake3"), 4);
  const states: State[] = [model.empty()];
  let between = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const last = await commitAndKill(directory, draw);
      await using db = await open(denoFs(directory), killOptions);
      const { sequence, meta, root } = db.head;
      assert(sequence === last || sequence === last + 1, `${sequence} ${last}`);
      while (states.length <= sequence) {
        const number = states.length;
        const data = Uint8Array.of(number, number >> 8);
        states.push(model.commit(states[number - 1], writesOf(number), data));
      }
      const state = states[sequence];
      assertEquals(root, state.root);
      assertEquals(meta, state.meta);
      compareEntries(db.entries(), state.entries, "killed");
      await db.check();
      if (sequence > last) between++;
      // Half of the time the next process recovers, not this one.
      if (draw.chance(0.5)) await db.abandon();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return between;
}

Deno.test("open() finds every acknowledged commit of a killed process", async () => {
  const kills = amount(KILLS / STORES);
  const runs = Array.from(
    { length: STORES },
    (_, n) => killManyTimes(kills, random(`kill ${n}`)),
  );
  const between = (await Promise.all(runs)).reduce((sum, n) => sum + n, 0);
  console.log(`${STORES * kills} kills, ${between} with a commit in flight`);
});

Deno.test("open() refuses a second process and changes no byte", async () => {
  const directory = await Deno.makeTempDir();
  const bytes = async (): Promise<string[]> => {
    const all: string[] = [];
    for (const name of ["pages.stemma", "log.stemma"]) {
      all.push((await Deno.readFile(`${directory}/${name}`)).toHex());
    }
    return all;
  };
  try {
    const db = await open(denoFs(directory), killOptions);
    using session = db.begin();
    for (const [key, value] of writesOf(1)) {
      if (value !== undefined) session.set(key, value);
    }
    await session.prepare().commit();
    const before = await bytes();
    const other = new Child(directory, "once");
    assertEquals(await other.line(), "error locked");
    assertEquals(await other.line(), undefined);
    await other.process.status;
    await assertRejects(
      () => open(denoFs(directory), killOptions),
      LockedError,
    );
    assertEquals(await bytes(), before);
    await db.close();
    const next = new Child(directory, "once");
    assertEquals(await next.line(), "open 1");
    assertEquals(await next.line(), undefined);
    await next.process.status;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
