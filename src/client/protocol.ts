// This module is browser compatible.
//
// What goes between a client and the worker that has the store: requests with a
// number, replies with the same number, and lists of byte strings packed into
// two arrays whose buffers are transferred, not copied.

import type { ProofQuery } from "../view.ts";
import type { Metrics } from "../metrics_report.ts";
import type { CheckProgress } from "../check.ts";
import type { SentError } from "./errors.ts";

/** Version of these messages; both sides must speak the same. */
export const PROTOCOL = 1;

/** The head, as a target of reads. */
export const HEAD = 0;

/** Length that stands for "absent" in {@linkcode Packed}. */
const ABSENT = 0xffffffff;

/** Byte strings, some of them absent, one after another. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly lengths: Uint32Array;
}

/** A list of byte strings that may be absent. */
export type Bytes = readonly (Uint8Array | undefined)[];

/** Packs byte strings into fresh arrays. */
export function pack(list: Bytes): Packed {
  const lengths = Uint32Array.from(list, (item) => item?.length ?? ABSENT);
  let total = 0;
  for (const item of list) total += item?.length ?? 0;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const item of list) {
    if (item === undefined) continue;
    bytes.set(item, at);
    at += item.length;
  }
  return { bytes, lengths };
}

/** The byte strings, copies. */
export function unpack({ bytes, lengths }: Packed): (Uint8Array | undefined)[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    if (length === ABSENT) return undefined;
    at += length;
    return bytes.slice(at - length, at);
  });
}

/** The buffers behind packed byte strings, to be transferred. */
export function buffersOf(...parts: Packed[]): Transferable[] {
  return parts.flatMap(({ bytes, lengths }) =>
    [bytes.buffer, lengths.buffer] as ArrayBuffer[]
  );
}

/** Bounds of a listing, without its signal. */
export interface SentRange {
  readonly gt?: Uint8Array | undefined;
  readonly gte?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly lte?: Uint8Array | undefined;
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
}

/**
 * What a client asks. Numbers called `target`, `session`, `handle` and `on` are
 * of objects that the worker keeps; the client draws them, so that it need not
 * wait for a reply before it uses them.
 */
export type Request =
  | { op: "read"; target: number; keys: Packed; has: boolean }
  | { op: "begin"; handle: number; on: number; witness: boolean }
  | { op: "write"; session: number; keys: Packed; values: Packed }
  | { op: "prepare"; session: number; handle: number }
  | { op: "commit"; handle: number; meta: Uint8Array | undefined }
  | { op: "snapshot"; handle: number; at: Uint8Array | number | undefined }
  | { op: "prove"; target: number; query: ProofQuery }
  | { op: "entries"; target: number; range: SentRange }
  | { op: "drop"; handle: number }
  | { op: "head" }
  | { op: "rollback"; to: number | Uint8Array }
  | { op: "history" }
  | { op: "metrics" }
  | { op: "checkpoint" }
  | { op: "check" }
  | { op: "follow"; handle: number; from: number | undefined }
  | { op: "next"; handle: number; changes: boolean }
  | { op: "export"; handle: number }
  | { op: "pull"; handle: number }
  | { op: "import"; handle: number; root: Uint8Array | undefined }
  | { op: "push"; handle: number; chunk: Uint8Array | undefined }
  | { op: "pause" }
  | { op: "resume" }
  | { op: "close" };

/** What each request that is answered is answered with. */
export interface Answers {
  read: Packed | boolean[];
  prepare: {
    root: Uint8Array;
    previousRoot: Uint8Array;
    witness: Uint8Array | undefined;
  };
  commit: undefined;
  snapshot: { root: Uint8Array; sequence: number };
  prove: Uint8Array;
  entries: { keys: Packed; values: Packed; done: boolean };
  head: { root: Uint8Array; sequence: number; meta: Uint8Array };
  rollback: undefined;
  history: { root: Uint8Array; sequence: number }[];
  metrics: Metrics;
  checkpoint: undefined;
  check: undefined;
  next: SentCommit | undefined;
  pull: Uint8Array | undefined;
  push: undefined;
  import: undefined;
  pause: undefined;
  resume: undefined;
  close: undefined;
  begin: undefined;
  write: undefined;
  drop: undefined;
  follow: undefined;
  export: undefined;
}

/** One commit on its way. */
export interface SentCommit {
  readonly sequence: number;
  readonly kind: "commit" | "rollback";
  readonly previousRoot: Uint8Array;
  readonly root: Uint8Array;
  readonly meta: Uint8Array;
  readonly changes: { keys: Packed; values: Packed } | undefined;
}

/** From the client. A request without `id` is not answered. */
export type ToWorker =
  | { type: "hello"; client: string; protocol: number }
  | { type: "request"; id: number | undefined; request: Request }
  | { type: "cancel"; id: number };

/** What a worker says of its store. */
export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  /** Name of the lock that the worker holds while it lives; "" for none. */
  readonly alive: string;
  readonly scheme: string;
  readonly keyBytesMin: number;
  readonly keyBytesMax: number;
  readonly valueBytes: number | undefined;
}

/** From the worker. */
export type FromWorker =
  | Welcome
  /** A greeting sent before this may have been lost. */
  | { type: "listening" }
  | { type: "failed"; error: SentError }
  | { type: "answer"; id: number; value: unknown }
  | { type: "error"; id: number; error: SentError }
  | { type: "progress"; id: number; progress: CheckProgress }
  | { type: "gone" };
