// The simulated backend: the conformance suite, then that every disk which a
// power loss may leave does come up, none that may not, and all by the seed.

import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { ClosedError, LockedError } from "../../backends/errors.ts";
import {
  type CrashChoice,
  crashChoice,
  PowerLossError,
  simulated,
  type SimulatedBackend,
  type SimulatedOptions,
} from "../../backends/simulated.ts";
import type { StorageFile } from "../../backends/types.ts";
import { amount, random, seed } from "../_amount.ts";

const VARIANTS: Record<string, SimulatedOptions> = {
  "simulated()": {},
  "simulated(opfs)": { directory: "opfs" },
  "simulated(asyncFlush)": { asyncFlush: true },
  "simulated(backgroundFlush)": { backgroundFlush: true },
};

for (const [name, options] of Object.entries(VARIANTS)) {
  conformance(name, () => {
    const backend = simulated(options);
    return { backend, another: () => backend.sibling() };
  }, { test: Deno.test });
}

const PLAIN: CrashChoice = {
  keep: "all",
  mask: 0,
  seed: 0,
  tear: "none",
  reorder: false,
  noise: "zeros",
};

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(content: Uint8Array | undefined): string | undefined {
  return content && new TextDecoder().decode(content);
}

async function create(
  backend: SimulatedBackend,
  name: string,
  content: string = "",
): Promise<StorageFile> {
  const file = await backend.open(name, { create: true });
  await backend.sync?.();
  backend.settleNames();
  file.write(bytes(content), 0);
  await file.flush();
  return file;
}

/** The contents of `a` over all images, sorted. */
function contents(
  backend: SimulatedBackend,
  choices: Iterable<CrashChoice>,
): string[] {
  const all = new Set<string>();
  for (const choice of choices) {
    all.add(text(backend.image(choice).readFile("a")) ?? "(none)");
  }
  return [...all].sort();
}

function* masks(changes: number): Generator<CrashChoice> {
  for (let mask = 0; mask < 2 ** changes; mask++) {
    yield { ...PLAIN, keep: "mask", mask };
  }
}

function* seeds(
  count: number,
  change: Partial<CrashChoice> = {},
): Generator<CrashChoice> {
  for (let i = 0; i < count; i++) {
    yield { ...crashChoice(seed + i), ...change };
  }
}

Deno.test("image() has every subset of the unflushed writes", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "......");
  file.write(bytes("1"), 1);
  file.write(bytes("2"), 2);
  file.write(bytes("3"), 3);
  assertEquals(backend.uncertainChanges, 3);
  assertEquals(contents(backend, masks(3)), [
    "......",
    "...3..",
    "..2...",
    "..23..",
    ".1....",
    ".1.3..",
    ".12...",
    ".123..",
  ]);
  const samples = contents(backend, seeds(400, { tear: "none" }));
  assertEquals(samples.length, 8);
});

Deno.test("image() keeps what was flushed, whatever the choice", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "before");
  file.write(bytes("after!"), 0);
  file.truncate(5);
  file.flush();
  assertEquals(backend.uncertainChanges, 0);
  assertEquals(contents(backend, seeds(200)), ["after"]);
  assertEquals([...backend.choices({ count: 50 })].length, 1);
});

Deno.test("image() orders overlapping changes in every way", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "..");
  file.write(bytes("11"), 0);
  file.write(bytes("22"), 0);
  const inOrder = { keep: "all", tear: "none", reorder: false } as const;
  assertEquals(contents(backend, seeds(50, inOrder)), ["22"]);
  const anyOrder = { ...inOrder, reorder: true };
  assertEquals(contents(backend, seeds(50, anyOrder)), ["11", "22"]);
  file.flush();
  assertEquals(contents(backend, seeds(50, anyOrder)), ["22"]);
});

Deno.test("image() tears writes at any byte, or at sectors", async () => {
  const backend = simulated();
  const file = await create(backend, "a", ".".repeat(2048));
  file.write(bytes("x".repeat(1200)), 300);
  const cuts = new Set<number>();
  for (const choice of seeds(amount(400), { keep: "all", tear: "byte" })) {
    const image = text(backend.image(choice).readFile("a")) ?? "";
    assertEquals(image.length, 2048);
    assertEquals(image.slice(0, 300) + image.slice(1500), ".".repeat(848));
    for (const match of image.matchAll(/\.x|x\./g)) cuts.add(match.index + 1);
  }
  assertGreater(cuts.size, 200);
  const sectors = new Set<number>();
  for (const choice of seeds(amount(200), { keep: "all", tear: "sector" })) {
    const image = text(backend.image(choice).readFile("a")) ?? "";
    for (const match of image.matchAll(/\.x|x\./g)) {
      sectors.add(match.index + 1);
    }
  }
  assertEquals([...sectors].sort((a, b) => a - b), [300, 512, 1024, 1500]);
});

