// A store and its model side by side: how both are opened, closed, crashed and
// compared, and what of sessions, prepared versions and snapshots is alive.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Scheme, StemmaError } from "@stemma/verify";
import { simulated, type SimulatedBackend } from "../../backends/simulated.ts";
import { memoryBackend, MemoryDisk } from "../../backends/memory.ts";
import {
  open,
  type OpenOptions,
  type Stemma,
  type StorageBackend,
} from "../../mod.ts";
import { type Random, random } from "../_amount.ts";
import {
  drawKeys,
  drawValue,
  type Entry,
  KEY_KINDS,
  type KeyKind,
  type OracleScheme,
} from "../oracle/mod.ts";
import {
  type Entries,
  Model,
  type ModelPrepared,
  type ModelSession,
  type ModelSnapshot,
  ModelVersion,
  type Past,
  type State,
  stateOf,
} from "./_model.ts";
import {
  CHEAP,
  cheapOracle,
  contents,
  contentsOf,
  FEW_FRAMES,
  HIGH_FRAMES,
  pageBytesMin,
  realName,
  SCHEMES,
} from "./_store.ts";
import { helped } from "./_wrapped.ts";

/** What a run is about; drawn from one number. */
export interface Setup {
  readonly scheme: Scheme;
  readonly oracle: string | OracleScheme;
  readonly keyKind: KeyKind;
  readonly keyCount: number;
  /** Power can fail and calls too. */
  readonly isSimulated: boolean;
  /** Whether the backend reads and writes beside its caller. */
  readonly isHelped: boolean;
  /** Whether pages lie where those of a large cache do. */
  readonly isHigh: boolean;
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly history: number;
  readonly everyCommits: number;
  readonly checkpointCommits: number;
}

const FAMILIES = ["nomt", "jam", "eip7864", "eip8297"] as const;
/** Handles of a kind that live at one time. */
const HANDLES_MAX = 4;

/** Draws a setup: mostly cheap hashes, now and then real ones. */
export function drawSetup(draw: Random): Setup {
  const family = draw.pick(FAMILIES);
  const isReal = draw.chance(0.1);
  const real = draw.pick(
    Object.keys(SCHEMES).filter((name) => SCHEMES[name].family === family),
  );
  const scheme = isReal ? SCHEMES[real] : CHEAP[family];
  const most = pageBytesMin(scheme);
  const keyKind = draw.pick(KEY_KINDS);
  const isLong = keyKind === "caterpillar" || keyKind === "neighbours";
  return {
    scheme,
    oracle: isReal ? real : cheapOracle(family),
    keyKind,
    keyCount: draw.chance(0.1) && !isLong && !isReal
      ? 700
      : draw.pick([6, 25, 60]),
    isSimulated: draw.chance(0.5),
    isHelped: draw.chance(0.3),
    isHigh: draw.chance(0.1),
    pageBytes: most << draw.pick([0, 0, 1, 3]),
    segmentBytes: draw.pick([1024, 4096, 65536]),
    history: draw.pick([0, 1, 3, 8, 128]),
    everyCommits: draw.pick([1, 1, 1, 3, Infinity]),
    checkpointCommits: draw.pick([1, 2, 5, 1000]),
  };
}

/** One run: the store, the model, and everything alive in both. */
export class ModelStore {
  readonly setup: Setup;
  readonly keys: readonly Uint8Array[];
  readonly sessions: ModelSession[] = [];
  readonly prepared: ModelPrepared[] = [];
  readonly snapshots: ModelSnapshot[] = [];
  model: Model;
  db!: Stemma;
  simulated: SimulatedBackend | undefined;
  /** Last sequence that is certainly durable. */
  durable = 0;
  readonly #disk: MemoryDisk = new MemoryDisk();

  private constructor(setup: Setup, keys: readonly Uint8Array[]) {
    this.setup = setup;
    this.keys = keys;
    this.model = new Model(setup.history);
  }

