// The changed nodes counted the plain way: build both trees as maps from
// place to content and compare them. Far too slow for real states; it keeps
// the fast count honest.

import type { ChangedNodes } from "./changed.ts";
import {
  bit,
  type Entry,
  inOrder,
  type OracleScheme,
  oracleScheme,
  sharedBits,
} from "./scheme.ts";

/** Kind of node, and a text that is equal when the node's hash is. */
interface Node {
  readonly kind: keyof ChangedNodes;
  readonly content: string;
}

/** The nodes of `after` that `before` has not, with one count a kind. */
export function markedNodes(
  scheme: string,
  before: readonly Entry[],
  after: readonly Entry[],
): ChangedNodes {
  const { family } = oracleScheme(scheme);
  const known = new Map<string, string>();
  visit(family, before, (place, node) => known.set(place, node.content));
  const found = { levels: 0, terminals: 0, values: 0 };
  visit(family, after, (place, node) => {
    if (known.get(place) !== node.content) found[node.kind]++;
  });
  return found;
}

type Visitor = (place: string, node: Node) => void;

function visit(
  family: OracleScheme["family"],
  entries: readonly Entry[],
  see: Visitor,
): void {
  walk(family, inOrder(entries), 0, see);
}

function text(entries: readonly Entry[]): string {
  return entries.map(([k, v]) => `${k.toHex()}=${v.toHex()}`).join();
}

/** Terminals are placed by their key, not by where they hang. */
function walk(
  family: OracleScheme["family"],
  entries: readonly Entry[],
  depth: number,
  see: Visitor,
): void {
  if (entries.length === 0) return;
  const [key, value] = entries[0];
  const content = text(entries);
  const sameStem = family === "eip7864" &&
    sharedBits(key, entries.at(-1)![0]) >= 248;
  if (sameStem) {
    see(`stem ${key.subarray(0, 31).toHex()}`, {
      kind: "terminals",
      content,
    });
    return slots(entries, 248, see);
  }
  if (entries.length === 1) {
    const place = key.toHex();
    see(`terminal ${place}`, { kind: "terminals", content });
    if (family === "nomt" || (family === "jam" && value.length > 32)) {
      see(`value ${place}`, { kind: "values", content });
    }
    return;
  }
  const fork = family === "eip8297"
    ? sharedBits(key, entries.at(-1)![0])
    : depth;
  const place = prefix(key, fork);
  // The prefix of an EIP-8297 branch starts below its parent.
  const start = family === "eip8297" ? `${depth} ` : "";
  see(`level ${place}`, { kind: "levels", content: start + content });
  for (const side of [0, 1]) {
    const half = entries.filter(([k]) => bit(k, fork) === side);
    walk(family, half, fork + 1, see);
  }
}

function slots(entries: readonly Entry[], depth: number, see: Visitor): void {
  if (entries.length === 0) return;
  const place = prefix(entries[0][0], depth);
  const kind = depth === 256 ? "values" : "levels";
  see(`slots ${place}`, { kind, content: text(entries) });
  if (depth === 256) return;
  for (const side of [0, 1]) {
    const half = entries.filter(([key]) => bit(key, depth) === side);
    slots(half, depth + 1, see);
  }
}

function prefix(key: Uint8Array, bits: number): string {
  let text = "";
  for (let i = 0; i < bits; i++) text += bit(key, i);
  return text;
}
