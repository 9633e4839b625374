// Keys and values over the whole domain of each scheme, ranges against a
// sorted list, and arguments that are refused and change nothing.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { verifyKey } from "@stemma/verify";
import type { Range } from "../../mod.ts";
import { amount, random } from "../_amount.ts";
import {
  compareBytes,
  drawEntries,
  drawKeys,
  type Entry,
  KEY_KINDS,
  oracleRoot,
} from "../oracle/mod.ts";
import {
  assertProofs,
  bytes,
  commit,
  contents,
  contentsOf,
  key32,
  openSmall,
  pageBytesMin,
  SCHEMES,
} from "./_store.ts";

function mapOf(entries: Iterable<Entry>): Map<string, Entry> {
  return new Map([...entries].map((entry) => [entry[0].toHex(), entry]));
}

Deno.test("an empty value is present, and a value of zeros is ordinary", async () => {
  for (const name of ["nomt-blake3", "nomt-sha256", "jam-blake2b"]) {
    const scheme = SCHEMES[name];
    await using db = await openSmall({ scheme });
    const length = scheme.keyBytesMin;
    const entries: Entry[] = [0, 1, 31, 32, 33].map((size, i) => [
      new Uint8Array(length).fill(i + 1),
      new Uint8Array(size),
    ]);
    await commit(db, entries);
    assertEquals(db.root, oracleRoot(name, entries));
    assertEquals(db.get(entries[0][0]), new Uint8Array(0));
    assert(db.has(entries[0][0]));
    const map = mapOf(entries);
    using head = db.snapshot();
    const keys = [...entries.map(([key]) => key), new Uint8Array(length)];
    assertProofs(scheme, head, keys, (key) => map.get(key.toHex())?.[1]);
    await commit(db, [[entries[0][0], undefined]]);
    assertEquals(db.has(entries[0][0]), false);
    assertEquals(db.root, oracleRoot(name, entries.slice(1)));
  }
});

Deno.test("values of every length near a page's, a quarter's and the log's bounds", async () => {
  const draw = random("lengths");
  for (const pageBytes of [512, 4096]) {
    await using db = await openSmall({ pageBytes, segmentBytes: 1024 });
    const quarter = Math.floor((pageBytes - 32) / 4) - 72;
    const lengths = [quarter, pageBytes, 2 * pageBytes, 1024, 65536]
      .flatMap((at) => [at - 1, at, at + 1]);
    const entries = lengths.map((length, i): Entry => [
      key32(i + 1),
      draw.bytes(length),
    ]);
    for (const entry of entries) await commit(db, [entry]);
    assertEquals(db.root, oracleRoot("nomt-blake3", entries));
    assertEquals(contents(db), contentsOf(mapOf(entries)));
    // Every value takes the place of one of another length.
    const turned = entries.map(([key], i): Entry => [
      key,
      entries[(i + 4) % entries.length][1],
    ]);
    await commit(db, turned);
    assertEquals(db.root, oracleRoot("nomt-blake3", turned));
    await db.rollback(1);
    assertEquals(db.root, oracleRoot("nomt-blake3", entries));
    await db.check();
  }
});

Deno.test("a value of 64 MiB is stored, read, proven and deleted", async () => {
  await using db = await openSmall({ scheme: "nomt-sha256" });
  const value = new Uint8Array(64 << 20);
  const words = new Uint32Array(value.buffer);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 0x9e3779b1);
  await commit(db, [[key32(1), value], [key32(2), bytes("small")]]);
  const found = db.get(key32(1))!;
  assertEquals(found.length, value.length);
  const other = new Uint32Array(found.buffer, found.byteOffset);
  assert(words.every((word, i) => word === other[i]));
  const entries: Entry[] = [[key32(1), value], [key32(2), bytes("small")]];
  assertEquals(db.root, oracleRoot("nomt-sha256", entries));
  using head = db.snapshot();
  const proof = head.prove(key32(1));
  assert(proof.length < 1000);
  const verdict = verifyKey(db.scheme, db.root, key32(1), proof);
  assert(verdict.status === "present" && verdict.matches(value));
  await commit(db, [[key32(1), undefined]]);
  assertEquals(db.root, oracleRoot("nomt-sha256", entries.slice(1)));
});