Deno.test("image() has noise only where a file was extended", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "old.");
  file.write(bytes("new!"), 100);
  const kinds = new Set<string>();
  for (const choice of seeds(200)) {
    const image = backend.image(choice).readFile("a") ?? new Uint8Array(0);
    assertEquals(text(image.subarray(0, 4)), "old.");
    const gap = image.subarray(4, 100);
    if (gap.some((byte) => byte !== 0)) kinds.add(choice.noise);
    if (choice.noise === "zeros") assert(gap.every((byte) => byte === 0));
    assert([4, 104].includes(image.length) || choice.tear !== "none");
  }
  assertEquals([...kinds].sort(), ["random", "stale"]);
  const read = new Uint8Array(96);
  file.read(read, 4);
  assertEquals(read, new Uint8Array(96), "holes are zeros while open");
  file.flush();
  for (const choice of seeds(50)) {
    const image = backend.image(choice).readFile("a");
    assertEquals(image?.subarray(4, 100), read);
  }
});

Deno.test("image() brings back stale bytes that were cut off", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "secret");
  file.truncate(0);
  file.flush();
  file.truncate(6);
  const choices = seeds(50, { keep: "all", noise: "stale", tear: "none" });
  assert(contents(backend, choices).includes("secret"));
});

Deno.test("image() loses names until sync(), apart from contents", async () => {
  const backend = simulated();
  const a = await backend.open("a", { create: true });
  a.write(bytes("data"), 0);
  a.flush();
  const b = await backend.open("b", { create: true });
  b.flush();
  const listings = (): string[] => {
    const all = new Set<string>();
    for (const image of backend.images({ seed, count: 100 })) {
      all.add(image.names().join());
      const lost = ["a", "b"].filter((name) => !image.names().includes(name));
      assertEquals([...image.lostNames].sort(), lost);
      const content = text(image.readFile("a"));
      assert(content === undefined || content === "data");
    }
    return [...all].sort();
  };
  assertEquals(listings(), ["", "a", "a,b", "b"]);
  await backend.sync?.();
  assertEquals(listings(), ["a,b"]);
  await backend.remove("b");
  const removed = new Set<string>();
  for (const image of backend.images({ seed, count: 20 })) {
    removed.add(image.names().join());
  }
  assertEquals([...removed].sort(), ["a", "a,b"]);
});

Deno.test("image() mixes a removed and a recreated file by name only", async () => {
  const backend = simulated();
  (await create(backend, "a", "first")).close();
  await backend.remove("a");
  const file = await backend.open("a", { create: true });
  file.write(bytes("second"), 0);
  file.flush();
  assertEquals(contents(backend, masks(2)), ["(none)", "first", "second"]);
});

Deno.test("image() in OPFS mode may lose a name until it settles", async () => {
  const backend = simulated({ directory: "opfs" });
  assertEquals(backend.sync, undefined);
  assertEquals(backend.supports.directorySync, false);
  const file = await backend.open("a", { create: true });
  file.write(bytes("data"), 0);
  file.flush();
  assertEquals(contents(backend, masks(1)), ["(none)", "data"]);
  backend.settleNames();
  assertEquals(contents(backend, seeds(50)), ["data"]);
});

Deno.test("choices() covers all subsets when they are few", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "....");
  for (let i = 0; i < 4; i++) file.write(bytes("x"), i);
  const images = [...backend.images({ seed, count: 64 })];
  assertEquals(images.length, 16);
  const few = [...backend.choices({ seed, count: 20 })];
  assertEquals(few.length, 20);
  assert(few.every((choice) => choice.keep !== "mask"));
});

/** The last calls of a run, after which nothing is flushed. */
const UNFLUSHED = 20;

/** A run of random calls that only the numbers decide. */
async function randomRun(
  backend: SimulatedBackend,
  name: string,
  steps: number,
): Promise<void> {
  const rng = random(name);
  const files = [await create(backend, "a"), await create(backend, "b")];
  for (let i = 0; i < steps; i++) {
    const file = rng.pick(files);
    const kind = rng.int(12);
    if (kind < 8) file.write(rng.bytes(1 + rng.int(900)), rng.int(9000));
    else if (kind < 10) file.truncate(rng.int(9000));
    else if (rng.chance(0.3) && i < steps - UNFLUSHED) await file.flush();
  }
}

