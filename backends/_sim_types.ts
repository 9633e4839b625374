// This module is browser compatible.
/**
 * The options, calls and failures of the simulated backend, as its users see
 * them, and how a failure to come is matched with a call.
 *
 * @module
 */
import type { StorageOperation } from "./types.ts";

/** How a simulated disk behaves. */
export interface SimulatedOptions {
  /** Decides how far failing calls get. @default {0} */
  readonly seed?: number;
  /**
   * `"sync"`: names survive once `sync()` was called. `"opfs"`: there is no
   * `sync()`, and names made since the disk was created or recovered may be
   * lost until {@linkcode SimulatedBackend.settleNames}. @default {"sync"}
   */
  readonly directory?: "sync" | "opfs";
  /** `flush` returns a promise, like IndexedDB's. @default {false} */
  readonly asyncFlush?: boolean;
  /** Files have `flushInBackground`, which takes its time. @default {false} */
  readonly backgroundFlush?: boolean;
  /** `flush` reports success and does nothing. @default {false} */
  readonly lyingFlush?: boolean;
  /** Room on the disk, in bytes, over all files. @default {Infinity} */
  readonly capacityBytes?: number;
}

/** One call on the simulated disk, as given to `onCall`. */
export interface SimulatedCall {
  /** 1 for the first call on this backend. */
  readonly number: number;
  /** What is called. */
  readonly operation: StorageOperation;
  /** The file's name, or undefined for `list`, `sync`, `lock` and `unlock`. */
  readonly file: string | undefined;
  /** The position, for `read` and `write`; the size, for `truncate`. */
  readonly position: number | undefined;
  /** How many bytes, for `read` and `write`. */
  readonly length: number | undefined;
}

/** A failure to come. */
export interface SimulatedFailure {
  /** The number of the call that fails, counted from 1 as in `calls`. */
  readonly at: number;
  /**
   * `"io"`: any call, EIO. `"full"`: no room, for calls that need some: `write`,
   * a growing `truncate`, `create`, `flush` and `sync`. `"short-read"` and
   * `"short-write"`: fewer bytes than asked. `"flush"`: EIO, for `flush` and
   * `sync` only. A call that cannot fail this way goes through.
   */
  readonly kind: "io" | "full" | "short-read" | "short-write" | "flush";
  /** From then on every such call fails, until `heal`. @default {false} */
  readonly sticky?: boolean;
  /** Only calls of this operation. @default {undefined} */
  readonly operation?: StorageOperation;
  /** Only calls on this file. @default {undefined} */
  readonly file?: string;
}

/** Which images to make. */
export interface SimulatedImagesOptions {
  /** Decides the sampled ones. @default {0} */
  readonly seed?: number;
  /** How many choices are tried at most. @default {64} */
  readonly count?: number;
  /**
   * Fingerprints of images that are not wanted again; those made are added.
   *
   * @default {new Set()}
   */
  readonly seen?: Set<number>;
}

/** How a call ends. */
export type Verdict = "go" | "crash" | SimulatedFailure["kind"];

/** Whether a failure, its time having come, concerns this call. */
export function applies(
  failure: SimulatedFailure,
  operation: StorageOperation,
  file: string | undefined,
  length: number | undefined,
  needsRoom: boolean,
): boolean {
  if (failure.operation !== undefined && failure.operation !== operation) {
    return false;
  }
  if (failure.file !== undefined && failure.file !== file) return false;
  switch (failure.kind) {
    case "io":
      return true;
    case "full":
      return needsRoom && FULL_OPERATIONS.has(operation);
    case "short-read":
      return operation === "read" && length !== undefined && length > 1;
    case "short-write":
      return operation === "write" && length !== undefined && length > 1;
    case "flush":
      return operation === "flush" || operation === "sync";
  }
}

const FULL_OPERATIONS: ReadonlySet<StorageOperation> = /* @__PURE__ */ new Set<
  StorageOperation
>(["write", "truncate", "create", "flush", "sync"]);
