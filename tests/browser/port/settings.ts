// This module is browser compatible.
//
// What the address of the script says of the run.

const { searchParams } = new URL(globalThis.location.href);

/** Seed of the run, from which everything random is drawn. */
export const seed: number = Number(searchParams.get("seed") ?? 1);

/** Factor on every amount. */
export const scale: number = Number(searchParams.get("scale") ?? 1);