Deno.test("a stem holds 256 slots, one after another, and none of them", async () => {
  for (const scheme of ["eip7864-sha256", "eip7864-blake3"] as const) {
    await using db = await openSmall({ scheme, pageBytes: 512 });
    const draw = random(`slots ${scheme}`);
    const entries = Array.from({ length: 256 }, (_, slot): Entry => {
      const key = new Uint8Array(32).fill(9);
      key[31] = slot;
      return [key, draw.bytes(32)];
    });
    const beside: Entry = [new Uint8Array(32).fill(8), draw.bytes(32)];
    await commit(db, [beside, ...entries]);
    assertEquals(db.root, oracleRoot(scheme, [beside, ...entries]));
    using head = db.snapshot();
    const map = mapOf(entries);
    const keys = entries.map(([key]) => key);
    assertProofs(
      SCHEMES[scheme],
      head,
      keys,
      (key) => map.get(key.toHex())?.[1],
    );
    draw.shuffle(entries);
    while (entries.length > 0) {
      const gone = entries.splice(-17);
      await commit(db, gone.map(([key]) => [key, undefined]));
      assertEquals(db.root, oracleRoot(scheme, [beside, ...entries]));
    }
  }
});

Deno.test("keys that share all but their last bit", async () => {
  for (const name of Object.keys(SCHEMES)) {
    const scheme = SCHEMES[name], draw = random(`pairs ${name}`);
    await using db = await openSmall({
      scheme,
      pageBytes: pageBytesMin(scheme),
    });
    const entries = drawEntries(name, "neighbours", 40, draw);
    await commit(db, entries);
    assertEquals(db.root, oracleRoot(name, entries));
    const left = entries.filter((_, i) => i % 2 === 0);
    const rest = entries.filter((_, i) => i % 2 === 1);
    await commit(db, rest.map(([key]) => [key, undefined]));
    assertEquals(db.root, oracleRoot(name, left));
    await commit(db, rest);
    assertEquals(db.root, oracleRoot(name, entries));
  }
});

Deno.test("keys of 1 to 255 bytes under EIP-8297", async () => {
  await using db = await openSmall({ scheme: "eip8297-blake3" });
  const entries = Array.from({ length: 255 }, (_, i): Entry => {
    // Key n is n ones and a zero: none is a prefix of another.
    const key = new Uint8Array(i + 1).fill(1);
    key[i] = 0;
    return [key, new Uint8Array(32).fill(i)];
  });
  await commit(db, entries);
  assertEquals(db.root, oracleRoot("eip8297-blake3", entries));
  const map = mapOf(entries);
  using head = db.snapshot();
  const keys = [
    ...entries.map(([key]) => key),
    ...entries.map(([key]) => key.map((byte) => byte ^ 2)),
    new Uint8Array(255).fill(1),
  ];
  assertProofs(db.scheme, head, keys, (key) => map.get(key.toHex())?.[1]);
  // A prefix of a key, and a longer one, are absent.
  for (const key of [Uint8Array.of(1, 1), Uint8Array.of(0, 0)]) {
    assertEquals(db.get(key), undefined);
    const verdict = verifyKey(db.scheme, db.root, key, head.prove(key));
    assertEquals(verdict.status, "absent");
  }
});

