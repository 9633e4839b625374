// This module is browser compatible.

// Hash functions that work in one state over and over: making a state, with its
// buffers, takes as long as hashing a short message.

import type { HashFunction } from "./scheme.ts";

/** A state of the library's: where hashing starts, or goes on. */
interface State<T> {
  _cloneInto(to?: T): T;
  update(message: Uint8Array): this;
  digest(): Uint8Array;
}

/** The hash function that starts from a state, which stays as it is. Internal. */
export function reusing<T extends State<T>>(start: T): HashFunction {
  let used: T | undefined;
  return (message) => (used = start._cloneInto(used)).update(message).digest();
}
