// A storage backend that keeps the time spent in another one, so that flushes can
// be told from the rest of a commit.

import type {
  MadeBytes,
  StorageBackend,
  StorageFile,
  StorageKernel,
  StorageLock,
  StorageOpenOptions,
} from "../backends/types.ts";

/** Milliseconds spent in calls on files. */
export interface FileTimes {
  /** Waiting for flushes, those in the background only where nothing else goes on. */
  flush: number;
  write: number;
  /** When the last call or wait was over. */
  busyUntil: number;
  /** Whether somebody does nothing but wait. */
  isWaiting: boolean;
}

class TimedFile implements StorageFile {
  readonly #inner: StorageFile;
  readonly #times: FileTimes;
  readonly flushInBackground?: () => Promise<void>;
  readonly readLater?: (position: number, length: number) => void;
  readonly writeLater?: (buffer: Uint8Array, position: number) => void;
  readonly finishWrites?: () => void;
  readonly lend?: (kernel: StorageKernel) => void;
  readonly writeMade?: (bytes: MadeBytes, position: number) => void;

  constructor(inner: StorageFile, times: FileTimes) {
    this.#inner = inner;
    this.#times = times;
    if (inner.flushInBackground !== undefined) {
      this.flushInBackground = () => this.#flushInBackground();
    }
    if (inner.readLater !== undefined) {
      this.readLater = (...block) => inner.readLater!(...block);
    }
    if (inner.writeLater === undefined) return;
    this.writeLater = (...piece) =>
      this.#timeWrite(() => inner.writeLater!(...piece));
    this.finishWrites = () => this.#timeWrite(() => inner.finishWrites!());
    if (inner.lend === undefined) return;
    this.lend = (kernel) => inner.lend!(kernel);
    this.writeMade = (...piece) =>
      this.#timeWrite(() => inner.writeMade!(...piece));
  }

  read(buffer: Uint8Array, position: number): number {
    return this.#inner.read(buffer, position);
  }

  write(buffer: Uint8Array, position: number): number {
    return this.#timeWrite(() => this.#inner.write(buffer, position));
  }

  #timeWrite<T>(write: () => T): T {
    const start = performance.now(), result = write();
    const end = performance.now();
    this.#times.write += end - start;
    this.#times.busyUntil = end;
    return result;
  }

  flush(): void | Promise<void> {
    const start = performance.now();
    const done = this.#inner.flush();
    const note = (): void => {
      this.#times.flush += performance.now() - start;
    };
    if (done === undefined) return note();
    return done.then(note);
  }

  async #flushInBackground(): Promise<void> {
    const times = this.#times, start = performance.now();
    await this.#inner.flushInBackground!();
    const end = performance.now();
    if (times.isWaiting) times.flush += end - Math.max(start, times.busyUntil);
    times.busyUntil = end;
  }

  size(): number {
    return this.#inner.size();
  }

  truncate(size: number): void {
    this.#inner.truncate(size);
  }

  close(): void {
    this.#inner.close();
  }
}

/** Wraps a backend; `times` grows with every call. */
export class TimedBackend implements StorageBackend {
  readonly times: FileTimes = {
    flush: 0,
    write: 0,
    busyUntil: 0,
    isWaiting: false,
  };
  readonly sync?: () => Promise<void>;
  readonly #inner: StorageBackend;

  constructor(inner: StorageBackend) {
    this.#inner = inner;
    if (inner.sync !== undefined) this.sync = () => inner.sync!();
  }

  get name(): string {
    return this.#inner.name;
  }

  get supports(): StorageBackend["supports"] {
    return this.#inner.supports;
  }

  async open(file: string, options: StorageOpenOptions): Promise<StorageFile> {
    return new TimedFile(await this.#inner.open(file, options), this.times);
  }

  list(): Promise<string[]> {
    return this.#inner.list();
  }

  remove(file: string): Promise<void> {
    return this.#inner.remove(file);
  }

  lock(): Promise<StorageLock> {
    return this.#inner.lock();
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }
}
