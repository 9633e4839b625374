// What the benchmark does to a store: batches of reads and writes that depend on
// the seed alone, so that every peer gets the same ones. Names and parameters of
// the first four are those of NOMT's benchtop.

import { random, spreadKey, spreadOrder, valueOf } from "./random.ts";

/** Reads, then writes that are committed together. */
export interface Batch {
  readonly reads: readonly Uint8Array[];
  readonly keys: readonly Uint8Array[];
  /** Value of each key; `undefined` deletes it. */
  readonly values: readonly (Uint8Array | undefined)[];
}

/** A workload: what is in the store before, and what each iteration does. */
export interface Workload {
  readonly name: string;
  /** Scheme of a store that this is made for. */
  readonly scheme: string;
  /** Whether keys and values are all of 32 bytes, as some peers want it. */
  readonly isFixed: boolean;
  /** What the sizes of values are, when they differ. */
  readonly note?: string;
  /** The state to begin with, in batches. */
  load(): Iterable<Batch>;
  /** The same in the order of keys, for a state that is loaded in bulk. */
  loadInOrder?(): Iterable<Batch>;
  /** Iterations one after another; each call begins again. */
  iterations(): Generator<Batch, never>;
}

/** Parameters that all workloads share. */
export interface WorkloadOptions {
  /** Keys before the first iteration: 2^capacity. */
  readonly capacity: number;
  /** Operations of one iteration. */
  readonly size: number;
  /** Percentage of operations on keys that are not in the store. */
  readonly fresh: number;
  /** `randrw`: percentage of operations that read. */
  readonly reads: number;
  /** Percentage of writes that delete. */
  readonly deletes: number;
  readonly seed: number;
}

const KEY_BYTES = 32;
const VALUE_BYTES = 32;
const LOAD_KEYS = 1 << 16;
/** `jam`: keys, writes of a commit, and value sizes. */
const JAM = { keys: 10_000, writes: 10, median: 100, sigma: 2, most: 150_000 };
/** `ethereum`: slots that a stem has in the beginning. */
const SLOTS = 4;

/** Names of all workloads. */
export const WORKLOADS = [
  "randr",
  "randw",
  "randrw",
  "transfer",
  "jam",
  "ethereum",
] as const;

/** Name of a workload. */
export type WorkloadName = typeof WORKLOADS[number];

/** Makes a workload. */
export function workload(
  name: WorkloadName,
  options: WorkloadOptions,
): Workload {
  switch (name) {
    case "randr":
      return access(name, { ...options, reads: 100 });
    case "randw":
      return access(name, { ...options, reads: 0 });
    case "randrw":
      return access(name, options);
    case "transfer":
      return transfer(options);
    case "jam":
      return jam(options.seed);
    case "ethereum":
      return ethereum(options);
  }
}

function* loadKeys(
  count: number,
  key: (index: number) => Uint8Array,
  value: (index: number) => Uint8Array,
  order?: Float64Array,
): Generator<Batch> {
  for (let from = 0; from < count; from += LOAD_KEYS) {
    const keys: Uint8Array[] = [], values: Uint8Array[] = [];
    for (let i = from; i < Math.min(count, from + LOAD_KEYS); i++) {
      const index = order?.[i] ?? i;
      keys.push(key(index));
      values.push(value(index));
    }
    yield { reads: [], keys, values };
  }
}

/** Random reads and writes: `randr`, `randw` and `randrw`. */
function access(name: WorkloadName, options: WorkloadOptions): Workload {
  const { capacity, size, fresh, reads, deletes, seed } = options;
  const count = 2 ** capacity;
  const key = (index: number): Uint8Array => spreadKey(index, KEY_BYTES);
  const value = (index: number): Uint8Array => valueOf(index, VALUE_BYTES);
  return {
    name,
    scheme: "nomt-blake3",
    isFixed: true,
    load: () => loadKeys(count, key, value),
    loadInOrder: () => loadKeys(count, key, value, spreadOrder(count)),
    *iterations() {
      const { int } = random(seed);
      let known = count;
      // Reads of absent keys must not become present ones later.
      let absent = 2 ** 31;
      for (let stamp = 1 << 30;;) {
        const batch = { reads: [], keys: [], values: [] } as Parts;
        const readable = known;
        for (let i = 0; i < size; i++, stamp++) {
          const isRead = int(100) < reads, isFresh = int(100) < fresh;
          const old = int(readable);
          if (isRead) batch.reads.push(key(isFresh ? absent++ : old));
          else {
            const isDelete = !isFresh && int(100) < deletes;
            batch.keys.push(key(isFresh ? known++ : old));
            batch.values.push(
              isDelete ? undefined : valueOf(stamp, VALUE_BYTES),
            );
          }
        }
        yield batch;
      }
    },
  };
}

