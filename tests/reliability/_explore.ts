// Runs a workload, collects at every call on storage what a power loss might
// leave, and opens each such image: it must be exactly one state between the
// last acknowledged and the last begun (P1 to P5), must be the same one when
// opened again, and in a share of them the program goes on, and loses power
// again.

import { open, type Stemma } from "../../mod.ts";
import { CorruptError } from "../../src/errors.ts";
import {
  simulated,
  type SimulatedBackend,
  type SimulatedCall,
  type SimulatedImage,
} from "../../backends/simulated.ts";
import { random } from "../_amount.ts";
import { inspect } from "./_inspect.ts";
import type { State } from "./_model.ts";
import { Run, stateOf, type StoreOptions, Violation } from "./_run.ts";
import type { NamedWorkload, Workload } from "./_workloads.ts";

/** How a workload is explored. */
export interface ExploreOptions {
  readonly seed: number;
  readonly options: StoreOptions;
  readonly directory: "sync" | "opfs";
  readonly asyncFlush: boolean;
  readonly backgroundFlush?: boolean;
  /** Choices drawn at each call. */
  readonly perCall: number;
  /** One image in so many is gone on with; 0 for none. */
  readonly nestedOneIn: number;
}

/** What was done. */
export interface Explored {
  /** Different images opened. */
  images: number;
  /** Calls on storage at which the power could fail. */
  calls: number;
  /** Images of which the program went on. */
  nested: number;
}

/** An image and what it may hold. */
interface Found {
  image: SimulatedImage | undefined;
  /** What it may be, over all moments at which it can arise. */
  allowed: State[];
  readonly options: StoreOptions;
  readonly path: string;
  readonly depth: number;
  /** Names of files may be lost with all that was in them. */
  readonly lostNames: boolean;
}

const DEPTH_MAX = 2;

/** Runs one workload with one seed. */
export async function explore(
  workload: NamedWorkload,
  options: ExploreOptions,
): Promise<Explored> {
  return await new Explorer(workload, options).explore();
}

class Explorer {
  readonly #workload: NamedWorkload;
  readonly #options: ExploreOptions;
  readonly #found: Map<number, Found> = new Map();
  readonly #queue: Found[] = [];
  readonly #done: Explored = { images: 0, calls: 0, nested: 0 };
  #violation: Violation | undefined;

  constructor(workload: NamedWorkload, options: ExploreOptions) {
    this.#workload = workload;
    this.#options = options;
  }

  async explore(): Promise<Explored> {
    const { name, program } = this.#workload;
    const { options, seed, ...disk } = this.#options;
    const undo = fixStoreIds(seed);
    try {
      const backend = simulated({ seed, ...disk });
      const run = new Run(backend, options, seed);
      await this.#collect(run, program, "", 0);
      while (this.#queue.length > 0) await this.#next(this.#queue.pop()!);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      throw new Violation(
        `${name}, seed ${seed}${error.message}`,
        error.cause,
      );
    } finally {
      undo();
    }
    return this.#done;
  }

