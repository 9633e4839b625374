// This module is browser compatible.
//
// The store as the layers above see it: versions in a pool over a page file and a
// commit log. A commit appends one record and flushes once; pages are written
// at checkpoints, which flush the page file and then flip a header slot; opening
// is the newest header and the log records behind it, each replayed root compared
// with the recorded one (docs/format.md has the argument for each step).

import { type Scheme, StemmaError } from "@stemma/verify";
import { IoError, StorageFullError } from "../../backends/errors.ts";
import type { StorageBackend, StorageLock } from "../../backends/types.ts";
import type { Changes } from "../changes.ts";
import {
  CorruptError,
  KeyPrefixError,
  PoisonedError,
  UsedUpError,
} from "../errors.ts";
import type { BatchHasher } from "../hash/ops.ts";
import type { SecondThread } from "../hash/threads.ts";
import { type Counters, counters } from "../metrics.ts";
import { type KeyRule, keyRule } from "../tree/keys.ts";
import type { PagePool } from "../tree/pool.ts";
import { ByteWriter, sameBytes } from "./bytes.ts";
import { Checkpoints, type PendingCheckpoint, treeOf } from "./checkpoints.ts";
import type { Fault } from "./faults.ts";
import type { StoreFile } from "./file.ts";
import {
  closeQuietly,
  newest,
  type OpenFiles,
  openFiles,
  refuseNames,
} from "./files.ts";
import { lendKernel, makeHashers } from "./hashers.ts";
import type { Header } from "./header.ts";
import type { HistoryEntry } from "./history.ts";
import type { CommitLog } from "./log.ts";
import { PageFile } from "./page_file.ts";
import { Payload } from "./payload.ts";
import {
  COMMIT,
  encodeRecordHeader,
  followRecord,
  RecordReader,
  ROLLBACK,
} from "./record.ts";
import type { StorageOptions } from "./options.ts";
import { makeLog, makePool } from "./regions.ts";
import { Space } from "./space.ts";
import { noSum, type Sum } from "./sum.ts";
import { Version, Versions } from "./versions.ts";
import { type HistoryState, HistoryWindow } from "./window.ts";
import { WriteAhead } from "./write_ahead.ts";
import { Writer } from "./writer.ts";

/** Share of unwritten pages in the cache from which on some are written. */
const UNWRITTEN_SHARE = 1 / 2;

/** A record that is written but not yet published. */
interface Queued {
  readonly version: Version;
  readonly state: HistoryState;
  /** States that a rollback goes back over; 0 for a commit. */
  readonly steps: number;
  readonly logEnd: number;
  readonly logSum: Sum;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Told of every new head. */
export interface StorageListener {
  published(state: HistoryState, kind: number, stale: Version[]): void;
}

/** One open store. */
export class Storage {
  readonly scheme: Scheme;
  readonly rule: KeyRule;
  readonly counters: Counters;
  readonly pool: PagePool;
  readonly hasher: BatchHasher;
  readonly file: PageFile;
  readonly versions: Versions;
  readonly space: Space = new Space();
  listener: StorageListener | undefined;
  readonly #options: StorageOptions;
  readonly #faults: ReadonlySet<Fault>;
  readonly #lock: StorageLock;
  readonly #pagesFile: StoreFile;
  readonly #logFile: StoreFile;
  readonly #log: CommitLog;
  readonly #ahead: WriteAhead;
  readonly #writer: Writer;
  readonly #second: SecondThread | undefined;
  readonly #identity: Header;
  #window: HistoryWindow;
  readonly #checkpoints: Checkpoints;
  /** Behind the head's record: where replay from a new header begins. */
  #headEnd = 0;
  #headSum: Sum = noSum();
  /** The state that the last appended record leads to. */
  #tip: HistoryState;
  #tipVersion: Version;
  #queue: Queued[] = [];
  #draining: Promise<void> | undefined;
  /** A checkpoint whose pages are written and are being made durable. */
  #checkpointing: Promise<void> | undefined;
  #isAbandoned = false;
  #flushed = 0;
  #unflushed = 0;
  #sinceCheckpoint = { bytes: 0, commits: 0 };
  #poison: PoisonedError | undefined;
  #checkpointError: unknown;
  /** Memory of a logged payload for the next one. */
  #spareTail: ByteWriter | undefined;
  /** A record that found no room may still lie behind the log's end. */
  #hasPartial = false;