Deno.test("image() is the same, bit for bit, for the same run and choice", async () => {
  const one = simulated({ seed: 3 });
  const two = simulated({ seed: 3 });
  await randomRun(one, "determinism", 60);
  await randomRun(two, "determinism", 60);
  const prints = new Set<number>();
  for (const choice of seeds(amount(300))) {
    const a = one.image(choice);
    const b = two.image({ ...choice });
    assertEquals(a.fingerprint, b.fingerprint);
    assertEquals(a.readFile("a"), b.readFile("a"));
    assertEquals(a.readFile("b"), b.readFile("b"));
    prints.add(a.fingerprint);
  }
  assertGreater(prints.size, 100);
});

Deno.test("fingerprint differs exactly when contents differ", async () => {
  const backend = simulated();
  await randomRun(backend, "fingerprints", 30);
  const byPrint = new Map<number, string>();
  const byContent = new Map<string, number>();
  for (const choice of seeds(amount(500), { noise: "zeros" })) {
    const image = backend.image(choice);
    const content = image.names()
      .map((name) => `${name}:${image.readFile(name)}`).join();
    const print = image.fingerprint;
    assertEquals(byPrint.get(print) ?? content, content);
    assertEquals(byContent.get(content) ?? print, print);
    byPrint.set(print, content);
    byContent.set(content, print);
  }
});

Deno.test("image() leaves the running backend and other images alone", async () => {
  const backend = simulated();
  await randomRun(backend, "isolation", 40);
  const before = backend.readFile("a");
  const image = backend.image(1);
  const content = image.readFile("a");
  const next = image.open();
  const file = await next.open("a", { create: false });
  file.write(new Uint8Array(5000).fill(9), 0);
  file.truncate(20_000);
  file.flush();
  assertEquals(backend.readFile("a"), before);
  assertEquals(image.readFile("a"), content);
  assertEquals(image.open().readFile("a"), content);
  await randomRun(simulated(), "isolation", 5);
  const again = await backend.open("a", { create: false });
  again.write(new Uint8Array(5000).fill(8), 0);
  assertEquals(image.readFile("a"), content);
});

Deno.test("open() of an image allows a crash during its recovery", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "one");
  file.write(bytes("two"), 0);
  const first = backend.image({ ...PLAIN, keep: "none" }).open();
  const again = await first.open("a", { create: false });
  again.write(bytes("III"), 0);
  assertEquals(contents(first, masks(1)), ["III", "one"]);
  assertEquals(contents(first.image(PLAIN).open(), seeds(10)), ["III"]);
});

Deno.test("crashAt() stops that call and all later ones", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "....");
  const calls = backend.calls;
  backend.crashAt(calls + 2);
  file.write(bytes("1"), 0);
  assertThrows(() => file.write(bytes("2"), 1), PowerLossError);
  assert(backend.dead);
  assertThrows(() => file.read(new Uint8Array(1), 0), PowerLossError);
  await assertRejects(() => backend.list(), PowerLossError);
  await assertRejects(() => backend.lock(), PowerLossError);
  file.close();
  // The call that met the power loss may have got through.
  assertEquals(contents(backend, masks(2)), ["....", ".2..", "1...", "12.."]);
});

Deno.test("crashAt() on a flush leaves its changes in doubt", async () => {
  const backend = simulated();
  const file = await create(backend, "a", ".");
  file.write(bytes("x"), 0);
  backend.crashAt(backend.calls + 1);
  assertThrows(() => file.flush(), PowerLossError);
  assertEquals(contents(backend, masks(1)), [".", "x"]);
});

Deno.test("onCall sees every call before it takes effect", async () => {
  const backend = simulated();
  const seen: string[] = [];
  const states: (string | undefined)[] = [];
  backend.onCall = ({ number, operation, file, position, length }) => {
    seen.push([number, operation, file, position, length].join(" "));
    states.push(text(backend.image(PLAIN).readFile("a")));
  };
  const lock = await backend.lock();
  const file = await backend.open("a", { create: true });
  file.write(bytes("xyz"), 5);
  file.read(new Uint8Array(4), 2);
  file.truncate(6);
  file.size();
  file.flush();
  file.close();
  await backend.sync?.();
  await backend.list();
  lock.release();
  await backend.remove("a");
  assertEquals(seen, [
    "1 lock   ",
    "2 create a  ",
    "3 write a 5 3",
    "4 read a 2 4",
    "5 truncate a 6 ",
    "6 size a  ",
    "7 flush a  ",
    "8 close a  ",
    "9 sync   ",
    "10 list   ",
    "11 unlock   ",
    "12 remove a  ",
  ]);
  assertEquals(states.slice(1, 4), [undefined, "", "\0\0\0\0\0xyz"]);
  assertEquals(backend.calls, 12);
  assertEquals(backend.count("write"), 1);
});

