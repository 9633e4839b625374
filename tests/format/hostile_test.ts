// Files made by hand, every checksum right: whatever they say, there are only
// typed errors, no endless loops, no allocation that the files do not justify.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CorruptError,
  FormatError,
  open,
  type OpenOptions,
  type Stemma,
} from "../../mod.ts";
import { encodeHeader, type Header } from "../../src/store/header.ts";
import { amount, type Random, random } from "../_amount.ts";
import {
  backendOf,
  changeChild,
  changeMap,
  changeRoot,
  childrenOf,
  copyOf,
  type Files,
  headerOf,
  isRefused,
  makeStore,
  pageOf,
  pageSum,
  setHeader,
  SMALL,
  useAll,
} from "./_forge.ts";

const KEYS = Array.from({ length: 40 }, (_, i) => {
  const key = new Uint8Array(32);
  key.set([i * 37 & 255, i, i * 91 & 255]);
  return key;
});

/** A store of one page with an overflow value. */
const onePage = (options = SMALL): Promise<Files> =>
  makeStore(async (db) => {
    await put(db, KEYS.slice(0, 2), 20);
    await put(db, KEYS.slice(2, 3), 700);
  }, options);

/** A store of several pages, with history and free pages. */
const manyPages = (options = SMALL): Promise<Files> =>
  makeStore(async (db) => {
    for (let i = 0; i < 4; i++) {
      await put(db, KEYS.slice(10 * i, 10 * i + 10), 20 + 10 * i);
      await db.checkpoint();
    }
    await put(db, KEYS.slice(0, 5), 700);
  }, options);

async function put(
  db: Stemma,
  keys: readonly Uint8Array[],
  bytes: number,
): Promise<void> {
  using session = db.begin();
  const length = db.scheme.valueBytes ?? bytes;
  for (const key of keys) session.set(key, new Uint8Array(length).fill(length));
  await session.prepare().commit();
}

/** The store with other fields in its only header. */
function withHeader(files: Files, fields: Partial<Header>): Files {
  const forged = copyOf(files);
  setHeader(forged, { ...headerOf(files), ...fields });
  return forged;
}

/** Asserts that opening is refused as corrupt, in the page file or the log. */
async function assertCorrupt(files: Files): Promise<void> {
  const backend = await backendOf(files);
  const error = await assertRejects(() => open(backend, SMALL), CorruptError);
  assert(error.file !== undefined, "the file is named");
}

Deno.test("open() opens a forged header that says what was there", async () => {
  const files = await manyPages();
  const outcomes = await useAll(withHeader(files, {}), KEYS);
  assertEquals(outcomes.filter((outcome) => outcome !== "good"), []);
});

Deno.test("open() refuses headers that say what cannot be", async () => {
  const files = await manyPages(), good = headerOf(files), { entry } = good;
  const wrong: Partial<Header>[] = [
    ...[0, 1, 256, 513, 1000, 65536, 2 ** 31].map((pageBytes) => ({
      pageBytes,
    })),
    ...[0, 1, 512, 1025, 2 ** 27, 2 ** 31].map((segmentBytes) => ({
      segmentBytes,
    })),
    { pageCount: 0 },
    { pageCount: 2 ** 32 },
    { pageCount: 2 ** 52 },
    { rootPage: 0 },
    { rootPage: good.pageCount + 1 },
    { rootPage: 2 ** 32 - 1 },
    { rootSum: new Uint32Array(2) },
    { rootDepth: 2048 },
    { rootDepth: 2 ** 32 - 1 },
    { generation: 2 ** 52 },
    { versionId: 2 ** 52 },
    { mapPage: 0 },
    { mapPage: 2 ** 40 },
    { mapPage: good.pageCount + 1 },
    { mapBytes: 2 ** 40 },
    { mapBytes: 2 ** 31 },
    { mapBytes: 1 },
    { mapSum: new Uint32Array(2) },
    { windowStart: good.logPosition + 1 },
    { windowStart: 2 ** 52 },
    { logPosition: 2 ** 52 },
    { entry: { ...entry, root: new Uint8Array(32) } },
    { entry: { ...entry, undoTo: entry.sequence } },
    { entry: { ...entry, undoTo: 2 ** 50 } },
    { entry: { ...entry, sequence: 2 ** 52 } },
  ];
  for (const fields of wrong) await assertCorrupt(withHeader(files, fields));
});

Deno.test("open() refuses numbers past 2^53 in a header", async () => {
  const files = await manyPages();
  for (const at of [48, 56, 64, 72, 128, 144, 152, 160, 168, 176, 184, 192]) {
    const bytes = encodeHeader(headerOf(files));
    bytes[at + 7] = 0x80;
    const sum = new Uint8Array(8);
    bytes.fill(0, 248, 256);
    const { storeId } = { storeId: new Uint32Array(2) };
    const found = pageSum({ ...headerOf(files), storeId }, 0, bytes);
    sum.set(new Uint8Array(found.buffer));
    bytes.set(sum, 248);
    const forged = copyOf(files);
    forged.pages.fill(0, 0, 16384);
    forged.pages.set(bytes, 0);
    const backend = await backendOf(forged);
    await assertRejects(() => open(backend, SMALL), CorruptError);
  }
});

