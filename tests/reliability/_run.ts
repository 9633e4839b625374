// One run of a workload: a store over the simulated backend, driven through its
// public interface, and beside it what it must hold. At every moment the run
// can say which states a power loss may leave: no older one than was promised,
// no newer one than was begun.

import {
  open,
  type OpenOptions,
  type Prepared,
  type Stemma,
} from "../../mod.ts";
import { schemeByName } from "@stemma/verify";
import type { Scheme } from "@stemma/verify";
import type {
  SimulatedBackend,
  SimulatedCall,
} from "../../backends/simulated.ts";
import { FEW_FRAMES } from "../engine/_store.ts";
import { type Random, random } from "../_amount.ts";
import { Model, same, type State, type Writes } from "./_model.ts";

/** How a run opens its store; the scheme as an object. */
export type StoreOptions = Omit<OpenOptions, "scheme"> & {
  readonly scheme: Scheme;
};

/** A prepared version and the state that it will be. */
export interface Pending {
  readonly prepared: Prepared;
  readonly state: State;
}

/** The store did not keep a promise. */
export class Violation extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "Violation";
  }
}

/** Smallest sizes that the scheme takes, so that little data goes far. */
export function tinyOptions(scheme: Scheme): StoreOptions {
  return {
    scheme,
    pageBytes: scheme.family === "eip8297" ? 2048 : 512,
    segmentBytes: 1024,
    cacheBytes: 0,
    history: { commits: 6 },
    hasher: "js",
    ...FEW_FRAMES,
  };
}

/** The scheme of that name, which must be one. */
export function namedScheme(name: Parameters<typeof schemeByName>[0]): Scheme {
  const scheme = schemeByName(name);
  if (scheme === undefined) throw new RangeError(`No scheme ${name}`);
  return scheme;
}

/** A store, what it must hold, and what a power loss may leave of it. */
export class Run {
  readonly options: StoreOptions;
  readonly model: Model;
  readonly draw: Random;
  /** Told before every call on storage. */
  onCall: ((run: Run, call: SimulatedCall) => void) | undefined;
  backend: SimulatedBackend;
  /** By sequence, those of the chain that ends in `started`. */
  states: readonly State[];
  #db: Stemma | undefined;
  /** States of commits that failed: storage may hold them all the same. */
  #failed: State[] = [];
  #floor: number;
  #started: number;
  /** Calls that the process still makes. */
  #callsLeft = Infinity;

  /** @param from The states of the store on `backend`; none is to be made. */
  constructor(
    backend: SimulatedBackend,
    options: StoreOptions,
    seed: number,
    from?: readonly State[],
  ) {
    this.options = options;
    this.model = new Model(options.scheme, options.history?.commits ?? 128);
    this.draw = random("run", seed);
    this.states = from ?? [this.model.empty()];
    this.#floor = this.#started = this.states.length - 1;
    this.backend = backend;
    this.#listen();
  }

