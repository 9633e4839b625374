// This module is browser compatible.
//
// A client that trusts one root and believes nothing else: it verifies what
// strangers say before it keeps it, answers from what it has verified, and moves
// on only by witnesses. What it does not know is "unknown", never "absent".

import {
  decodePartial,
  mergeTrees,
  type PartialTree,
  type Present,
  ProofError,
  type Query,
  type Scheme,
  type Verdict,
  verify,
  verifyWitness,
} from "@stemma/verify/core";
import { type Cell, Cells } from "./cells.ts";
import { LightError } from "./errors.ts";
import type { LightStorage } from "./storage.ts";

/** A root that the app trusts: from its release, its user, or a consensus. */
export interface Checkpoint {
  /** Number of the state; grows by one with each commit. */
  readonly height: number;
  /** Root of the state: 32 bytes. */
  readonly root: Uint8Array;
  /** When the state was the newest, in milliseconds since 1970. */
  readonly time: number;
}

/** Options of {@linkcode LightClient.open}. */
export interface LightOptions {
  /** How the tree is hashed. */
  readonly scheme: Scheme;
  /** The root to start from, and to start from again when nothing is stored. */
  readonly checkpoint: Checkpoint;
  /** Where the client keeps itself; in memory only if not given. */
  readonly storage?: LightStorage;
  /**
   * Age past which a root says nothing about the present, in milliseconds.
   *
   * @default {Infinity}
   */
  readonly maxAgeMs?: number;
  /**
   * Bytes of verified cells, and of the verified tree, that are kept.
   *
   * @default {1048576}
   */
  readonly bytesMax?: number;
  /**
   * The clock, in milliseconds since 1970.
   *
   * @default {Date.now}
   */
  readonly now?: () => number;
}

/** What a light client knows of a key. */
export type LightVerdict =
  | Present
  | { readonly status: "absent" }
  | { readonly status: "unknown" };

const UNKNOWN: LightVerdict = { status: "unknown" };
const ABSENT: LightVerdict = { status: "absent" };
const MAGIC = 0x53544c31; // "STL1"
const HEAD_BYTES = 4 + 1 + 8 + 8 + 32;
const HASH_BYTES = 32;

/**
 * Holds a trusted root and what was verified against it.
 *
 * @example Follow a store without having it
 * ```ts
 * import { LightClient } from "@stemma/db/light";
 * import { nomtBlake3 } from "@stemma/verify/nomt_blake3";
 * import { memoryBackend, open } from "@stemma/db";
 * import { assertEquals } from "@std/assert";
 *
 * await using db = await open(memoryBackend());
 * const light = await LightClient.open({
 *   scheme: nomtBlake3,
 *   checkpoint: { height: 0, root: db.root, time: Date.now() },
 * });
 *
 * const key = new Uint8Array(32).fill(7);
 * using session = db.begin({ witness: true });
 * session.set(key, new Uint8Array([1]));
 * const next = session.prepare();
 * await next.commit();
 * light.advance(next.witness!, { height: 1 });
 *
 * using snapshot = db.snapshot();
 * assertEquals(light.get(key).status, "unknown");
 * light.accept({ keys: [key] }, snapshot.prove(key));
 * assertEquals(light.get(key).status, "present");
 * ```
 */
export class LightClient {
  /** How the tree is hashed. */
  readonly scheme: Scheme;
  readonly #storage: LightStorage | undefined;
  readonly #maxAgeMs: number;
  readonly #bytesMax: number;
  readonly #now: () => number;
  readonly #cells: Cells;
  #trusted: Checkpoint;
  /** Everything that was verified against the present root. */
  #tree: PartialTree | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isSaveDue = false;

  private constructor(options: LightOptions) {
    this.scheme = options.scheme;
    this.#storage = options.storage;
    this.#maxAgeMs = options.maxAgeMs ?? Infinity;
    this.#bytesMax = options.bytesMax ?? 1 << 20;
    this.#now = options.now ?? Date.now;
    this.#cells = new Cells(this.#bytesMax);
    this.#trusted = copyCheckpoint(options.checkpoint);
  }

  /**
   * Opens a client: with what it has stored, when that is whole and not below
   * the checkpoint; otherwise from the checkpoint alone.
   *
   * @param options Scheme, checkpoint, where to keep itself, and bounds.
   * @returns The client.
   * @throws {LightError} `stale-root` when the root it would trust is too old.
   */
  static async open(options: LightOptions): Promise<LightClient> {
    const client = new LightClient(options);
    const stored = await options.storage?.load();
    if (stored !== undefined) client.#restore(stored);
    client.#refuseAge(client.#trusted.time);
    return client;
  }

