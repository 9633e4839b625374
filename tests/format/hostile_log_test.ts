// Logs made by hand, every checksum right: records that contradict themselves or
// the tree, batches that end too early, lengths that nothing holds.

import { assert, assertEquals } from "@std/assert";
import { CorruptError, type OpenOptions, type Stemma } from "../../mod.ts";
import { amount, random } from "../_amount.ts";
import {
  changeLog,
  type Files,
  isRefused,
  makeStore,
  resealRecord,
  SMALL,
  useAll,
} from "./_forge.ts";

const KEYS = Array.from({ length: 12 }, (_, i) => {
  const key = new Uint8Array(32);
  key.set([32, i * 37 & 255, i]);
  return key;
});

const OPTIONS: readonly OpenOptions[] = [
  SMALL,
  { ...SMALL, scheme: "eip7864-sha256" },
  { ...SMALL, scheme: "eip8297-blake3", pageBytes: 2048 },
];

/** A store whose six records are all in the log, none in a header. */
function logOnly(options: OpenOptions): Promise<Files> {
  return makeStore(
    async (db) => {
      for (let i = 0; i < 4; i++) {
        await put(db, KEYS.slice(3 * i, 3 * i + 3), i);
      }
      await db.rollback(1);
      await put(db, KEYS.slice(0, 2), 9);
    },
    options,
    (db) => db.abandon(),
  );
}

async function put(
  db: Stemma,
  keys: readonly Uint8Array[],
  round: number,
): Promise<void> {
  using session = db.begin();
  const length = db.scheme.valueBytes ?? 30 + 200 * round;
  for (const key of keys) session.set(key, new Uint8Array(length).fill(round));
  await session.prepare().commit({ meta: new Uint8Array(round) });
}

/** Changes the first record of the log. */
function changeFirst(
  files: Files,
  change: (payload: Uint8Array, frame: Uint8Array) => void,
): Files {
  let isDone = false;
  return changeLog(files, (payload, _, frame) => {
    if (isDone) return;
    isDone = true;
    change(payload, frame);
    resealRecord(payload, 1);
  });
}

Deno.test("open() opens a log that was put right again and says what it said", async () => {
  for (const options of OPTIONS) {
    const forged = changeLog(await logOnly(options), () => {});
    const outcomes = await useAll(forged, KEYS, options);
    assertEquals(outcomes.filter((outcome) => outcome !== "good"), []);
  }
});

Deno.test("open() refuses records that cannot be", async () => {
  const files = await logOnly(SMALL);
  const changes: ((payload: Uint8Array, frame: Uint8Array) => void)[] = [
    (payload) => payload[0] = 3, // kind
    (payload) => payload[8] = 1, // goes back to itself
    (payload) => payload[15] = 0x80, // a number past 2^53
    (payload) => payload[64] ^= 1, // root after
    (payload) => payload[104] = 0, // no batch
    (payload) => payload[105] = 4, // flags
    (payload) => payload[106] ^= 1, // key
    (payload) => payload.fill(255, 138, 143), // value's length
    (payload) => payload[138] = 127,
  ];
  for (const [i, change] of changes.entries()) {
    const [outcome] = await useAll(changeFirst(files, change), KEYS);
    assert(outcome instanceof CorruptError, `change ${i}`);
  }
});

Deno.test("open() refuses values of a length that the scheme does not take", async () => {
  for (const options of OPTIONS.slice(1)) {
    const files = await logOnly(options);
    const shift = options.scheme === "eip8297-blake3" ? 1 : 0;
    for (const length of [0, 31, 33, 100]) {
      const forged = changeFirst(files, (payload) => {
        assertEquals(payload[138 + shift], 32);
        payload[138 + shift] = length;
      });
      assert(isRefused(await useAll(forged, KEYS, options)));
    }
  }
});

Deno.test("whatever a log says, there are only typed errors", async () => {
  const draw = random("logs");
  const stores = await Promise.all(OPTIONS.map(logOnly));
  for (let i = 0; i < amount(200); i++) {
    const which = draw.int(stores.length);
    const target = draw.int(8);
    let frames = 0, sequence = 0;
    const forged = changeLog(stores[which], (payload, isFirst, frame) => {
      if (isFirst) sequence++;
      if (frames++ !== target || payload.length === 0) return;
      for (let n = 1 + draw.int(3); n > 0; n--) {
        const at = draw.chance(0.5)
          ? draw.int(Math.min(payload.length, 150))
          : draw.int(payload.length);
        payload[at] = draw.pick([0, 1, 2, 3, 127, 128, 255, draw.int(256)]);
      }
      if (draw.chance(0.2)) frame[40] = draw.int(4);
      if (isFirst && draw.chance(0.8)) resealRecord(payload, sequence);
    });
    await useAll(forged, KEYS, OPTIONS[which]);
  }
});
