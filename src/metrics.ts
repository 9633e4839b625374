// This module is browser compatible.
//
// What the store counts while it works. Counts do not depend on the machine's
// mood, so tests and benchmarks rest on them.

/** Counters that the parts of one store share. */
export interface Counters {
  /** Values looked up, by any reader. */
  reads: number;
  /** Keys written by prepared sessions. */
  writes: number;
  /** Versions that became the head. */
  commits: number;
  /** Rollbacks done. */
  rollbacks: number;
  /** Checkpoints done. */
  checkpoints: number;
  /** Pages found in the pool. */
  cacheHits: number;
  /** Pages read from the page file. */
  pageReads: number;
  /** Pages written to the page file. */
  pageWrites: number;
  /** Pages given up by the pool. */
  evictions: number;
  /** New versions of pages made by edits. */
  pagesMade: number;
  /** Bytes written to the page file, headers and free map included. */
  pageFileBytes: number;
  /** Bytes written to the commit log. */
  logBytes: number;
  /** Read calls on files. */
  fileReads: number;
  /** Write calls on files. */
  fileWrites: number;
  /** Flush calls on files. */
  flushes: number;
  /** Commits replayed from the log by `open`. */
  replayed: number;
  /** Proofs made. */
  proofs: number;
  /** Pages loaded ahead by `warmUp`. */
  warmed: number;
}

/** Counters at zero. */
export function counters(): Counters {
  return {
    reads: 0,
    writes: 0,
    commits: 0,
    rollbacks: 0,
    checkpoints: 0,
    cacheHits: 0,
    pageReads: 0,
    pageWrites: 0,
    evictions: 0,
    pagesMade: 0,
    pageFileBytes: 0,
    logBytes: 0,
    fileReads: 0,
    fileWrites: 0,
    flushes: 0,
    replayed: 0,
    proofs: 0,
    warmed: 0,
  };
}
