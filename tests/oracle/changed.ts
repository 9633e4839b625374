// How many hashes a change of state needs at least: the nodes on changed
// paths. A node is a place in the tree (a depth and the key bits above it);
// it counts when what lies below it differs between the two states. One-child
// levels count as nodes, and so do terminals and hashed values. A terminal
// that only moves up or down keeps its hash and does not count.
//
// Works on the sorted union of both states with running counts, so that parts
// without a change cost nothing: 2^20 keys take about a second.

import {
  compareBytes,
  type Entry,
  firstWithBit,
  inOrder,
  type OracleScheme,
  oracleScheme,
  sharedBits,
} from "./scheme.ts";

/** Hashes on changed paths, by kind. */
export interface ChangedNodes {
  /** Branches and one-child levels, slot levels included. */
  levels: number;
  /** Leaves and stems. */
  terminals: number;
  /** Values that are hashed before they enter a terminal. */
  values: number;
}

/** Number of hashes on the paths that differ between the two states. */
export function oracleChangedNodes(
  scheme: string | OracleScheme,
  before: Iterable<Entry>,
  after: Iterable<Entry>,
): number {
  const { levels, terminals, values } = oracleChanged(scheme, before, after);
  return levels + terminals + values;
}

/** The same by kind. */
export function oracleChanged(
  scheme: string | OracleScheme,
  before: Iterable<Entry>,
  after: Iterable<Entry>,
): ChangedNodes {
  const { family } = oracleScheme(scheme);
  const counter = new Counter(family, unite(inOrder(before), inOrder(after)));
  counter.run();
  return counter.found;
}

/** Sorted keys of both states, with running counts: sum over [0, i). */
interface Union {
  readonly keys: Uint8Array[];
  /** Length of the value afterwards; meaningless where there is none. */
  readonly lengths: number[];
  readonly inBefore: Uint32Array;
  readonly inAfter: Uint32Array;
  readonly changed: Uint32Array;
}

function unite(before: readonly Entry[], after: readonly Entry[]): Union {
  const most = before.length + after.length + 1;
  const union = {
    keys: [] as Uint8Array[],
    lengths: [] as number[],
    inBefore: new Uint32Array(most),
    inAfter: new Uint32Array(most),
    changed: new Uint32Array(most),
  };
  let b = 0, a = 0;
  while (b < before.length || a < after.length) {
    const order = b === before.length
      ? 1
      : a === after.length
      ? -1
      : compareBytes(before[b][0], after[a][0]);
    const old = order <= 0 ? before[b++] : undefined;
    const now = order >= 0 ? after[a++] : undefined;
    const n = union.keys.length;
    union.keys.push((now ?? old!)[0]);
    union.lengths.push(now?.[1].length ?? 0);
    union.inBefore[n + 1] = union.inBefore[n] + (old ? 1 : 0);
    union.inAfter[n + 1] = union.inAfter[n] + (now ? 1 : 0);
    const same = old !== undefined && now !== undefined &&
      (old[1] === now[1] || compareBytes(old[1], now[1]) === 0);
    union.changed[n + 1] = union.changed[n] + (same ? 0 : 1);
  }
  return union;
}

class Counter {
  readonly found: ChangedNodes = { levels: 0, terminals: 0, values: 0 };
  readonly #family: OracleScheme["family"];
  readonly #union: Union;

  constructor(family: OracleScheme["family"], union: Union) {
    this.#family = family;
    this.#union = union;
  }

  run(): void {
    const all = this.#union.keys.length;
    if (this.#family === "eip8297") this.#prefixed(0, all, true);
    else this.#walk(0, all, 0);
  }

  /** NOMT, JAM and the stems of EIP-7864: one level at a time. */
  #walk(from: number, to: number, depth: number): void {
    if (this.#changes(from, to) === 0) return;
    const present = this.#present(from, to);
    if (present === 0) return;
    const first = this.#firstAfter(from, to);
    if (this.#family === "eip7864") {
      const [low, high] = this.#sharing(from, to, first, 248);
      if (this.#present(low, high) === present) return this.#stem(low, high);
    } else if (present === 1) {
      return this.#leaf(first);
    }
    this.found.levels++;
    const middle = this.#split(from, to, depth);
    this.#walk(from, middle, depth + 1);
    this.#walk(middle, to, depth + 1);
  }

  #leaf(index: number): void {
    if (this.#changes(index, index + 1) === 0) return;
    this.found.terminals++;
    const long = this.#union.lengths[index] > 32;
    if (this.#family === "nomt" || (this.#family === "jam" && long)) {
      this.found.values++;
    }
  }

  #stem(from: number, to: number): void {
    if (this.#changes(from, to) === 0) return;
    this.found.terminals++;
    this.#slots(from, to, 248);
  }

  #slots(from: number, to: number, depth: number): void {
    if (this.#changes(from, to) === 0 || this.#present(from, to) === 0) return;
    if (depth === 256) {
      this.found.values++;
      return;
    }
    this.found.levels++;
    const middle = this.#split(from, to, depth);
    this.#slots(from, middle, depth + 1);
    this.#slots(middle, to, depth + 1);
  }

  /**
   * EIP-8297: a branch also counts when its prefix changed, that is when its
   * parent has come (`sameParent` is false) or gone (a change lies in range).
   */
  #prefixed(from: number, to: number, sameParent: boolean): void {
    if (this.#changes(from, to) === 0 && sameParent) return;
    const present = this.#present(from, to);
    if (present === 0) return;
    const first = this.#firstAfter(from, to);
    if (present === 1) return this.#leaf(first);
    this.found.levels++;
    const last = this.#lastAfter(from, to);
    const fork = sharedBits(this.#union.keys[first], this.#union.keys[last]);
    // Keys outside the branch's own prefix are deleted ones: pass them by.
    const [low, high] = this.#sharing(from, to, first, fork);
    const middle = this.#split(low, high, fork);
    const forked = this.#past(low, middle) > 0 && this.#past(middle, high) > 0;
    this.#prefixed(low, middle, forked);
    this.#prefixed(middle, high, forked);
  }

  #changes(from: number, to: number): number {
    return this.#union.changed[to] - this.#union.changed[from];
  }

  #present(from: number, to: number): number {
    return this.#union.inAfter[to] - this.#union.inAfter[from];
  }

  #past(from: number, to: number): number {
    return this.#union.inBefore[to] - this.#union.inBefore[from];
  }

  #split(from: number, to: number, depth: number): number {
    return firstWithBit((i) => this.#union.keys[i], from, to, depth);
  }

  /** First index in the range that exists afterwards. */
  #firstAfter(from: number, to: number): number {
    let low = from, high = to - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#present(from, middle + 1) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Last index in the range that exists afterwards. */
  #lastAfter(from: number, to: number): number {
    let low = from, high = to - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#present(middle, to) > 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The part of the range whose keys share `bits` bits with `like`. */
  #sharing(
    from: number,
    to: number,
    like: number,
    bits: number,
  ): [number, number] {
    const { keys } = this.#union;
    const shares = (i: number): boolean =>
      i === like || sharedBits(keys[i], keys[like]) >= bits;
    let low = from, high = like;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (shares(middle)) high = middle;
      else low = middle + 1;
    }
    let below = like, above = to;
    while (above - below > 1) {
      const middle = (below + above) >>> 1;
      if (shares(middle)) below = middle;
      else above = middle;
    }
    return [low, above];
  }
}
