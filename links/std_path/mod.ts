export * from "node:path";
