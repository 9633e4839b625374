// This module is browser compatible.
//
// Planted bugs: switches that break one promise each, so that the tests can
// show that they would notice. Set through an option keyed by a symbol that no
// public entry point exports.

/**
 * Names of the planted bugs. Three are none: `count-hashes-only` counts hashes of stores
 * too large to hash in a test, `few-frames` lets a small store outgrow its cache,
 * if no path of it is longer than some fifty pages, and `high-frames` has most of its
 * pages lie where those of a cache above 2 GiB do.
 */
export type Fault =
  | "no-log-flush"
  | "header-before-log"
  | "header-before-page-flush"
  | "single-header-slot"
  | "torn-record-fatal"
  | "ignored-write-result"
  | "reuse-pages-of-older-header"
  | "trust-after-failed-flush"
  | "short-write-not-looped"
  | "rollback-record-after-publish"
  | "replay-without-root-check"
  | "create-in-foreign-directory"
  | "log-reclaimed-too-early"
  | "move-shared-pages"
  | "count-hashes-only"
  | "few-frames"
  | "high-frames";

/** Key of the option of `open` that takes planted bugs. */
export const FAULTS: unique symbol = Symbol("stemma.faults");
