// All peers, in the order in which reports list them.

import type { Peer } from "../subject.ts";
import { level } from "./level.ts";
import { lmdb } from "./lmdb.ts";
import { mpt } from "./mpt.ts";
import { sqlite } from "./sqlite.ts";
import { ssz } from "./ssz.ts";
import { urkel } from "./urkel.ts";

/** Each peer by name: a function that gives it, or why it is absent. */
export const PEERS: Readonly<Record<string, () => Promise<Peer | string>>> = {
  "lmdb": lmdb,
  "classic-level": level,
  "node:sqlite": sqlite,
  "@ethereumjs/mpt": mpt,
  "urkel": urkel,
  "@chainsafe/persistent-merkle-tree": ssz,
};