function codeOf(call: () => unknown): string {
  try {
    call();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

Deno.test("fail() makes one call fail, or all from there on", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "abcdef");
  const buffer = new Uint8Array(6);
  backend.fail({ at: backend.calls + 2, kind: "io" });
  assertEquals(file.read(buffer, 0), 6);
  const error = assertThrows(() => file.read(buffer, 3)) as Record<
    string,
    unknown
  >;
  assertEquals(
    [error.code, error.operation, error.file, error.position],
    ["io", "read", "a", 3],
  );
  assertEquals(file.read(buffer, 0), 6);
  assertEquals(backend.fired, 1);
  backend.fail({ at: backend.calls + 1, kind: "io", sticky: true });
  assertEquals(codeOf(() => file.size()), "io");
  assertEquals(codeOf(() => file.truncate(3)), "io");
  await assertRejects(() => backend.list());
  backend.heal();
  await backend.list();
  assertEquals(backend.dead, false);
});

Deno.test("fail() full refuses what needs room and nothing else", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "abcdef");
  backend.fail({ at: 1, kind: "full", sticky: true });
  assertEquals(codeOf(() => file.write(bytes("x"), 0)), "storage-full");
  assertEquals(codeOf(() => file.truncate(100)), "storage-full");
  assertEquals(codeOf(() => file.flush()), "storage-full");
  await assertRejects(() => backend.open("b", { create: true }));
  assertEquals(codeOf(() => file.read(new Uint8Array(6), 0)), "none");
  assertEquals(codeOf(() => file.truncate(2)), "none");
  assertEquals(codeOf(() => file.size()), "none");
  backend.heal();
  assertEquals(codeOf(() => file.write(bytes("x"), 0)), "none");
});

Deno.test("fail() short gives at least one byte and never all", async () => {
  const backend = simulated({ seed });
  const file = await create(backend, "a", "abcdefgh");
  backend.fail({ at: 1, kind: "short-read", sticky: true });
  backend.fail({ at: 1, kind: "short-write", sticky: true });
  for (let i = 0; i < 50; i++) {
    const buffer = new Uint8Array(8);
    const got = file.read(buffer, 0);
    assert(got >= 1 && got < 8);
    assertEquals(text(buffer.subarray(0, got)), "abcdefgh".slice(0, got));
    const put = file.write(bytes("abcdefgh"), 0);
    assert(put >= 1 && put < 8);
  }
  assertEquals(file.read(new Uint8Array(1), 0), 1);
  assertEquals(file.write(bytes("a"), 0), 1);
  assertEquals(backend.readFile("a"), bytes("abcdefgh"));
});

Deno.test("fail() io on a write may leave any part of it", async () => {
  const left = new Set<string | undefined>();
  for (let i = 0; i < 100; i++) {
    const backend = simulated({ seed: seed + i });
    const file = await create(backend, "a", "....");
    backend.fail({ at: backend.calls + 1, kind: "io" });
    assertEquals(codeOf(() => file.write(bytes("xxxx"), 0)), "io");
    left.add(text(backend.readFile("a")));
  }
  assertEquals([...left].sort(), ["....", "x...", "xx..", "xxx.", "xxxx"]);
});

for (const asyncFlush of [false, true]) {
  const name = `fail() flush loses its changes for good (async: ${asyncFlush})`;
  Deno.test(name, async () => {
    const backend = simulated({ asyncFlush });
    const file = await create(backend, "a", "....");
    file.write(bytes("1"), 0);
    file.write(bytes("2"), 1);
    backend.fail({ at: backend.calls + 1, kind: "flush" });
    await assertRejects(async () => await file.flush());
    file.write(bytes("3"), 2);
    await file.flush();
    const read = new Uint8Array(4);
    file.read(read, 0);
    assertEquals(text(read), "123.", "what is read shows no loss");
    // The later flush is good for what was written after the failed one.
    assertEquals(backend.uncertainChanges, 2);
    assertEquals(
      contents(backend, masks(2)),
      ["..3.", ".23.", "1.3.", "123."],
    );
    file.write(bytes("9"), 0);
    await file.flush();
    assertEquals(
      contents(backend, seeds(100)).map((image) => image[0]),
      ["9", "9"],
      "what was flushed lies over what is in doubt",
    );
  });
}

