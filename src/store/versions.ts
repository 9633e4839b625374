// This module is browser compatible.
//
// Versions and the pages they need. A version is one root; versions share every
// page that they do not change. The committed ones form a chain with ascending
// ids that ends in the head; uncommitted ones hang on them as a tree.
//
// A page made by version b and replaced by version d is needed by exactly the
// versions b ≤ v < d. So when d becomes the head, each page that it replaced goes
// to the youngest pinned version v < d with v ≥ b, or is free at once; when a
// pinned version lets go, its pages go to the next older pinned version that
// needs them, or are free. Snapshots, sessions and the two header slots pin.

import type { TreeRoot } from "../tree/edit.ts";
import type { MadeEnds } from "../tree/made_ends.ts";

/** Words that a list begins with, the most that is kept of one, and of how many. */
const LIST_WORDS_MIN = 256, SPARE_WORDS_MAX = 1 << 20, SPARES_MAX = 4;
const NO_WORDS = new Uint32Array(0);

/**
 * Memory of lists that are no more, for the next ones: each commit fills some, and an
 * array costs a microsecond when it is short and page faults when it is long.
 */
class Spares {
  readonly #words: Uint32Array[] = [];

  /** Memory for at least so many words: what fits best. */
  take(words: number): Uint32Array {
    const spares = this.#words;
    let best = -1;
    for (let i = 0; i < spares.length; i++) {
      const { length } = spares[i];
      if (length < words) continue;
      if (best < 0 || length < spares[best].length) best = i;
    }
    if (best < 0) return new Uint32Array(words);
    const found = spares[best], last = spares.pop()!;
    if (found !== last) spares[best] = last;
    return found;
  }

  /** Keeps a list's memory, unless it is very long or there are longer ones enough. */
  give(words: Uint32Array): void {
    const { length } = words, spares = this.#words;
    if (length === 0 || length > SPARE_WORDS_MAX) return;
    let least = 0;
    for (let i = 1; i < spares.length; i++) {
      if (spares[i].length < spares[least].length) least = i;
    }
    if (spares.length < SPARES_MAX) spares.push(words);
    else if (length > spares[least].length) spares[least] = words;
  }
}

/** A list of page runs: first page, count, id of the version that made them. */
export class PageRuns {
  /** First page, count, and birth in two halves. */
  #data: Uint32Array = NO_WORDS;
  #length = 0;
  /** Birth of the last run, and the page behind it. */
  #birth = -1;
  #next = 0;
  readonly #spares: Spares;

  constructor(spares: Spares) {
    this.#spares = spares;
  }

  /** Runs in the list. */
  get length(): number {
    return this.#length / 4;
  }

  /** Appends a run; one that continues the last one becomes a part of it. */
  push(first: number, count: number, birth: number): void {
    const end = this.#length;
    let data = this.#data;
    if (birth === this.#birth && first === this.#next) {
      data[end - 3] += count;
      this.#next += count;
      return;
    }
    this.#birth = birth;
    this.#next = first + count;
    if (end === data.length) {
      data = this.#spares.take(Math.max(LIST_WORDS_MIN, 4 * end));
      data.set(this.#data);
      this.#spares.give(this.#data);
      this.#data = data;
    }
    data[end] = first;
    data[end + 1] = count;
    data[end + 2] = birth >>> 0;
    data[end + 3] = Math.floor(birth / 2 ** 32);
    this.#length = end + 4;
  }

  forEach(visit: (first: number, count: number, birth: number) => void): void {
    const data = this.#data;
    for (let i = 0; i < this.#length; i += 4) {
      visit(data[i], data[i + 1], data[i + 2] + data[i + 3] * 2 ** 32);
    }
  }

  clear(): void {
    this.#length = 0;
    this.#birth = -1;
    this.#spares.give(this.#data);
    this.#data = NO_WORDS;
  }
}

/** How far a version has come. */
export type VersionState =
  | "open"
  | "prepared"
  | "committing"
  | "committed"
  | "dropped";

/** One root and what hangs on it. */
export class Version {
  readonly id: number;
  tree: TreeRoot;
  state: VersionState = "open";
  /** The version below, as long as this one is not committed. */
  parent: Version | undefined;
  /** Uncommitted versions that stand on this one. */
  readonly children: Set<Version> = new Set();
  /** Pages made by this version. */
  readonly made: PageRuns;
  /** Pages of earlier versions that are no part of this one. */
  readonly replaced: PageRuns;
  /** Pages made by this version that it dropped again. */
  readonly unused: PageRuns;
  /** Its pages at ends of paths that may be written ahead, if there are any. */
  ends: MadeEnds | undefined;
  /** Pages that only this version and older pinned ones need. */
  readonly retained: PageRuns;
  /** Sequence of the commit; that of the parent until then. */
  sequence: number;
  /** Another version was committed in its place; it can never be. */
  isStale = false;
  readonly #spares: Spares;
  /** Holders: the handle, snapshots, sessions, uncommitted children. */
  holders = 1;