  private constructor(
    files: OpenFiles,
    lock: StorageLock,
    options: StorageOptions,
    shared: Counters,
  ) {
    const header = newest(files.slots)!;
    this.scheme = options.scheme;
    this.rule = keyRule(options.scheme);
    this.counters = shared;
    this.#options = options;
    this.#faults = options.faults;
    this.#lock = lock;
    this.#pagesFile = files.pages;
    this.#logFile = files.log;
    this.#identity = header;
    this.pool = makePool(header, files, options, shared);
    const { pageBytes, storeId } = header;
    const hashers = makeHashers(this.pool, options.scheme, options.hashing);
    this.hasher = hashers.hasher;
    lendKernel(files.pages, this.pool, hashers);
    this.#second = hashers.second;
    this.file = new PageFile(
      files.pages,
      pageBytes,
      storeId,
      shared,
      hashers.sums,
    );
    this.pool.attach(this.file);
    this.#log = makeLog(files, header, this.pool, hashers.sums, shared);
    const { sequence } = header.entry;
    const head = new Version(header.versionId, treeOf(header), sequence);
    // Ids go on well past any that an unclean end may have left in pages.
    this.versions = new Versions(
      head,
      header.versionId + 1,
      {
        free: (first, count) => this.free(first, count),
        retire: (first, count) => {
          for (let i = 0; i < count; i++) this.pool.retire(first + i);
        },
      },
    );
    this.#ahead = new WriteAhead(this.pool, this.space);
    this.#writer = new Writer(
      this.pool,
      this.space,
      this.file,
      this.hasher,
      options.scheme,
      this.rule,
      hashers.edits,
      this.#ahead,
      this.#second,
    );
    this.#tip = { entry: header.entry, meta: header.meta };
    this.#tipVersion = head;
    this.#window = new HistoryWindow(
      this.#log,
      this.rule,
      options.history,
      this.#tip,
      { start: header.windowStart, count: header.historyCount },
    );
    this.#checkpoints = this.#loadCheckpoints(files, header);
  }

  /** Reads what both headers keep; if that fails, no second thread stays behind. */
  #loadCheckpoints(files: OpenFiles, header: Header): Checkpoints {
    const { segments } = this.#log;
    try {
      return new Checkpoints(this, segments, files, header, this.#faults);
    } catch (error) {
      this.#second?.close();
      throw error;
    }
  }

  /** Opens or makes a store. The lock is taken first and kept until close. */
  static async open(
    backend: StorageBackend,
    options: StorageOptions,
  ): Promise<Storage> {
    // What can be refused without the lock is refused before anything is made.
    refuseNames(await backend.list(), backend, options);
    const lock = await backend.lock();
    const shared = counters();
    let files: OpenFiles | undefined, storage: Storage | undefined;
    try {
      files = await openFiles(backend, { ...options, counters: shared });
      storage = new Storage(files, lock, options, shared);
      await storage.#recover();
      return storage;
    } catch (error) {
      if (storage !== undefined) storage.#second?.close();
      if (files !== undefined) {
        closeQuietly(files.pages);
        closeQuietly(files.log);
      }
      await lock.release();
      throw error;
    }
  }

  /** The last committed state. */
  get head(): HistoryState {
    return this.#window.head;
  }

  /** States that can be gone back to, oldest first, the head last. */
  history(): readonly HistoryState[] {
    return this.#window.states();
  }

  /**
   * Reads every log record that the history needs.
   *
   * @throws {CorruptError} When one is damaged.
   */
  checkHistory(): void {
    const [oldest, ...states] = this.history();
    if (this.#window.isCut) {
      throw new CorruptError(
        "Cannot check history: a record that it needs is damaged",
        { file: "log" },
      );
    }
    const { position } = oldest.entry;
    if (position > 0 && position >= this.logStart) this.record(position);
    for (const { entry } of states) {
      for (const _ of this.record(entry.deltaPosition).batches());
    }
  }

  /** The version that the next commit has to stand on. */
  get tipVersion(): Version {
    return this.#tipVersion;
  }

  /** Why writing is off, if it is. */
  get poison(): PoisonedError | undefined {
    return this.#poison;
  }

  /** Why the last automatic checkpoint could not be made, if so. */
  get checkpointError(): unknown {
    return this.#checkpointError;
  }

  /** Sizes of the two files and what of them is unused, in bytes. */
  sizes(): { pages: number; freePages: number; log: number; freeLog: number } {
    const { segments } = this.#log;
    return {
      pages: this.#pagesFile.size(),
      freePages: this.space.freeCount * this.pool.pageBytes,
      log: this.#logFile.size(),
      freeLog: segments.freeCount * segments.bytes,
    };
  }

  /** Refuses to write after a failure. */
  refuseWrites(): void {
    if (this.#poison !== undefined) throw this.#poison;
  }

  /** A place for a version's changes on their way to the log. */
  payload(version: Version): Payload {
    const tail = this.#spareTail ?? new ByteWriter();
    this.#spareTail = undefined;
    return new Payload({
      spool: (bytes, sum) => this.#writer.spool(version, bytes, sum),
      unspool: (first, length, sum, into) =>
        this.file.readExtent(first, length, sum, into),
    }, tail);
  }

  /** Applies changes to a version that is not committed. */
  apply(version: Version, changes: Changes, payload?: Payload): number {
    this.refuseWrites();
    return this.#guard(() => this.#writer.apply(version, changes, payload));
  }

  /**
   * Appends a version's record and makes it the head once the log is flushed.
   * The version stands on {@linkcode tipVersion}.
   */
  commit(version: Version, payload: Payload, meta: Uint8Array): Promise<void> {
    const { entry } = this.#tip;
    const position = this.#log.nextPosition;
    return this.#append(version, payload, COMMIT, 0, {
      entry: {
        sequence: entry.sequence + 1,
        root: version.tree.hash,
        position,
        undoTo: entry.sequence,
        undoToPosition: entry.position,
        deltaPosition: position,
      },
      meta,
    });
  }

  /** Goes back by `steps` states, as a record of its own. */
  async rollback(steps: number): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
    this.refuseWrites();
    const states = this.history();
    const target = states[states.length - 1 - steps];
    const version = this.versions.begin(this.versions.head);
    const payload = this.payload(version);
    try {
      this.undo(version, steps, payload);
      const { entry } = target;
      await this.#append(version, payload, ROLLBACK, steps, {
        entry: {
          ...entry,
          sequence: this.#tip.entry.sequence + 1,
          position: this.#log.nextPosition,
        },
        meta: target.meta,
      });
    } finally {
      this.versions.release(version);
    }
    this.counters.rollbacks++;
  }

  /**
   * Takes the last `steps` states back in a version that stands on the head,
   * comparing the root of each.
   */
  undo(version: Version, steps: number, payload?: Payload): void {
    const states = this.history();
    const bytesMax = this.#logFile.size();
    for (let i = states.length - 1; i >= states.length - steps; i--) {
      const { entry } = states[i];
      const reader = new RecordReader(
        this.#log,
        this.rule,
        entry.deltaPosition,
        bytesMax,
      );
      for (const changes of reader.undoBatches()) {
        this.apply(version, changes, payload);
      }
      if (!sameBytes(version.tree.hash, states[i - 1].entry.root)) {
        throw new CorruptError(
          `Cannot go back to commit ${
            states[i - 1].entry.sequence
          }: its root ` +
            "is not the recorded one",
          { file: "log", position: entry.deltaPosition },
        );
      }
    }
  }

  /** Position in the log of the first record that is still kept. */
  get logStart(): number {
    return Math.max(
      this.#window.start,
      this.#log.segments.first * this.#log.segments.bytes,
    );
  }

  /** Position behind the head's record. */
  get headEnd(): number {
    return this.#headEnd;
  }

  /** Reads the record at a log position. */
  record(position: number): RecordReader {
    const bytesMax = this.#logFile.size();
    return new RecordReader(this.#log, this.rule, position, bytesMax);
  }

  /** Resolves when everything appended so far is published or rejected. */
  async drain(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
  }

  /** Writes all pages of the head and makes a header for it. */
  async checkpoint(): Promise<void> {
    await this.#exclusively(() => {
      this.refuseWrites();
      return this.#checkpoint();
    });
  }

  /** Checkpoints, when there is something to, and lets go of files and lock. */
  async close(): Promise<void> {
    await this.drain();
    try {
      const isClean = this.#checkpoints.version === this.versions.head &&
        this.#unflushed === 0;
      if (this.#poison === undefined && !isClean) {
        await this.#exclusively(() => this.#checkpoint());
      }
    } finally {
      await this.abandon();
    }
  }

  /** Lets go of files and lock without writing anything. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#checkpointing;
    this.#second?.close();
    closeQuietly(this.#logFile);
    closeQuietly(this.#pagesFile);
    await this.#lock.release();
  }

  /** Gives back pages that nothing needs any more. */
  free(first: number, count: number): void {
    for (let page = first; page < first + count; page++) this.pool.drop(page);
    try {
      this.space.release(first, count);
    } catch (error) {
      this.#setPoison(error);
      throw error;
    }
  }

  /** Runs a step that writes; a failure other than "full" poisons. */
  #guard<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (poisons(error)) this.#setPoison(error);
      throw error;
    }
  }

  #setPoison(cause: unknown): PoisonedError {
    this.#poison ??= new PoisonedError(cause);
    return this.#poison;
  }

  #append(
    version: Version,
    payload: Payload,
    kind: number,
    steps: number,
    state: HistoryState,
  ): Promise<void> {
    this.refuseWrites();
    this.#clearPartial();
    // Read now: once the record is written, nothing may stop its publishing.
    this.history();
    const log = this.#log, from = log.position;
    const previousRoot = this.#tip.entry.root;
    try {
      log.begin(state.entry.sequence, this.#flushed);
      log.push(encodeRecordHeader({ kind, previousRoot, ...state }));
      payload.copyTo(log);
      log.finish();
      payload.tail.clear();
      this.#spareTail = payload.tail;
    } catch (error) {
      this.#abandon(error);
      throw error;
    }
    this.#unflushed++;
    this.#sinceCheckpoint.bytes += log.position - from;
    version.state = "committing";
    this.#tip = state;
    this.#tipVersion = version;
    return new Promise((resolve, reject) => {
      this.#queue.push({
        version,
        state,
        steps,
        logEnd: log.position,
        logSum: log.sum,
        resolve,
        reject,
      });
      this.#draining ??= this.#drain();
    });
  }

  /** A record could not be written whole: it must never be read. */
  #abandon(error: unknown): void {
    if (!(error instanceof StorageFullError)) {
      this.#setPoison(error);
      return;
    }
    this.#hasPartial = true;
    try {
      this.#clearPartial();
    } catch (second) {
      if (!(second instanceof StorageFullError)) this.#setPoison(second);
    }
  }

  /** Makes sure of it, if there was no room for that either, before going on. */
  #clearPartial(): void {
    if (!this.#hasPartial) return;
    this.#guard(() => this.#log.abandon());
    this.#unflushed++;
    this.#hasPartial = false;
  }

  /** Publishes what is queued, group by group, each group with one flush. */
  async #drain(): Promise<void> {
    // Commits made in the same turn share the flush.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0);
      try {
        this.refuseWrites();
        await this.#flushGroup(group);
        for (const item of group) this.#publish(item);
      } catch (error) {
        this.#fail([...group, ...this.#queue.splice(0)], error);
        break;
      }
      for (const item of group) item.resolve();
      await this.#checkpointWhenDue();
    }
    this.#draining = undefined;
  }

  /** Runs a step while nothing is published. */
  async #exclusively(step: () => Promise<void>): Promise<void> {
    while (this.#draining !== undefined || this.#checkpointing !== undefined) {
      await (this.#draining ?? this.#checkpointing);
    }
    // Not at once: what the step throws must find `#draining` set.
    const run = Promise.resolve().then(step).finally(() => {
      this.#draining = this.#queue.length > 0 ? this.#drain() : undefined;
    });
    this.#draining = run.catch(() => {});
    await run;
  }

  async #flushGroup(group: Queued[]): Promise<void> {
    if (this.#unflushed < this.#options.flushEvery) return;
    const isRollback = group[0].steps > 0;
    if (isRollback && this.#faults.has("rollback-record-after-publish")) return;
    await this.#flushLog(group[group.length - 1].state.entry.sequence);
  }

  async #flushLog(sequence: number): Promise<void> {
    // Records appended while it runs are for the next flush.
    const covered = this.#unflushed;
    if (!this.#faults.has("no-log-flush")) await this.#logFile.flush();
    this.#unflushed -= covered;
    this.#flushed = sequence;
  }

  #fail(items: Queued[], error: unknown): void {
    const poison = this.#setPoison(error);
    if (this.#faults.has("trust-after-failed-flush")) this.#poison = undefined;
    this.#tip = this.head;
    this.#tipVersion = this.versions.head;
    items.forEach((item, i) => item.reject(i === 0 ? error : poison));
  }

  #publish(item: Queued): void {
    const { version, state, steps } = item;
    const stale = this.versions.publish(version, state.entry.sequence);
    this.#ahead.published(version);
    this.#headEnd = item.logEnd;
    this.#headSum = item.logSum;
    if (steps > 0) this.#window.replace(state, steps, item.logEnd);
    else this.#window.push(state, item.logEnd);
    this.#sinceCheckpoint.commits++;
    this.counters.commits++;
    this.listener?.published(state, steps > 0 ? ROLLBACK : COMMIT, stale);
  }

  /**
   * Begins a checkpoint when it is time. Commits go on while its pages become
   * durable, unless that takes so long that the next one is due as well.
   */
  async #checkpointWhenDue(): Promise<void> {
    const { bytes, commits } = this.#sinceCheckpoint;
    const { checkpointBytes, checkpointCommits } = this.#options;
    const due = Math.max(bytes / checkpointBytes, commits / checkpointCommits);
    if (due < 1 || (due < 2 && this.#checkpointing !== undefined)) {
      return this.#writeAhead();
    }
    await this.#checkpointing;
    // The commits are safe in the log; a failure shows in metrics, and at the
    // next write unless it was only a lack of room.
    const end = (error?: unknown): void => {
      this.#checkpointError = error;
      this.#checkpointing = undefined;
    };
    try {
      const pending = await this.#beginCheckpoint();
      this.#checkpointing = this.#finishCheckpoint(pending).then(end, end);
    } catch (error) {
      end(error);
    }
  }

  /** Writes pages when unwritten ones leave the next commit too little room. */
  #writeAhead(): void {
    const { pool, versions } = this;
    try {
      this.#ahead.run();
      if (pool.unwritten < pool.frameCount * UNWRITTEN_SHARE) return;
      this.#checkpoints.writeAhead(versions.head);
    } catch (error) {
      this.#checkpointError = error;
      if (poisons(error)) this.#setPoison(error);
    }
  }

  async #checkpoint(): Promise<void> {
    await this.#finishCheckpoint(await this.#beginCheckpoint());
  }

  /** Flushes the log where needed and writes pages and map of the head. */
  async #beginCheckpoint(): Promise<PendingCheckpoint> {
    this.#clearPartial();
    if (this.#unflushed > 0 && !this.#faults.has("header-before-log")) {
      await this.#flushChecked(() => this.#flushLog(this.#tip.entry.sequence));
    }
    const { entry, meta } = this.head, { head } = this.versions;
    this.versions.hold(head);
    try {
      this.#ahead.reset();
      return this.#checkpoints.begin({
        head,
        entry,
        meta,
        logPosition: this.#headEnd,
        logSum: this.#headSum,
        windowStart: this.#window.start,
        historyCount: this.history().length - 1,
      });
    } catch (error) {
      this.#dropCheckpoint(head, error);
      throw error;
    }
  }

  /** Makes a begun checkpoint durable, and lets go of what it replaces. */
  async #finishCheckpoint(pending: PendingCheckpoint): Promise<void> {
    const since = this.#sinceCheckpoint;
    this.#sinceCheckpoint = { bytes: 0, commits: 0 };
    try {
      await this.#checkpoints.finish(pending, async () => {
        await this.#flushChecked(() => this.file.flush());
        if (this.#isAbandoned) {
          throw new UsedUpError("Cannot checkpoint: closed");
        }
        this.refuseWrites();
      });
    } catch (error) {
      this.#sinceCheckpoint.bytes += since.bytes;
      this.#sinceCheckpoint.commits += since.commits;
      this.#dropCheckpoint(pending.head, error);
      throw error;
    }
    this.#guard(() => this.#checkpoints.shrink());
    this.counters.checkpoints++;
  }

  #dropCheckpoint(head: Version, error: unknown): void {
    this.versions.release(head);
    if (poisons(error)) this.#setPoison(error);
  }

  /** A failed flush leaves nothing that can be trusted, "full" or not. */
  async #flushChecked(flush: () => void | Promise<void>): Promise<void> {
    try {
      await flush();
    } catch (error) {
      this.#setPoison(error);
      throw error;
    }
  }

  /** Replays the log behind the newest header. */
  async #recover(): Promise<void> {
    const header = this.#identity, log = this.#log;
    let position = header.logPosition, sum = header.logSum;
    this.#headEnd = position;
    this.#headSum = sum;
    for (;;) {
      const sequence = this.#tip.entry.sequence + 1;
      const behind = followRecord(log, position, sequence, sum);
      if (behind === undefined) break;
      this.#replay(position, behind);
      position = behind.end;
      sum = behind.sum;
    }
    const last = this.#tip.entry.sequence;
    const { durable, leftover } = log.scanBehind(position, last);
    if (durable > last || (leftover && this.#faults.has("torn-record-fatal"))) {
      throw new CorruptError(
        `Cannot open store: commit ${
          last + 1
        } was durable but its log record ` +
          "is damaged",
        { file: "log", position },
      );
    }
    log.seek(position, sum);
    if (leftover) log.clearBehind(position);
    // What was replayed is shown as committed but may not be durable: the
    // process that wrote it may have been killed before its flush, or the
    // flush may have failed, and then only what is written anew is flushed.
    const replayed = position > header.logPosition;
    if (replayed) log.rewrite(header.logPosition, position);
    if (leftover || replayed) await this.#logFile.flush();
    this.#flushed = last;
  }

  #replay(position: number, behind: { end: number; sum: Sum }): void {
    const reader = this.record(position);
    const { kind, entry, meta } = reader.header;
    const version = this.versions.begin(this.versions.head);
    for (const changes of reader.batches()) {
      this.#writer.apply(version, changes);
    }
    if (
      !sameBytes(version.tree.hash, entry.root) &&
      !this.#faults.has("replay-without-root-check")
    ) {
      throw new CorruptError(
        `Cannot open store: replaying commit ${entry.sequence} gives another ` +
          "root than the recorded one",
        { file: "log", position },
      );
    }
    this.versions.publish(version, entry.sequence);
    this.versions.release(version);
    this.#tip = { entry, meta };
    this.#tipVersion = version;
    this.#headEnd = behind.end;
    this.#headSum = behind.sum;
    this.#sinceCheckpoint.bytes += behind.end - position;
    this.#sinceCheckpoint.commits++;
    this.counters.replayed++;
    if (kind === ROLLBACK) {
      this.#window.replace(this.#tip, this.#stepsTo(entry), behind.end);
    } else this.#window.push(this.#tip, behind.end);
  }

  /** How far a replayed rollback went back. */
  #stepsTo(entry: HistoryEntry): number {
    const states = this.history();
    for (let i = states.length - 1; i >= 0; i--) {
      const at = states[i].entry;
      const same = at.undoTo === entry.undoTo &&
        at.deltaPosition === entry.deltaPosition;
      if (same) return states.length - 1 - i;
    }
    return states.length - 1;
  }
}

/**
 * Whether a failure leaves it open what storage holds: a failed write or flush
 * does, unless it was only a lack of room.
 */
function poisons(error: unknown): boolean {
  return error instanceof StemmaError && !(error instanceof StorageFullError) &&
    !(error instanceof CorruptError) && !(error instanceof KeyPrefixError) &&
    !(error instanceof IoError && error.operation === "read");
}