Deno.test("fail() io on sync() leaves names in doubt for good", async () => {
  const backend = simulated();
  const file = await backend.open("a", { create: true });
  file.flush();
  backend.fail({ at: backend.calls + 1, kind: "io" });
  await assertRejects(async () => await backend.sync?.());
  await backend.sync?.();
  assertEquals(contents(backend, masks(1)), ["", "(none)"]);
});

Deno.test("asyncFlush covers what was written before the call only", async () => {
  const backend = simulated({ asyncFlush: true });
  const file = await create(backend, "a", "..");
  file.write(bytes("1"), 0);
  const flushed = file.flush();
  file.write(bytes("2"), 1);
  assertEquals(backend.uncertainChanges, 2, "not durable yet");
  await flushed;
  assertEquals(contents(backend, masks(1)), ["1.", "12"]);
});

Deno.test("lyingFlush reports success and keeps nothing", async () => {
  const backend = simulated({ lyingFlush: true });
  const file = await create(backend, "a", "x");
  file.flush();
  assertEquals(contents(backend, masks(1)), ["", "x"]);
});

Deno.test("capacityBytes bounds the disk and frees with the files", async () => {
  const backend = simulated({ capacityBytes: 10 });
  const file = await create(backend, "a", "1234567");
  const other = await create(backend, "b");
  assertEquals(other.write(bytes("abcdef"), 0), 3);
  assertEquals(codeOf(() => other.write(bytes("x"), 3)), "storage-full");
  assertEquals(codeOf(() => other.truncate(4)), "storage-full");
  assertEquals(file.write(bytes("x"), 6), 1);
  file.truncate(5);
  assertEquals(other.write(bytes("xyz"), 3), 2);
  file.close();
  await backend.remove("a");
  assertEquals(other.write(bytes("xyz"), 5), 3);
});

Deno.test("restart() keeps what was written and ends handles and locks", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "..");
  await backend.lock();
  await assertRejects(() => backend.sibling().lock(), LockedError);
  file.write(bytes("x"), 0);
  const next = backend.restart();
  assertThrows(() => file.size(), PowerLossError);
  await next.lock();
  assertEquals(text(next.readFile("a")), "x.");
  assertEquals(contents(next, masks(1)), ["..", "x."]);
});

Deno.test("writeFile() damages a file at rest", async () => {
  const backend = simulated();
  const file = await create(backend, "a", "good");
  file.close();
  assertThrows(() => file.size(), ClosedError);
  backend.writeFile("a", bytes("bad"));
  backend.writeFile("b", bytes("foreign"));
  assertEquals(backend.uncertainChanges, 0);
  assertEquals(contents(backend, seeds(20)), ["bad"]);
  assertEquals(await backend.list(), ["a", "b"]);
});

Deno.test("crashChoice() varies every part of the choice", () => {
  const count = (pick: (choice: CrashChoice) => unknown): number =>
    new Set([...seeds(200)].map(pick)).size;
  assertEquals(count((choice) => choice.keep), 2);
  assertEquals(count((choice) => choice.tear), 3);
  assertEquals(count((choice) => choice.reorder), 2);
  assertEquals(count((choice) => choice.noise), 3);
  assertNotEquals(crashChoice(1), crashChoice(2));
});

Deno.test("image() never has a byte that no write and no noise explains", async () => {
  for (let round = 0; round < amount(20); round++) {
    const backend = simulated();
    const rng = random(`explained ${round}`);
    const file = await create(backend, "a");
    // Byte i may hold what any write put there, or 0.
    const allowed = Array.from({ length: 600 }, () => new Set([0]));
    for (let step = 0; step < 20; step++) {
      const value = 1 + rng.int(255);
      const at = rng.int(400);
      const length = 1 + rng.int(200);
      file.write(new Uint8Array(length).fill(value), at);
      for (let i = at; i < at + length; i++) allowed[i].add(value);
      if (rng.chance(0.1)) file.truncate(rng.int(600));
      if (!rng.chance(0.2)) continue;
      file.flush();
      const kept = backend.readFile("a") ?? new Uint8Array(0);
      allowed.forEach((set, i) => {
        set.clear();
        set.add(kept[i] ?? 0);
        set.add(0);
      });
    }
    for (const choice of seeds(50, { noise: "zeros" })) {
      const image = backend.image(choice).readFile("a") ?? new Uint8Array(0);
      image.forEach((byte, i) => assert(allowed[i].has(byte)));
    }
  }
});