Deno.test("open() refuses versions, checksums and features that it does not know", async () => {
  const files = await manyPages();
  for (const at of [8, 16, 28, 32]) {
    const bytes = encodeHeader(headerOf(files));
    bytes[at] ^= 2;
    bytes.fill(0, 248, 256);
    const storeId = new Uint32Array(2);
    const sum = pageSum({ ...headerOf(files), storeId }, 0, bytes);
    bytes.set(new Uint8Array(sum.buffer), 248);
    const forged = copyOf(files);
    forged.pages.fill(0, 0, 16384);
    forged.pages.set(bytes, 0);
    const backend = await backendOf(forged);
    await assertRejects(() => open(backend, SMALL), FormatError);
  }
});

Deno.test("open() refuses pages too small for the scheme's terminals", async () => {
  const options = { scheme: "eip8297-blake3", cacheBytes: 0 } as const;
  const files = await makeStore((db) => put(db, KEYS, 32), options);
  const forged = withHeader(files, { pageBytes: 512 });
  const backend = await backendOf(forged);
  await assertRejects(() => open(backend, options), CorruptError);
});

Deno.test("open() refuses segment tables with places far behind the file, twice the same, or without the log's end", async () => {
  const files = await manyPages(), header = headerOf(files);
  // The table is at the end: first, count, places, each one byte here.
  const map = pageOf(files, header, header.mapPage)
    .slice(0, header.mapBytes);
  let count = 1;
  while (map[map.length - 1 - count] !== count) count++;
  const places = header.mapBytes - count, first = places - 2;
  const changes: ((map: Uint8Array) => void)[] = [
    (map) => map[places] = 127,
    (map) => map[places] = map[places + 1],
    (map) => map[first] = 127,
    (map) => map[first] += 1,
    (map) => map[places - 1] = 0,
    (map) => map[places - 1] = 127,
  ];
  for (const change of changes) await assertCorrupt(changeMap(files, change));
});

Deno.test("a page whose free list leads out of it is refused", async () => {
  const files = await onePage();
  for (const free of [0, 1, 200, 0xfffe]) {
    const forged = changeRoot(files, (page) => {
      new DataView(page.buffer, page.byteOffset).setUint16(18, free, true);
    });
    assert(isRefused(await useAll(forged, KEYS)), `free list at ${free}`);
  }
});

Deno.test("a page refers to no page without a checksum, and is no mere reference", async () => {
  const files = await manyPages(), header = headerOf(files);
  const root = pageOf(files, header, header.rootPage);
  const [child] = childrenOf(root);
  for (const zeros of [[0, 4], [4, 12]]) {
    const forged = changeRoot(files, (page) => {
      const [from, to] = zeros;
      page.fill(0, child + from, child + to);
    });
    assert(isRefused(await useAll(forged, KEYS)));
  }
});

Deno.test("a terminal that takes more than a quarter of a page is refused", async () => {
  const files = await makeStore((db) => put(db, KEYS.slice(0, 1), 20));
  for (const length of [20, 48, 52, 300, 304]) {
    const forged = changeRoot(files, (page) => {
      const view = new DataView(page.buffer, page.byteOffset, page.length);
      const record = page.length - 32 - Math.ceil(length / 4) * 4;
      const key = view.getUint16(162, true);
      page.copyWithin(record, key, key + 32);
      view.setUint16(20, record, true);
      view.setUint16(162, record, true);
      view.setUint16(164, length, true);
    });
    const [opened, read] = await useAll(forged, KEYS);
    assertEquals(opened, "good");
    assertEquals(read === "good", length <= 48, `${length} bytes`);
  }
});

Deno.test("large values longer than any value, or nowhere, are refused", async () => {
  const files = await onePage(), header = headerOf(files);
  const root = pageOf(files, header, header.rootPage);
  const view = new DataView(root.buffer, root.byteOffset, root.length);
  let record = -1;
  for (let n = 0; n < view.getUint16(14, true); n++) {
    const meta = 32 + (n >> 2) * 160 + 128 + (n & 3) * 8;
    const flags = view.getUint16(meta, true);
    if (flags >> 14 === 2 && (flags & 1 << 11) !== 0) {
      record = view.getUint16(meta + 2, true) + 32;
    }
  }
  assert(record > 0, "the store has a large value");
  for (
    const [at, value] of [
      [0, 2 ** 32 - 1],
      [0, 2 ** 29 + 1],
      [0, 2 ** 29],
      [4, 0],
      [4, 2 ** 32 - 1],
    ]
  ) {
    const forged = changeRoot(files, (page) => {
      new DataView(page.buffer, page.byteOffset)
        .setUint32(record + at, value, true);
    });
    assert(isRefused(await useAll(forged, KEYS)), `${value} at ${at}`);
  }
});

