// @chainsafe/persistent-merkle-tree: an immutable binary tree of 32-byte leaves, in
// memory, as consensus clients use it. It has positions, no keys: a Map gives each
// key its leaf, so absence cannot be proven.

import type { Peer, Subject } from "../subject.ts";
import type { Batch } from "../workloads.ts";
import { loadModule } from "./_load.ts";

interface Node {
  readonly root: Uint8Array;
}

interface Module {
  readonly LeafNode: { fromRoot(root: Uint8Array): Node };
  zeroNode(depth: number): Node;
  getNodeAtDepth(root: Node, depth: number, index: number): Node;
  setNodesAtDepth(
    root: Node,
    depth: number,
    indices: number[],
    nodes: Node[],
  ): Node;
  getHashComputations(root: Node, depth: number, levels: unknown[]): void;
  executeHashComputations(levels: unknown[]): void;
  setHasher(hasher: unknown): void;
}

const NAME = "@chainsafe/persistent-merkle-tree";
const PACKAGE = { name: NAME, version: "1.3.1" };
const DEPTH = 32;

class SszSubject implements Subject {
  readonly #module: Module;
  readonly #positions = new Map<string, number>();
  #root: Node;

  constructor(module: Module) {
    this.#module = module;
    this.#root = module.zeroNode(DEPTH);
  }

  read({ reads }: Batch): number {
    let found = 0;
    for (const key of reads) {
      const position = this.#positions.get(key.toHex());
      if (position === undefined) continue;
      this.#module.getNodeAtDepth(this.#root, DEPTH, position);
      found++;
    }
    return found;
  }

  commit({ keys, values }: Batch): Promise<void> {
    const { LeafNode, zeroNode, setNodesAtDepth } = this.#module;
    const writes = new Map<number, Node>();
    for (let i = 0; i < keys.length; i++) {
      const value = values[i];
      const node = value === undefined ? zeroNode(0) : LeafNode.fromRoot(value);
      writes.set(this.#position(keys[i]), node);
    }
    const sorted = [...writes].sort(([a], [b]) => a - b);
    this.#root = setNodesAtDepth(
      this.#root,
      DEPTH,
      sorted.map(([position]) => position),
      sorted.map(([, node]) => node),
    );
    const levels: unknown[] = [];
    this.#module.getHashComputations(this.#root, 0, levels);
    this.#module.executeHashComputations(levels);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #position(key: Uint8Array): number {
    const name = key.toHex();
    const known = this.#positions.get(name);
    if (known !== undefined) return known;
    const position = this.#positions.size;
    this.#positions.set(name, position);
    return position;
  }
}

/** The peer, or why it is absent. */
export async function ssz(): Promise<Peer | string> {
  const module = await loadModule<Module>(PACKAGE);
  if (typeof module === "string") return module;
  const fast = await loadModule<{ hasher: unknown }>({
    name: NAME,
    version: `${PACKAGE.version}/hasher/as-sha256`,
  });
  if (typeof fast !== "string") module.setHasher(fast.hasher);
  return {
    ...PACKAGE,
    isDurable: false,
    isAuthenticated: true,
    needsFixed: true,
    lacks: "keys (positions only), absence proofs, storage",
    open: () => Promise.resolve(new SszSubject(module)),
  };
}