  /** Runs a program and collects images at every call that it makes. */
  async #collect(
    run: Run,
    program: Workload,
    path: string,
    depth: number,
  ): Promise<void> {
    const settle = this.#settling(run);
    run.onCall = (run, call) => {
      settle(call);
      if (!run.isDoomed) this.#capture(run, path, depth);
    };
    try {
      await program(run);
    } catch (error) {
      throw new Violation(`${path}: the program failed: ${error}`, error);
    } finally {
      run.onCall = undefined;
    }
    this.#capture(run, path, depth);
    if (this.#violation !== undefined) throw this.#violation;
  }

  /** Where there is no directory sync, names last at some later moment. */
  #settling(run: Run): (call: SimulatedCall) => void {
    if (this.#options.directory !== "opfs") return () => {};
    const at = random("settle", this.#options.seed).int(60);
    let since = 0;
    return () => {
      if (run.isOpen && since++ === at) run.backend.settleNames();
    };
  }

  #capture(run: Run, path: string, depth: number): void {
    const { backend } = run;
    const { perCall, seed } = this.#options;
    const states = run.candidates();
    this.#done.calls++;
    const isFew = this.#workload.isLarge && backend.calls % 8 !== 0;
    const count = isFew ? 1 : perCall;
    const at = `${path}, call ${backend.calls}`;
    const from = Math.imul(seed + 1, 0x9e3779b1) ^ backend.calls;
    for (const choice of backend.choices({ seed: from, count })) {
      const image = backend.image(choice);
      const lostNames = this.#options.directory === "opfs" &&
        image.lostNames.length > 0;
      const known = this.#found.get(image.fingerprint);
      if (known !== undefined) {
        if (!lostNames) this.#violation ??= narrow(known, states, at);
        continue;
      }
      const found: Found = {
        image,
        allowed: states,
        options: run.options,
        path: `${at}, ${JSON.stringify(choice)}`,
        depth,
        lostNames,
      };
      this.#found.set(image.fingerprint, found);
      this.#queue.push(found);
    }
  }

  /** Opens one image. */
  async #next(found: Found): Promise<void> {
    const image = found.image!;
    found.image = undefined;
    this.#done.images++;
    const backend = image.open();
    try {
      const db = await this.#open(backend, found);
      if (db === undefined) return;
      const state = stateOf(db, found.allowed);
      found.allowed = [state];
      await this.#look(db, state, image.fingerprint);
      await this.#again(backend, db, state, image.fingerprint);
      await this.#nest(image, found, state);
    } catch (error) {
      if (error instanceof Violation && error.message.startsWith(",")) {
        throw error;
      }
      throw new Violation(`${found.path}: ${error}`, error);
    }
  }

  async #open(
    backend: SimulatedBackend,
    found: Found,
  ): Promise<Stemma | undefined> {
    try {
      const db = await open(backend, found.options);
      if (!found.lostNames || db.head.sequence > 0) return db;
      // Without its log the store may be a new one.
      await db.abandon();
      return undefined;
    } catch (error) {
      const missing = found.lostNames && error instanceof CorruptError &&
        error.message.includes("is missing");
      if (missing) return undefined;
      throw error;
    }
  }

  async #look(db: Stemma, state: State, chance: number): Promise<void> {
    const { history } = this.#options.options;
    await inspect(db, state, {
      pick: Math.floor(chance / 64) % 64,
      old: chance % 8 === 1,
      check: chance % 4 === 2,
      byBytes: history?.bytes !== undefined,
    });
  }

  /** Opens what the recovery left: the same state. */
  async #again(
    backend: SimulatedBackend,
    db: Stemma,
    state: State,
    chance: number,
  ): Promise<void> {
    const wrote = backend.count("write") + backend.count("truncate") > 0;
    const closes = chance % 8 < 2;
    if (closes) await db.close();
    else await db.abandon();
    if (!wrote && !closes && chance % 8 !== 2) return;
    const again = await open(backend, this.#options.options);
    stateOf(again, [state]);
    await this.#look(again, state, chance + 1);
    await again.abandon();
  }

  /** Loses power during the recovery of the image, and after it. */
  async #nest(
    image: SimulatedImage,
    { path, depth }: Found,
    state: State,
  ): Promise<void> {
    const { nestedOneIn, options } = this.#options;
    if (nestedOneIn === 0 || depth === DEPTH_MAX) return;
    if (Math.floor(image.fingerprint / 8) % nestedOneIn !== 0) return;
    this.#done.nested++;
    const states = [...state.history];
    const chain: State[] = [];
    for (const one of [...states, state]) chain[one.sequence] = one;
    const seed = image.fingerprint % 0x7fffffff;
    const run = new Run(image.open(), options, seed, chain);
    await this.#collect(
      run,
      async (run) => {
        await run.open();
        await run.goOn(1 + run.draw.int(2));
        if (run.draw.chance(0.5)) await run.close();
        else run.kill();
        await run.open();
        await run.goOn(1);
      },
      `${path} > `,
      depth + 1,
    );
  }
}

/** An image arises at another moment, too: it must fit both. */
function narrow(
  known: Found,
  states: readonly State[],
  at: string,
): Violation | undefined {
  if (known.lostNames) return undefined;
  const first = known.allowed;
  known.allowed = first.filter((state) =>
    states.some((other) => isSame(state, other))
  );
  if (known.allowed.length > 0) return undefined;
  const list = (some: readonly State[]) =>
    some.map((state) => state.sequence).join(", ");
  return new Violation(
    `${at}: a power loss leaves the disk of ${known.path}, which must be ` +
      `one of ${list(first)} there and one of ${list(states)} here`,
  );
}

function isSame(a: State, b: State): boolean {
  return a === b ||
    (a.sequence === b.sequence && a.root.toHex() === b.root.toHex());
}

/**
 * Makes the random ids of new stores follow from a seed, so that a run can be
 * replayed; returns what takes it back.
 */
export function fixStoreIds(seed: number): () => void {
  const { getRandomValues } = crypto;
  const draw = random("store id", seed);
  crypto.getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
    if (array instanceof Uint32Array) {
      array.forEach((_, i) => array[i] = draw.u32());
    }
    return array;
  };
  return () => {
    crypto.getRandomValues = getRandomValues;
  };
}
