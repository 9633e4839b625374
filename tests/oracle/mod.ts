// The slow oracle, for comparison with the engine and the verifier.

export * from "./changed.ts";
export * from "./entries.ts";
export * from "./root.ts";
export * from "./scheme.ts";
