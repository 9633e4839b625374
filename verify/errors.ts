// This module is browser compatible.

// The base class of everything that Stemma throws on purpose, and the one
// error that the verifier throws. Codes are stable: callers may switch on
// them. The table of proof error codes is in docs/proofs.md.

/**
 * Base class of all errors that Stemma throws on purpose; programmer mistakes
 * are plain `TypeError` or `RangeError`.
 *
 * @example Tell errors apart by their code
 * ```ts
 * import { StemmaError } from "@stemma/verify";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new StemmaError("io", "Cannot read page 7");
 * assertEquals(error.code, "io");
 * ```
 */
export class StemmaError extends Error {
  /** Stable, documented name of what went wrong. */
  readonly code: string;

  /**
   * Makes an error.
   *
   * @param code Stable name of what went wrong.
   * @param message Sentence for people, without a final period.
   * @param options The error that caused this one.
   */
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * A proof, a witness or a claim that does not hold. The only error that the
 * verifier throws, whatever bytes it is given.
 *
 * @example Refuse a proof that is too short
 * ```ts
 * import { nomtBlake3, ProofError, verifyKey } from "@stemma/verify";
 * import { assert } from "@std/assert";
 *
 * try {
 *   verifyKey(nomtBlake3, new Uint8Array(32), new Uint8Array(32), new Uint8Array(1));
 * } catch (error) {
 *   assert(error instanceof ProofError && error.code === "version");
 * }
 * ```
 */
export class ProofError extends StemmaError {
  /** `"ProofError"`, also where a bundler shortens names. */
  /** Always `"ProofError"`. */
  override readonly name = "ProofError";
}
