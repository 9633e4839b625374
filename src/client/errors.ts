// This module is browser compatible.
//
// Errors on their way from the worker to a client: they arrive as what they
// were, with code, fields and class, because callers catch by those.

import { ProofError, StemmaError } from "@stemma/verify/core";
import * as storageErrors from "../../backends/errors.ts";
import * as engineErrors from "../errors.ts";

/**
 * The worker that had the store is gone, and with it every session, version and
 * snapshot; whether a commit that was under way became durable is not known.
 * Code `"disconnected"`.
 *
 * @example
 * ```ts
 * import { DisconnectedError } from "@stemma/db/client";
 *
 * console.log(new DisconnectedError("Cannot commit: the worker is gone").code);
 * ```
 */
export class DisconnectedError extends StemmaError {
  /**
   * Creates a new instance.
   *
   * @param message What could not be done, and why.
   */
  constructor(message: string) {
    super("disconnected", message);
    this.name = "DisconnectedError";
  }
}

/** An error as plain data. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  /** Its other fields of plain types: operation, file, position, page. */
  readonly fields: Readonly<Record<string, string | number>>;
  readonly cause: SentError | undefined;
}

/** The error classes by name; all their fields are public. */
const CLASSES: Readonly<Record<string, { prototype: object }>> = {
  ...storageErrors,
  ...engineErrors,
  ProofError,
  DisconnectedError,
};

const BUILT_IN: Readonly<Record<string, new (message: string) => Error>> = {
  TypeError,
  RangeError,
};

/** How deep causes are followed. */
const CAUSES_MAX = 5;

/** An error as plain data. */
export function sendError(error: unknown, depth = 0): SentError {
  if (!(error instanceof Error)) {
    const message = String(error);
    return {
      name: "Error",
      message,
      code: undefined,
      fields: {},
      cause: undefined,
    };
  }
  const fields: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(error)) {
    if (name === "name" || name === "code" || name === "message") continue;
    if (typeof value === "string" || typeof value === "number") {
      fields[name] = value;
    }
  }
  const { name, message, cause } = error;
  return {
    name,
    message,
    code: error instanceof StemmaError ? error.code : undefined,
    fields,
    cause: cause === undefined || depth === CAUSES_MAX
      ? undefined
      : sendError(cause, depth + 1),
  };
}

/** The error that was sent. */
export function receiveError(sent: SentError): Error {
  const { name, message, code, fields } = sent;
  const cause = sent.cause === undefined
    ? undefined
    : { cause: receiveError(sent.cause) };
  if (code === undefined) {
    if (Object.hasOwn(BUILT_IN, name)) return new BUILT_IN[name](message);
    const error = new Error(message, cause);
    error.name = name;
    return error;
  }
  const error = new StemmaError(code, message, cause);
  if (Object.hasOwn(CLASSES, name)) {
    Object.setPrototypeOf(error, CLASSES[name].prototype);
  }
  return Object.assign(error, fields, { name });
}
