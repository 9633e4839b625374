// This module is browser compatible.
//
// What a light client refuses besides proofs that do not hold.

import { StemmaError } from "@stemma/verify/core";

/**
 * A light client's refusal. Codes: `"stale-root"` (older than `maxAgeMs`, or of
 * a lower height than the one that is trusted), `"fork"` (another root of the
 * same height), `"server"` (what a server answered is of no use).
 *
 * @example
 * ```ts
 * import { LightError } from "@stemma/db/light";
 *
 * console.log(new LightError("stale-root", "Cannot trust root: too old").code);
 * ```
 */
export class LightError extends StemmaError {
  /**
   * Makes a refusal.
   *
   * @param code Which of the refusals.
   * @param message What could not be done, and why.
   * @param options The error that caused this one.
   */
  constructor(
    code: "stale-root" | "fork" | "server",
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, message, options);
    this.name = "LightError";
  }
}
