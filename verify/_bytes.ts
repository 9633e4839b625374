// This module is browser compatible.

// Bytes from strangers: taken over once, with the engine's own getters, so that
// shared memory, resizable buffers and subclasses cannot change them later.

import { ProofError } from "./errors.ts";

const proto: object = Object.getPrototypeOf(Uint8Array.prototype);

/** Throws a `ProofError`; docs/proofs.md says what each code means. Internal. */
export function fail(code: string): never {
  throw new ProofError(code, "Proof refused: " + code);
}

/** A fresh copy of `input`, a `Uint8Array` of min to max bytes. Internal. */
export function copyBytes(
  input: unknown,
  max: number,
  min: number,
  code: string,
): Uint8Array {
  const own = (name: string | symbol): unknown =>
    Reflect.get(proto, name, input);
  if (own(Symbol.toStringTag) !== "Uint8Array") fail("input");
  const length = own("length") as number;
  if (!(length <= max && length >= min)) fail(code);
  const out = new Uint8Array(length);
  if (length) out.set(input as Uint8Array);
  return out;
}

/** Byte order; a prefix comes before what it is a prefix of. Internal. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}