interface Parts {
  reads: Uint8Array[];
  keys: Uint8Array[];
  values: (Uint8Array | undefined)[];
}

/** Each operation reads two accounts and writes both; some receivers are new. */
function transfer({ capacity, size, fresh, seed }: WorkloadOptions): Workload {
  const key = (index: number): Uint8Array => spreadKey(index, KEY_BYTES);
  return {
    name: "transfer",
    scheme: "nomt-blake3",
    isFixed: true,
    load: () => loadKeys(2 ** capacity, key, (i) => valueOf(i, VALUE_BYTES)),
    *iterations() {
      const { int } = random(seed);
      let known = 2 ** capacity;
      for (let stamp = 1 << 30;;) {
        const batch = { reads: [], keys: [], values: [] } as Parts;
        for (let i = 0; i < size; i++) {
          const from = key(int(known));
          const to = key(int(100) < fresh ? known++ : int(known));
          batch.reads.push(from, to);
          batch.keys.push(from, to);
          batch.values.push(
            valueOf(stamp++, VALUE_BYTES),
            valueOf(stamp++, VALUE_BYTES),
          );
        }
        yield batch;
      }
    },
  };
}

/** Bytes of a JAM value: log-normal, cut off. */
function jamBytes(normal: number): number {
  const { median, sigma, most } = JAM;
  return Math.min(most, Math.round(median * Math.exp(sigma * normal)));
}

/** Small commits with values of very different sizes. */
function jam(seed: number): Workload {
  const key = (index: number): Uint8Array => spreadKey(index, 31);
  const sizes = Array.from(
    { length: JAM.keys },
    ((source) => () => jamBytes(source.normal()))(random(seed)),
  );
  const sorted = sizes.toSorted((a, b) => a - b);
  const mean = sizes.reduce((sum, bytes) => sum + bytes, 0) / JAM.keys;
  return {
    name: "jam",
    scheme: "jam-blake2b",
    isFixed: false,
    note: `value bytes: median ${sorted[JAM.keys / 2]}, mean ${
      mean.toFixed(0)
    }, maximum ${sorted[JAM.keys - 1]}; seed ${seed}`,
    load: () => loadKeys(JAM.keys, key, (i) => valueOf(i, sizes[i])),
    *iterations() {
      const source = random(seed + 1);
      for (let stamp = 1 << 30;;) {
        const batch = { reads: [], keys: [], values: [] } as Parts;
        for (let i = 0; i < JAM.writes; i++) {
          batch.keys.push(key(source.int(JAM.keys)));
          batch.values.push(valueOf(stamp++, jamBytes(source.normal())));
        }
        yield batch;
      }
    },
  };
}

/** Writes to stems of several slots; fresh ones add a slot or a stem. */
function ethereum(options: WorkloadOptions): Workload {
  const { capacity, size, fresh, deletes, seed } = options;
  const stems = Math.ceil(2 ** capacity / SLOTS);
  const key = (stem: number, slot: number): Uint8Array => {
    const bytes = spreadKey(stem, 32);
    bytes[31] = slot;
    return bytes;
  };
  return {
    name: "ethereum",
    scheme: "eip7864-sha256",
    isFixed: true,
    load: () =>
      loadKeys(
        stems * SLOTS,
        (i) => key(Math.floor(i / SLOTS), i % SLOTS),
        (i) => valueOf(i, VALUE_BYTES),
      ),
    *iterations() {
      const { int } = random(seed);
      let known = stems;
      for (let stamp = 1 << 30;;) {
        const batch = { reads: [], keys: [], values: [] } as Parts;
        for (let i = 0; i < size;) {
          // A transaction's writes: up to four slots of one account.
          const isFresh = int(100) < fresh;
          const stem = isFresh && int(2) === 0 ? known++ : int(known);
          const first = isFresh ? SLOTS + int(256 - 2 * SLOTS) : 0;
          for (let slot = int(SLOTS); slot < SLOTS && i < size; slot++, i++) {
            batch.keys.push(key(stem, first + slot));
            const isDelete = !isFresh && int(100) < deletes;
            batch.values.push(
              isDelete ? undefined : valueOf(stamp++, VALUE_BYTES),
            );
          }
        }
        yield batch;
      }
    },
  };
}