Deno.test("the root depends on the entries only, not on how they came", async () => {
  for (const name of Object.keys(SCHEMES)) {
    const scheme = SCHEMES[name], draw = random(`history ${name}`);
    for (const kind of KEY_KINDS) {
      const keys = drawKeys(name, kind, 40, draw);
      const values = () => draw.bytes(32);
      await using db = await openSmall({
        scheme,
        pageBytes: pageBytesMin(scheme),
        cacheBytes: 0,
      });
      const state = new Map<string, Entry>();
      for (let round = 0; round < 5; round++) {
        using session = db.begin();
        for (const key of draw.shuffle([...keys])) {
          if (draw.chance(0.5)) continue;
          const value = draw.chance(0.5) ? values() : undefined;
          if (value === undefined) {
            session.delete(key);
            state.delete(key.toHex());
          } else {
            session.set(key, value);
            state.set(key.toHex(), [key, value]);
          }
        }
        await session.prepare().commit();
        assertEquals(db.root, oracleRoot(name, state.values()), kind);
      }
      await using fresh = await openSmall({ scheme });
      await commit(fresh, state.values());
      assertEquals(fresh.root, db.root);
    }
  }
});

Deno.test("keys and values of wrong length or type are refused and change nothing", async () => {
  for (const name of Object.keys(SCHEMES)) {
    const scheme = SCHEMES[name], isVariable = scheme.family === "eip8297";
    await using db = await openSmall({ scheme });
    const key = new Uint8Array(scheme.keyBytesMin).fill(3);
    const value = new Uint8Array(scheme.valueBytes ?? 5).fill(4);
    await commit(db, [[key, value]]);
    const { root } = db;
    using session = db.begin({ witness: true });
    const wrong = isVariable
      ? [0, 256, 8192]
      : [0, key.length - 1, key.length + 1, 64];
    for (const length of wrong) {
      const bad = new Uint8Array(length);
      const says = `received ${length}`;
      assertThrows(() => session.set(bad, value), RangeError, says);
      assertThrows(() => session.delete(bad), RangeError, says);
      assertThrows(() => session.get(bad), RangeError, says);
      assertThrows(() => session.has(bad), RangeError, says);
      assertThrows(() => session.warmUp([bad]), RangeError, says);
      assertThrows(() => db.get(bad), RangeError, says);
      assertThrows(() => db.has(bad), RangeError, says);
    }
    if (scheme.valueBytes !== undefined) {
      for (const length of [0, 31, 33, 64]) {
        const bad = new Uint8Array(length);
        assertThrows(() => session.set(key, bad), RangeError);
      }
    }
    for (
      const bad of ["text", undefined, null, 7, [1, 2], new ArrayBuffer(32)]
    ) {
      const not = bad as unknown as Uint8Array;
      assertThrows(() => session.set(not, value), TypeError);
      assertThrows(() => session.set(key, not), TypeError);
      assertThrows(() => db.get(not), TypeError);
    }
    using next = session.prepare();
    assertEquals(next.root, root);
    assertEquals(db.get(key), value);
  }
});

Deno.test("entries() gives what a sorted list gives, for all bounds", async () => {
  for (const name of Object.keys(SCHEMES)) {
    const scheme = SCHEMES[name], draw = random(`ranges ${name}`);
    for (const kind of KEY_KINDS) {
      const entries = drawEntries(name, kind, 130, draw)
        .sort(([a], [b]) => compareBytes(a, b));
      await using db = await openSmall({
        scheme,
        pageBytes: pageBytesMin(scheme),
      });
      await commit(db, entries);
      for (let i = 0; i < amount(40); i++) {
        const bound = (): Uint8Array => {
          const key = draw.pick(entries)[0].slice();
          if (draw.chance(0.4)) key[draw.int(key.length)] ^= 1 << draw.int(8);
          // A bound need not be a key of the scheme.
          return draw.chance(0.2) ? key.slice(0, draw.int(key.length)) : key;
        };
        assertRange(db, entries, drawRange(bound, draw));
      }
    }
  }
});

function drawRange(
  bound: () => Uint8Array,
  draw: ReturnType<typeof random>,
): Range {
  const low = draw.pick(["gt", "gte", undefined]);
  const high = draw.pick(["lt", "lte", undefined]);
  return {
    ...(low && { [low]: bound() }),
    ...(high && { [high]: bound() }),
    ...(draw.chance(0.5) && { reverse: true }),
    ...(draw.chance(0.3) && { limit: draw.int(140) }),
  };
}