  /** Opens an empty store. */
  static async start(setup: Setup, draw: Random): Promise<ModelStore> {
    const { scheme, keyKind, keyCount } = setup;
    const name = realName(scheme.family);
    const keys = drawKeys(name, keyKind, keyCount, draw);
    const run = new ModelStore(setup, keys);
    if (setup.isSimulated) run.simulated = simulated({ seed: draw.u32() });
    await run.open(0);
    return run;
  }

  /** Where the store lies, for one more opener. */
  backend(): StorageBackend {
    return this.simulated?.sibling() ?? memoryBackend(this.#disk);
  }

  /** How the store is opened. */
  options(cacheBytes: number): OpenOptions {
    const { setup } = this;
    return {
      scheme: setup.scheme,
      pageBytes: setup.pageBytes,
      segmentBytes: setup.segmentBytes,
      cacheBytes,
      history: { commits: setup.history },
      durability: setup.everyCommits === 1
        ? "commit"
        : setup.everyCommits === Infinity
        ? "relaxed"
        : { everyCommits: setup.everyCommits },
      checkpoint: { commits: setup.checkpointCommits },
      ...(setup.isHigh ? HIGH_FRAMES : FEW_FRAMES),
    };
  }

  /** Opens the store; the model is not touched. */
  async open(cacheBytes: number): Promise<void> {
    const plain = this.simulated ?? memoryBackend(this.#disk);
    const backend = this.setup.isHelped ? helped(plain) : plain;
    this.db = await open(backend, this.options(cacheBytes));
  }

  /** Closes the store and opens it again: nothing committed may be missing. */
  async reopen(cacheBytes: number): Promise<void> {
    await this.db.close();
    this.forgetHandles();
    await this.open(cacheBytes);
    this.model.reopen(this.model.stack, this.db.history().length);
    this.durable = this.model.sequence;
    this.compareHistory();
  }

  /** Goes on with a disk on which a commit may or may not have happened. */
  async recover(
    disk: SimulatedBackend,
    inFlight: readonly Past[] | undefined,
  ): Promise<void> {
    this.forgetHandles();
    this.simulated = disk;
    await this.open(0);
    const { sequence } = this.db.head;
    const { model } = this;
    const found = sequence === model.sequence + 1
      ? inFlight
      : sequence <= model.sequence
      ? model.after.get(sequence)
      : undefined;
    assert(found !== undefined, `recovered to commit ${sequence}`);
    assert(sequence >= this.durable, `durable commit lost: ${sequence}`);
    model.reopen(found, this.db.history().length);
    this.durable = sequence;
    this.compareHistory();
    this.compareHead();
  }

  /** Whether all commits so far are flushed. */
  noteFlush(): void {
    const { everyCommits } = this.setup;
    if (everyCommits === 1) this.durable = this.model.sequence;
  }

  /** The state with a set of entries. */
  state(entries: Entries): State {
    return stateOf(this.setup.oracle, entries);
  }

  /** A key of the run. */
  key(draw: Random): Uint8Array {
    return draw.pick(this.keys);
  }

  /** A value that the scheme takes. */
  value(draw: Random): Uint8Array {
    const { scheme, pageBytes } = this.setup;
    return drawValue(realName(scheme.family), draw, pageBytes);
  }

  /** Begins a session on any version that is alive. */
  begin(draw: Random, on?: ModelPrepared | ModelSnapshot): ModelSession {
    const withWitness = draw.chance(0.3);
    const base = on?.version ?? this.model.head;
    const handle = on === undefined
      ? undefined
      : "prepared" in on
      ? on.prepared
      : on.snapshot;
    const session = this.db.begin({ on: handle, witness: withWitness });
    const begun: ModelSession = {
      session,
      base,
      entries: new Map(base.state.entries),
      withWitness,
      reads: new Map(),
      written: new Set(),
    };
    this.sessions.push(begun);
    if (this.sessions.length > HANDLES_MAX) {
      this.sessions.shift()!.session.discard();
    }
    return begun;
  }

  /** Writes in session and model. */
  write(
    target: ModelSession,
    key: Uint8Array,
    value: Uint8Array | undefined,
  ): void {
    target.written.add(key.toHex());
    if (value === undefined) {
      target.session.delete(key);
      target.entries.delete(key.toHex());
    } else {
      target.session.set(key, value);
      target.entries.set(key.toHex(), [key, value]);
    }
  }

  /** Prepares a session whose base is not stale. */
  prepare(target: ModelSession): ModelPrepared {
    this.sessions.splice(this.sessions.indexOf(target), 1);
    const previous = target.base.state.root;
    const state = this.state(target.entries);
    const prepared = target.session.prepare();
    assertEquals(prepared.root.toHex(), state.root.toHex());
    assertEquals(prepared.previousRoot.toHex(), previous.toHex());
    const isLate = !target.base.parent && target.base !== this.model.head;
    const version = new ModelVersion(state, target.base, true, isLate);
    const made = { prepared, version, isDiscarded: false };
    this.prepared.push(made);
    if (this.prepared.length > HANDLES_MAX) {
      const at = this.prepared.findIndex((one) => one.version !== target.base);
      const [oldest] = this.prepared.splice(at, 1);
      oldest.prepared.discard();
      oldest.isDiscarded = true;
    }
    return made;
  }

  /** A commit has succeeded. */
  published(version: ModelVersion, past: Past[]): void {
    this.model.publish(version, past);
    this.noteFlush();
    this.compareHead();
  }

  /** Prepared versions that can be read. */
  readable(): ModelPrepared[] {
    return this.prepared.filter(({ version, isDiscarded }) =>
      !version.isStale && !isDiscarded && version.parent !== undefined
    );
  }

  /** Head, meta and sequence of store and model. */
  compareHead(): void {
    const { root, sequence, meta } = this.db.head;
    const { model } = this;
    assertEquals(root.toHex(), model.head.state.root.toHex());
    assertEquals(this.db.root.toHex(), root.toHex());
    assertEquals(sequence, model.sequence);
    assertEquals(meta.toHex(), model.meta.toHex());
  }

  /** What can be gone back to, in store and model. */
  compareHistory(): void {
    const expected = this.model.past.map(({ state, sequence }) => ({
      root: state.root.toHex(),
      sequence,
    })).reverse();
    const actual = this.db.history().map(({ root, sequence }) => ({
      root: root.toHex(),
      sequence,
    }));
    assertEquals(actual, expected);
  }

  /** Everything: at the end of a run. */
  async finish(): Promise<void> {
    this.compareHead();
    this.compareHistory();
    const { entries } = this.model.head.state;
    assertEquals(contents(this.db), contentsOf(entries));
    for (const { snapshot, version } of this.snapshots) {
      assertEquals(contents(snapshot), contentsOf(version.state.entries));
    }
    await this.db.check();
    await this.reopen(0);
    await this.db.check();
    assertEquals(contents(this.db), contentsOf(entries));
    await this.db.close();
  }

  /** All handles died with the store. */
  forgetHandles(): void {
    this.sessions.length = 0;
    this.prepared.length = 0;
    this.snapshots.length = 0;
  }
}

/** Runs something that must be refused with a code. */
export async function assertCode(
  run: () => unknown,
  ...codes: string[]
): Promise<StemmaError> {
  const error = await assertRejects(async () => await run(), StemmaError);
  assert(
    codes.includes(error.code),
    `${error.code} is none of ${codes}: ${error.message}`,
  );
  return error;
}

/** A generator for one step of a run. */
export function stepRandom(number: number): Random {
  return random("step", number);
}

/** Entries of a map in key order. */
export function sorted(entries: Entries): Entry[] {
  return [...entries.keys()].sort().map((key) => entries.get(key)!);
}