  /** The open store. */
  get db(): Stemma {
    if (this.#db === undefined) throw new Error("The store is not open");
    return this.#db;
  }

  get isOpen(): boolean {
    return this.#db !== undefined;
  }

  /** The last state that was begun. */
  get tip(): State {
    return this.states[this.#started];
  }

  /** The state that readers see. */
  get head(): State {
    return this.states[this.db.head.sequence];
  }

  /** Sequence of the oldest state that a power loss may leave. */
  get low(): number {
    if (this.#db === undefined) return this.#floor;
    const { durability = "commit" } = this.options;
    const { sequence } = this.#db.head;
    if (durability === "commit") return sequence;
    if (durability === "relaxed") return this.#floor;
    return Math.max(this.#floor, sequence - durability.everyCommits + 1);
  }

  /** Every state that a power loss may leave. */
  candidates(): State[] {
    const { low } = this;
    const list = this.states.slice(low, this.#started + 1);
    for (const state of this.#failed) {
      if (state.sequence > low) list.push(state);
    }
    return list;
  }

  /** Expects on its own disk what a power loss may leave of another run's. */
  expect(other: Run): void {
    this.states = other.states;
    this.#floor = other.low;
    this.#started = other.#started;
    this.#failed = other.#failed;
  }

  /** Opens the store and compares its head with what it may be. */
  async open(): Promise<void> {
    const db = await open(this.backend, this.options);
    this.recovered(stateOf(db, this.candidates()));
    this.#db = db;
  }

  /** Goes on from a state that was found. */
  recovered(state: State): void {
    this.states = [...this.states.slice(0, state.sequence), state];
    this.#floor = this.#started = state.sequence;
    this.#failed = [];
  }

  async close(): Promise<void> {
    const { db, low } = this;
    this.#floor = low;
    try {
      await db.close();
      this.#floor = db.head.sequence;
    } finally {
      this.#db = undefined;
    }
  }

  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  /** Lets the process die at its n-th call from now, which is not made. */
  dieAt(call: number): void {
    this.#callsLeft = call - 1;
  }

  /** Whether {@linkcode dieAt} was called and {@linkcode kill} was not yet. */
  get isDoomed(): boolean {
    return this.#callsLeft < Infinity;
  }

  /** Ends the process but not the machine: what was written is still there. */
  kill(): void {
    this.#callsLeft = Infinity;
    this.#floor = this.low;
    this.#db = undefined;
    this.backend = this.backend.restart();
    this.#listen();
  }

  /** The key of a number: some far apart, some with long shared prefixes. */
  key(number: number): Uint8Array {
    const { keyBytesMin, keyBytesMax, id } = this.options.scheme;
    const length = keyBytesMin === keyBytesMax ? keyBytesMin : 34;
    const key = new Uint8Array(length).fill(0x5a);
    const group = number >> 2, member = number & 3;
    key[0] = Math.imul(group, 0x9d) & 255;
    if (member === 1) key[2] = 1;
    // A fork in the last byte costs a hash for every bit before it.
    if (member === 2) key[id === 0xf0 && group < 2 ? length - 1 : 5] = 2;
    if (member === 3) key[1] = 0x5b ^ group;
    key[3] = group;
    return key;
  }

  /** Random bytes; as many as the scheme wants, where it does. */
  value(length: number): Uint8Array {
    return this.draw.bytes(this.options.scheme.valueBytes ?? length);
  }

  /** Writes of random short values to random keys, and some deletes. */
  writes(count: number, keys = 16): Writes {
    return Array.from({ length: count }, () => {
      const key = this.key(this.draw.int(keys));
      if (this.draw.chance(0.25)) return [key, undefined];
      return [key, this.value(this.draw.int(70))];
    });
  }

  /** Prepares writes on the head, on a pending version, and compares roots. */
  prepare(writes: Writes, on?: Pending, meta?: Uint8Array): Pending {
    const below = on?.state ?? this.head;
    using session = this.db.begin({ on: on?.prepared });
    for (const [key, value] of writes) {
      if (value === undefined) session.delete(key);
      else session.set(key, value);
    }
    const prepared = session.prepare();
    const state = this.model.commit(below, writes, meta);
    if (!same(prepared.root, state.root)) {
      throw new Violation(`root of version ${state.sequence} is wrong`);
    }
    return { prepared, state };
  }

  /** Commits a prepared version. */
  async commitPending({ prepared, state }: Pending): Promise<void> {
    await this.#step(state, () => prepared.commit({ meta: state.meta }));
  }

  /** Prepares and commits. */
  async commit(writes: Writes, meta?: Uint8Array): Promise<void> {
    await this.commitPending(this.prepare(writes, undefined, meta));
  }

  async rollback(steps: number): Promise<void> {
    const state = this.model.rollback(this.tip, steps);
    await this.#step(state, () => this.db.rollback(steps));
  }

  async rollbackTo(target: State): Promise<void> {
    const { history } = this.tip;
    const at = history.findLastIndex(({ root }) => same(root, target.root));
    if (at === history.length - 1) return await this.db.rollbackTo(target.root);
    const state = this.model.rollback(this.tip, history.length - 1 - at);
    await this.#step(state, () => this.db.rollbackTo(target.root));
  }

  /** Imports a stream that holds what `writes` makes. */
  async importFrom(
    stream: ReadableStream<Uint8Array>,
    writes: Writes,
    meta: Uint8Array,
  ): Promise<void> {
    const state = this.model.commit(this.tip, writes, meta);
    await this.#step(state, () => this.db.import(stream));
  }

  async checkpoint(): Promise<void> {
    await this.db.checkpoint();
    this.#floor = this.db.head.sequence;
  }

  /** Random steps, as a program that goes on after a recovery takes them. */
  async goOn(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) {
      const back = this.db.history().length - 1;
      const kind = this.draw.int(8);
      if (kind === 0 && back > 0) {
        await this.rollback(1 + this.draw.int(back));
      } else if (kind === 1) await this.checkpoint();
      else if (kind === 2) await this.commit([[this.key(1), this.value(700)]]);
      else await this.commit(this.writes(1 + this.draw.int(3)));
    }
  }

  async #step(state: State, act: () => Promise<void>): Promise<void> {
    this.states = [...this.states.slice(0, state.sequence), state];
    this.#started = state.sequence;
    try {
      await act();
    } catch (error) {
      this.#failed.push(state);
      if (this.states[state.sequence] === state) {
        this.#started = Math.min(this.#started, state.sequence - 1);
      }
      throw error;
    }
    if (this.db.head.sequence < state.sequence) {
      throw new Violation(`commit ${state.sequence} was not published`);
    }
  }

  #listen(): void {
    this.backend.onCall = (call) => {
      if (this.#callsLeft-- < 1) throw new Error("the process was killed");
      this.onCall?.(this, call);
    };
  }
}

/** Which of the states the store's head is. */
export function stateOf(db: Stemma, candidates: readonly State[]): State {
  const { sequence, root, meta } = db.head;
  const found = candidates.find((state) =>
    state.sequence === sequence && same(state.root, root) &&
    same(state.meta, meta)
  );
  if (found !== undefined) return found;
  const all = candidates.map((state) => state.sequence).join(", ");
  throw new Violation(
    `head is commit ${sequence} with root ${root.toHex().slice(0, 8)}: ` +
      `must be one of ${all}`,
  );
}