function assertRange(
  db: Awaited<ReturnType<typeof openSmall>>,
  entries: readonly Entry[],
  range: Range,
): void {
  const { gt, gte, lt, lte, reverse, limit } = range;
  const inside = entries.filter(([key]) =>
    !(gt && compareBytes(key, gt) <= 0) &&
    !(gte && compareBytes(key, gte) < 0) &&
    !(lt && compareBytes(key, lt) >= 0) &&
    !(lte && compareBytes(key, lte) > 0)
  );
  if (reverse) inside.reverse();
  const text = ([key, value]: Entry) => `${key.toHex()} ${value.toHex()}`;
  assertEquals(
    Array.from(db.entries(range), text),
    inside.slice(0, limit).map(text),
    JSON.stringify(range, (_, v) => v instanceof Uint8Array ? v.toHex() : v),
  );
}

Deno.test("entries() sees one version, whatever is committed meanwhile", async () => {
  await using db = await openSmall({ pageBytes: 512, cacheBytes: 0 });
  const entries = drawEntries("nomt-blake3", "random", 300, random("meanwhile"))
    .sort(([a], [b]) => compareBytes(a, b));
  await commit(db, entries);
  const seen: Entry[] = [];
  for (const entry of db.entries()) {
    seen.push(entry);
    if (seen.length % 50 !== 1) continue;
    await commit(db, entries.slice(0, 290).map(([key]) => [key, undefined]));
    await db.checkpoint();
    await commit(db, entries);
  }
  assertEquals(seen, entries);
  const live = db.metrics().liveVersions;
  for (const _ of db.entries()) break;
  assertEquals(db.metrics().liveVersions, live);
});

Deno.test("entries() refuses bounds that exclude each other, and bad limits", async () => {
  await using db = await openSmall();
  const key = key32(1);
  using snapshot = db.snapshot();
  const bad: Range[] = [
    { gt: key, gte: key },
    { lt: key, lte: key },
    { gt: "key" as unknown as Uint8Array },
  ];
  for (const range of bad) {
    assertThrows(() => [...snapshot.entries(range)], TypeError);
  }
  for (const limit of [-1, NaN]) {
    assertThrows(() => [...snapshot.entries({ limit })], RangeError);
  }
});

Deno.test("open() refuses options that make no sense", async () => {
  for (
    const options of [
      { pageBytes: 256 },
      { pageBytes: 65536 },
      { pageBytes: 1000 },
      { segmentBytes: 512 },
      { segmentBytes: 1500 },
      { cacheBytes: -1 },
      { cacheBytes: NaN },
      { history: { commits: -1 } },
      { history: { bytes: NaN } },
      { checkpoint: { commits: 0 } },
      { durability: { everyCommits: 0 } },
      { scheme: "nomt-md5" as "nomt-blake3" },
      { scheme: "eip8297-blake3" as const, pageBytes: 512 },
    ]
  ) await assertRejects(() => openSmall(options), RangeError);
});

Deno.test("values and keys read are copies of their own, whatever they share", async () => {
  await using db = await openSmall({ scheme: "nomt-blake3" });
  // More than one shared buffer holds, with lengths on both sides of the border.
  const lengths = [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200];
  const draw = random("copies");
  const entries = Array.from({ length: 200 }, (_, i): Entry => {
    return [draw.bytes(32), draw.bytes(lengths[i % lengths.length])];
  }).sort((a, b) => compareBytes(a[0], b[0]));
  await commit(db, entries);
  const read = entries.map(([key]) => db.get(key)!);
  const listed = [...db.entries()];
  assertEquals(listed, entries);
  // Who writes to one, or behind one, changes no other and not the store.
  for (const [i, value] of read.entries()) {
    assertEquals(value, entries[i][1]);
    assertEquals(value.byteOffset % 8, 0);
    value.fill(0xee);
    listed[i][0].fill(0xee);
    listed[i][1].fill(0xee);
  }
  assertEquals([...db.entries()], entries);
  // One that is kept keeps little.
  assert(read.every((value) => value.buffer.byteLength <= 2048));
});
