// This module is browser compatible.

// Bytes from strangers: taken over once, with the engine's own getters, so that
// shared memory, resizable buffers and subclasses cannot change them later.

import { ProofError } from "./errors.ts";

const proto = Object.getPrototypeOf(Uint8Array.prototype);
const getter = (name: string | symbol): () => unknown =>
  Object.getOwnPropertyDescriptor(proto, name)!.get!;
const tagOf = getter(Symbol.toStringTag);
const lengthOf = getter("length");

/** Throws a `ProofError`. Internal. */
export function fail(code: string, message: string): never {
  throw new ProofError(code, message);
}

/** A fresh copy of `input`, which must be a `Uint8Array`. Internal. */
export function copyBytes(
  input: unknown,
  max: number,
  what: string,
): Uint8Array {
  if (tagOf.call(input) !== "Uint8Array") {
    fail("input", `${what} must be a Uint8Array`);
  }
  const length = lengthOf.call(input) as number;
  if (!(length <= max)) fail("limit", `${what} is too long: ${length} bytes`);
  const out = new Uint8Array(length);
  if (length) out.set(input as Uint8Array);
  return out;
}

/** Copies a root, which must have 32 bytes. Internal. */
export function copyRoot(root: unknown): Uint8Array {
  const out = copyBytes(root, 32, "Root");
  if (out.length !== 32) fail("input", "Root must have 32 bytes");
  return out;
}

/** Byte order; a prefix comes before what it is a prefix of. Internal. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}
