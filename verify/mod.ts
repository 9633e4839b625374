// This module is browser compatible.

export * from "./by_name.ts";
export * from "./eip7864_blake3.ts";
export * from "./eip7864_sha256.ts";
export * from "./eip8297_blake3.ts";
export * from "./errors.ts";
export * from "./jam_blake2b.ts";
export * from "./nomt_blake3.ts";
export * from "./nomt_sha256.ts";
export * from "./scheme.ts";