  constructor(id: number, tree: TreeRoot, sequence: number, parent?: Version) {
    this.id = id;
    this.tree = tree;
    this.sequence = sequence;
    this.parent = parent;
    const spares = this.#spares = parent === undefined
      ? new Spares()
      : parent.#spares;
    this.made = new PageRuns(spares);
    this.replaced = new PageRuns(spares);
    this.unused = new PageRuns(spares);
    this.retained = new PageRuns(spares);
  }
}

/** Hears of page runs that are needed less from now on. */
export interface RunSink {
  /** Nothing needs the pages any more. */
  free(first: number, count: number): void;
  /** Only older versions need the pages; they are unlikely to be read. */
  retire(first: number, count: number): void;
}

/** The versions of one store. */
export class Versions {
  #head: Version;
  #nextId: number;
  readonly #sink: RunSink;
  /** Committed versions older than the head that are pinned, oldest first. */
  readonly #pinned: Version[] = [];
  /** Versions that are not (yet) on the chain. */
  readonly #loose: Set<Version> = new Set();

  constructor(head: Version, nextId: number, sink: RunSink) {
    this.#head = head;
    this.#nextId = nextId;
    this.#sink = sink;
    head.state = "committed";
  }

  /** The version that the last commit made. */
  get head(): Version {
    return this.#head;
  }

  /** Versions besides the head that hold pages. */
  get liveCount(): number {
    return this.#pinned.length + this.#loose.size;
  }

  /** Id that the next version gets. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Every version that holds pages, the head included. */
  *live(): Generator<Version> {
    yield* this.#pinned;
    yield this.#head;
    yield* this.#loose;
  }

  /** Versions that are not on the chain. */
  loose(): Iterable<Version> {
    return this.#loose;
  }

  /** Committed versions older than the head that are pinned. */
  pinned(): readonly Version[] {
    return this.#pinned;
  }

  /**
   * Id of the version after which pages are the head's alone; `undefined` while there
   * are versions that are not on the chain.
   */
  get headAloneAfter(): number | undefined {
    if (this.#loose.size > 0) return undefined;
    return this.#pinned.at(-1)?.id ?? 0;
  }

  /** Begins a version on another; it is held once, by its maker. */
  begin(parent: Version): Version {
    this.hold(parent);
    const version = new Version(
      this.#nextId++,
      { ...parent.tree },
      parent.sequence,
      parent,
    );
    parent.children.add(version);
    this.#loose.add(version);
    return version;
  }

  /** Keeps a version until {@linkcode release}. */
  hold(version: Version): void {
    version.holders++;
  }

  /** Adds an older committed version, as found in a header slot. */
  adoptOlder(version: Version): void {
    version.state = "committed";
    this.#pinned.unshift(version);
  }

  /** Lets go of a version; its pages are freed when nobody else holds it. */
  release(version: Version): void {
    for (let v: Version | undefined = version; v !== undefined;) {
      if (--v.holders > 0 || v === this.#head) return;
      if (v.state === "committed") {
        this.#unpin(v);
        return;
      }
      const parent: Version | undefined = v.parent;
      v.state = "dropped";
      this.#loose.delete(v);
      v.made.forEach((first, count) => this.#sink.free(first, count));
      v.made.clear();
      v.parent = undefined;
      parent?.children.delete(v);
      v = parent;
    }
  }

  /**
   * Makes a version the head; its parent must be the head.
   *
   * @returns The uncommitted versions that have become stale by it: the other
   *   children of the old head and all that stands on them.
   */
  publish(version: Version, sequence: number): Version[] {
    const old = this.#head;
    version.state = "committed";
    version.sequence = sequence;
    version.parent = undefined;
    this.#loose.delete(version);
    old.children.delete(version);
    version.made.clear();
    version.unused.forEach((first, count) => this.#sink.free(first, count));
    version.unused.clear();
    this.#head = version;
    // The new head is held by being the head; the old one no longer is, and
    // no longer by the child that has become its successor.
    this.hold(version);
    old.holders -= 2;
    if (old.holders > 0) this.#pinned.push(old);
    version.replaced.forEach((first, count, birth) =>
      this.#keep(this.#pinned.length - 1, first, count, birth)
    );
    version.replaced.clear();
    return staleAbove(old);
  }

  #unpin(version: Version): void {
    const at = this.#pinned.indexOf(version);
    this.#pinned.splice(at, 1);
    version.retained.forEach((first, count, birth) =>
      this.#keep(at - 1, first, count, birth)
    );
    version.retained.clear();
  }

  /** Gives pages to a pinned version that needs them, or frees them. */
  #keep(at: number, first: number, count: number, birth: number): void {
    if (at >= 0 && this.#pinned[at].id >= birth) {
      this.#pinned[at].retained.push(first, count, birth);
      this.#sink.retire(first, count);
    } else {
      this.#sink.free(first, count);
    }
  }
}

/** Every uncommitted version that stands on a version, marked as stale. */
function staleAbove(version: Version): Version[] {
  const stale: Version[] = [];
  const queue = [...version.children];
  for (let v = queue.pop(); v !== undefined; v = queue.pop()) {
    v.isStale = true;
    stale.push(v);
    queue.push(...v.children);
  }
  return stale;
}