/** Numbers at which lengths, offsets and counts go wrong. */
const NUMBERS = [0, 1, 2, 3, 4, 7, 31, 32, 40, 255, 256, 511, 512, 2047, 65535];

/** Puts a few numbers of 16 bits into a page, more into its front. */
function spoil(page: Uint8Array, draw: Random): void {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  for (let n = 1 + draw.int(3); n > 0; n--) {
    const at = 2 * draw.int(draw.chance(0.5) ? page.length / 2 : 100);
    const value = draw.chance(0.7) ? draw.pick(NUMBERS) : draw.int(65536);
    view.setUint16(at, value, true);
  }
}

Deno.test("a root page whose root is not where the header says is refused by every reader", async () => {
  const files = await manyPages();
  const { rootDepth } = headerOf(files);
  for (const depth of [rootDepth + 1, 200]) {
    const forged = withHeader(files, { rootDepth: depth });
    const read: ((db: Stemma) => unknown)[] = [
      (db) => db.get(KEYS[0]),
      (db) => [...db.entries()],
      (db) => db.snapshot().prove([KEYS[0]]),
      (db) => db.snapshot().prove({ ranges: [{ gte: KEYS[0] }] }),
    ];
    for (const step of read) {
      const db = await open(await backendOf(forged), {
        ...SMALL,
        create: "never",
      });
      await assertRejects(async () => await step(db), CorruptError);
      await db.abandon();
    }
  }
});

Deno.test("whatever a page says, there are only typed errors", async () => {
  const draw = random("pages");
  const schemes: OpenOptions[] = [
    SMALL,
    { ...SMALL, scheme: "eip7864-blake3" },
    { ...SMALL, scheme: "eip8297-blake3", pageBytes: 2048 },
  ];
  const stores = await Promise.all(
    schemes.map(async (options) => ({
      options,
      files: [await onePage(options), await manyPages(options)],
    })),
  );
  for (let i = 0; i < amount(200); i++) {
    const { options, files } = draw.pick(stores);
    const forged = draw.chance(0.5)
      ? changeRoot(draw.pick(files), (page) => spoil(page, draw))
      : changeChild(files[1], draw.u32(), (page) => spoil(page, draw));
    await useAll(forged, KEYS, options);
  }
});

Deno.test("whatever a map says, there are only typed errors", async () => {
  const draw = random("maps");
  const files = await manyPages();
  for (let i = 0; i < amount(100); i++) {
    const forged = changeMap(files, (map) => {
      for (let n = 1 + draw.int(3); n > 0; n--) {
        map[draw.int(map.length)] = draw.int(256);
      }
    });
    await useAll(forged, KEYS);
  }
});

Deno.test("whatever a header says, there are only typed errors", async () => {
  const draw = random("headers");
  const files = await manyPages(), good = headerOf(files);
  const number = (value: number): number =>
    draw.pick([
      value - 1,
      value + 1,
      2 * value,
      draw.pick(NUMBERS),
      2 ** draw.int(53),
    ].filter((n) => n >= 0));
  for (let i = 0; i < amount(100); i++) {
    const header = { ...good, entry: { ...good.entry } };
    for (let n = 1 + draw.int(2); n > 0; n--) {
      const of = draw.chance(0.3) ? header.entry : header;
      const fields = of as unknown as Record<string, unknown>;
      const name = draw.pick(Object.keys(fields));
      const value = fields[name];
      if (typeof value === "number") fields[name] = number(value);
    }
    const forged = copyOf(files);
    setHeader(forged, header);
    await useAll(forged, KEYS);
  }
});

Deno.test("values that look like frames do not make opening slow", async () => {
  // One value for each way that it may lie among multiples of eight.
  const values = Array.from({ length: 8 }, (_, pad) => {
    const value = new Uint8Array(500_000), view = new DataView(value.buffer);
    for (let at = pad; at + 8 <= value.length; at += 8) {
      view.setUint32(at, 0x6d724674, true);
      view.setUint32(at + 4, Math.max(0, value.length - at - 2000), true);
    }
    return value;
  });
  const options = { cacheBytes: 1 << 20 };
  const files = await makeStore(
    async (db) => {
      for (const [i, value] of values.entries()) {
        using session = db.begin();
        session.set(KEYS[i], value);
        await session.prepare().commit();
      }
    },
    options,
    (db) => db.abandon(),
  );
  // Without the first record's beginning the log ends there, and all that
  // follows is looked through.
  const forged = copyOf(files);
  forged.log.fill(0, 32, 40);
  const start = performance.now();
  const backend = await backendOf(forged);
  await open(backend, options).then((db) => db.close(), () => {});
  assert(performance.now() - start < 5000, "opening takes no time to speak of");
});