  /** The state that is trusted now; the root is a copy. */
  get trusted(): Checkpoint {
    return copyCheckpoint(this.#trusted);
  }

  /** The trusted root: 32 bytes, a copy. */
  get root(): Uint8Array {
    return this.#trusted.root.slice();
  }

  /** Number of the trusted state. */
  get height(): number {
    return this.#trusted.height;
  }

  /** Bytes and number of the verified cells that are kept. */
  get size(): { readonly bytes: number; readonly cells: number } {
    return { bytes: this.#cells.byteLength, cells: this.#cells.count };
  }

  /**
   * What is known of a key in the trusted state.
   *
   * @param key A key of the scheme.
   * @returns The value, or that it is absent, or that nothing is known.
   * @throws {LightError} `stale-root` when the trusted root is too old.
   */
  get(key: Uint8Array): LightVerdict {
    this.#refuseAge(this.#trusted.time);
    const cell = this.#cells.get(key);
    if (cell !== undefined) return this.#verdictOf(cell);
    const seen = this.#tree?.get(key);
    return seen === undefined || seen.status === "not covered" ? UNKNOWN : seen;
  }

  /**
   * Verifies a proof against the trusted root and keeps what it shows.
   *
   * @param query The keys and ranges that the proof is of.
   * @param proof From anybody.
   * @returns What the proof shows, merged with what was verified before.
   * @throws {ProofError} When anything is wrong; nothing is kept then.
   */
  accept(query: Query, proof: Uint8Array): PartialTree {
    this.#refuseAge(this.#trusted.time);
    const shown = verify(this.scheme, this.#trusted.root, query, proof);
    const merged = this.#tree === undefined
      ? shown
      : mergeTrees(this.#tree, shown);
    this.#tree = merged.data.length > this.#bytesMax ? shown : merged;
    for (const key of query.keys ?? []) this.#learn(key, shown.get(key));
    this.#saveSoon();
    return this.#tree;
  }

  /**
   * Moves to the next state by its witness: what is known of keys that it does
   * not write stays true, and what it writes is learned for keys that were
   * known.
   *
   * @param witness From anybody.
   * @param to Height of the new state, and its time (now if not given).
   * @returns The new trusted state.
   * @throws {ProofError} When the witness is not of the trusted root, or wrong.
   * @throws {LightError} `stale-root` for a height that is not above, or a time
   *   that is too old.
   */
  advance(
    witness: Uint8Array,
    to: { readonly height: number; readonly time?: number },
  ): Checkpoint {
    const { height, time = this.#now() } = to;
    if (!(height > this.#trusted.height)) throw lower(height, this.#trusted);
    this.#refuseAge(time);
    const step = verifyWitness(this.scheme, this.#trusted.root, witness);
    for (const key of step.reads) this.#learn(key, step.tree.get(key));
    for (const { key, value } of step.writes) {
      const known = this.#cells.has(key) || this.#isCovered(key);
      if (known) this.#cells.set(key, cellOf(value));
    }
    this.#tree = undefined;
    this.#trusted = { height, time, root: step.root.slice() };
    this.#saveSoon();
    return this.trusted;
  }

  /**
   * Trusts another root on the app's word. What was verified is forgotten,
   * unless it is the root that is trusted already.
   *
   * @param checkpoint The state to trust, not below the present one.
   * @throws {LightError} `stale-root` when it is lower or too old; `fork` when
   *   it has the present height and another root.
   */
  trust(checkpoint: Checkpoint): void {
    const { height, root, time } = copyCheckpoint(checkpoint);
    const same = equal(root, this.#trusted.root);
    if (height < this.#trusted.height) throw lower(height, this.#trusted);
    if (height === this.#trusted.height && !same) {
      throw new LightError(
        "fork",
        `Cannot trust root: another one of height ${height} is trusted`,
      );
    }
    this.#refuseAge(time);
    this.#trusted = { height, root, time };
    if (!same) this.#forget();
    this.#saveSoon();
  }

  /**
   * Waits until everything so far is stored.
   *
   * @throws When storing failed: whatever the storage throws.
   */
  saved(): Promise<void> {
    return this.#saving;
  }

  #learn(key: Uint8Array, verdict: Verdict): void {
    if (verdict.status === "absent") this.#cells.set(key, cellOf(undefined));
    else if (verdict.status === "present") {
      const { value, valueHash } = verdict;
      this.#cells.set(
        key,
        value ? cellOf(value) : { kind: "hash", bytes: valueHash! },
      );
    }
  }

  #isCovered(key: Uint8Array): boolean {
    try {
      return (this.#tree?.get(key).status ?? "not covered") !== "not covered";
    } catch (error) {
      if (error instanceof ProofError) return false;
      throw error;
    }
  }

  #verdictOf({ kind, bytes }: Cell): LightVerdict {
    if (kind === "absent") return ABSENT;
    const { scheme } = this;
    const held = bytes.slice();
    return {
      status: "present",
      value: kind === "value" ? held : undefined,
      valueHash: kind === "hash" ? held : undefined,
      matches: (value) =>
        equal(kind === "value" ? value : scheme.hash(value), bytes),
    };
  }

  #refuseAge(time: number): void {
    const age = this.#now() - time;
    if (age <= this.#maxAgeMs) return;
    throw new LightError(
      "stale-root",
      `Cannot use root: it is ${age} ms old: at most ${this.#maxAgeMs} allowed`,
    );
  }

  #forget(): void {
    this.#cells.clear();
    this.#tree = undefined;
  }

  /** Stores the present state; states that come meanwhile share the next one. */
  #saveSoon(): void {
    const storage = this.#storage;
    if (storage === undefined || this.#isSaveDue) return;
    this.#isSaveDue = true;
    const before = this.#saving.catch(() => {});
    this.#saving = before.then(async () => {
      await Promise.resolve();
      this.#isSaveDue = false;
      await storage.save(this.#encode());
    });
    this.#saving.catch(() => {});
  }

  #encode(): Uint8Array {
    const cells = this.#cells.encode();
    const proof = this.#tree?.data ?? new Uint8Array(0);
    const end = HEAD_BYTES + cells.length + proof.length;
    const out = new Uint8Array(end + HASH_BYTES);
    const view = new DataView(out.buffer);
    view.setUint32(0, MAGIC);
    view.setUint8(4, this.scheme.id);
    view.setFloat64(5, this.#trusted.height);
    view.setFloat64(13, this.#trusted.time);
    out.set(this.#trusted.root, 21);
    out.set(cells, HEAD_BYTES);
    out.set(proof, HEAD_BYTES + cells.length);
    out.set(this.scheme.hash(out.subarray(0, end)), end);
    return out;
  }

  /** Takes over what was stored, unless it is damaged, foreign or behind. */
  #restore(stored: Uint8Array): void {
    const end = stored.length - HASH_BYTES;
    if (end < HEAD_BYTES + 4) return;
    const { scheme } = this;
    const whole = stored.subarray(0, end);
    if (!equal(scheme.hash(whole), stored.subarray(end))) return;
    const view = new DataView(stored.buffer, stored.byteOffset);
    if (view.getUint32(0) !== MAGIC || stored[4] !== scheme.id) return;
    const found: Checkpoint = {
      height: view.getFloat64(5),
      time: view.getFloat64(13),
      root: stored.slice(21, HEAD_BYTES),
    };
    const { height, root, time } = this.#trusted;
    if (found.height < height) return;
    if (found.height === height && !equal(found.root, root)) return;
    const at = HEAD_BYTES + this.#cells.decode(whole.subarray(HEAD_BYTES));
    if (at < end) {
      this.#tree = decodePartial(scheme, found.root, whole.subarray(at));
    }
    this.#trusted = { ...found, time: Math.max(found.time, time) };
    if (found.height !== height) this.#trusted = found;
  }
}

function cellOf(value: Uint8Array | undefined): Cell {
  return value === undefined
    ? { kind: "absent", bytes: new Uint8Array(0) }
    : { kind: "value", bytes: value.slice() };
}

function copyCheckpoint({ height, root, time }: Checkpoint): Checkpoint {
  if (!(root instanceof Uint8Array) || root.length !== 32) {
    throw new TypeError("Cannot trust root: it must be 32 bytes");
  }
  if (!Number.isSafeInteger(height) || height < 0 || !Number.isFinite(time)) {
    throw new RangeError(
      `Cannot trust root: height ${height} or time ${time} is out of range`,
    );
  }
  return { height, root: root.slice(), time };
}

function lower(height: number, trusted: Checkpoint): LightError {
  return new LightError(
    "stale-root",
    `Cannot go to height ${height}: height ${trusted.height} is trusted`,
  );
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
