// This module is browser compatible.

export * from "./errors.ts";
export * from "./scheme.ts";
