// Contradiction search: for one root no key may get two verdicts. A generator
// knows every preimage of a real tree and reads every node as every kind that
// its bytes allow; whatever is accepted must say what the tree says, and
// updates must lead where a full recomputation leads. Switched off one by one,
// the rules of EIP-7864 are missed: the search finds the forgeries they stop.

import { assert, assertEquals } from "@std/assert";
import {
  applyWrites,
  decodePartial,
  type Scheme,
  type Verdict,
} from "@stemma/verify";
import { amount, type Random, random } from "../_amount.ts";
import { compare, type Entry, ModelTree } from "./_model_tree.ts";
import {
  assemble,
  branch,
  EMPTY,
  hashOf,
  leaf,
  type Pruned,
} from "./_pruned.ts";
import { attempt, flip } from "./_refuse.ts";
import {
  afterWrites,
  cheapHash,
  cheapSchemes,
  randomEntries,
  withHash,
} from "./_support.ts";

interface World {
  tree: ModelTree;
  preimages: Map<string, Uint8Array>;
}

/** A tree and the preimage of every hash that was computed for it. */
function someWorld(scheme: Scheme, entries: readonly Entry[]): World {
  const preimages = new Map<string, Uint8Array>();
  const spy = withHash(scheme, (message) => {
    const out = cheapHash(message);
    // Hashes are looked up without the bit that NOMT and JAM take out of them.
    for (const top of [out[0] | 0x80, out[0] & 0x7f]) {
      const seen = out.slice();
      seen[0] = top;
      preimages.set(seen.toHex(), message.slice());
    }
    return out;
  });
  new ModelTree(spy, entries).rootHash;
  return { tree: new ModelTree(scheme, entries), preimages };
}

/** Reads random nodes as random kinds. */
class Generator {
  constructor(
    readonly world: World,
    readonly source: Random,
    /** How likely a node is to be opened. */
    readonly open: number,
  ) {}

  get scheme(): Scheme {
    return this.world.tree.scheme;
  }

  /** One reading of the node with hash `hash` at `depth`. */
  node(hash: Uint8Array, depth: number, slots: boolean): Pruned {
    const { source, world: { preimages }, scheme: { family } } = this;
    if (hash.every((byte) => !byte)) return EMPTY;
    const bytes = preimages.get(hash.toHex());
    if (!bytes || depth > 300 || !source.chance(this.open)) {
      return hashOf(hash);
    }
    if (slots && bytes.length === 32 && source.chance(0.9)) {
      return { kind: "slot", value: bytes };
    }
    if (family === "eip8297") return this.prefixed(bytes, depth);
    if (bytes.length < 64) return hashOf(hash);
    const [left, right] = [bytes.slice(0, 32), bytes.slice(32, 64)];
    if (!slots && this.source.chance(0.4)) {
      const terminal = this.terminal(left, right, depth);
      if (terminal) return terminal;
    }
    return branch(
      this.node(left, depth + 1, slots),
      this.node(right, depth + 1, slots),
    );
  }

  terminal(
    left: Uint8Array,
    right: Uint8Array,
    depth: number,
  ): Pruned | undefined {
    const { source, world: { preimages }, scheme: { family } } = this;
    if (family === "eip7864") {
      if (left[31] !== 0) return undefined;
      const slots = this.node(right, depth + 1, true);
      return { kind: "stem", stem: left.slice(0, 31), slots };
    }
    const value = preimages.get(right.toHex());
    if (family === "nomt") {
      return value && source.chance(0.7)
        ? leaf(left, value)
        : leaf(left, right, true);
    }
    const key = new Uint8Array([...left.slice(1), ...right]).slice(0, 31);
    const size = left[0] & 0x3f;
    const held = size <= 32 ? right.slice(0, size) : right;
    return source.chance(0.8)
      ? leaf(key, left[0] === 0xc0 ? right : held, left[0] === 0xc0)
      : leaf(key, value ?? right, !value);
  }

  prefixed(bytes: Uint8Array, depth: number): Pruned {
    const { source } = this;
    const last = bytes.length - 32;
    if (bytes[0] === 0 || source.chance(0.1)) {
      return leaf(bytes.slice(1, last), bytes.slice(last));
    }
    const count = bytes[1] * 256 + bytes[2];
    const prefix = Array.from(
      { length: count },
      (_, i) => bytes[3 + (i >> 3)] >> (7 - (i & 7)) & 1,
    );
    const at = 3 + ((count + 7) >> 3);
    return branch(
      this.node(bytes.slice(at, at + 32), depth + count + 1, false),
      this.node(bytes.slice(at + 32), depth + count + 1, false),
      prefix,
    );
  }
}

/** Present keys, keys near them, and keys made of hashes. */
function probes({ tree, preimages }: World, source: Random): Uint8Array[] {
  const present = tree.entries.map(([key]) => key);
  const length = tree.scheme.keyBytesMin;
  const made = [...preimages.values()]
    .filter((bytes) => bytes.length >= 64)
    .map((bytes) => bytes.slice(0, length > 1 ? length : 4));
  return [
    ...present,
    ...present.map((key) => flip(key, source.int(8 * key.length))),
    ...present.map((key) => flip(key, source.int(16) % (8 * key.length))),
    ...source.shuffle(made).slice(0, 4),
  ];
}

/** What is wrong with a verdict, or `undefined`. */
function contradiction(
  verdict: Verdict | undefined,
  entry: Entry | undefined,
): string | undefined {
  if (verdict?.status === "present") {
    if (!entry) return "forged inclusion";
    const { value } = verdict;
    if (value && compare(value, entry[1])) return "forged value";
    if (!verdict.matches(entry[1])) return "value that does not match";
  }
  return verdict?.status === "absent" && entry ? "forged absence" : undefined;
}

interface Found {
  accepted: number;
  verdicts: number;
  roots: number;
  contradictions: string[];
}

/** Searches `worlds` trees of `scheme`, verified under `verifier`. */
function search(
  scheme: Scheme,
  verifier: Scheme,
  source: Random,
  worlds: number,
  suits: (world: World) => boolean = () => true,
): Found {
  const found: Found = {
    accepted: 0,
    verdicts: 0,
    roots: 0,
    contradictions: [],
  };
  for (let i = 0; i < worlds && !found.contradictions.length;) {
    const count = 1 + source.int(5);
    const world = someWorld(scheme, randomEntries(source, scheme, count));
    if (!suits(world)) continue;
    i++;
    const { tree } = world;
    const generator = new Generator(world, source, source.pick([0.7, 0.85, 1]));
    for (let j = 0; j < 30; j++) {
      const pruned = generator.node(tree.rootHash, 0, false);
      const proof = assemble(scheme, pruned);
      const partial = attempt(() =>
        decodePartial(verifier, tree.rootHash, proof)
      );
      if (!partial) continue;
      found.accepted++;
      for (const key of probes(world, source)) {
        const entry = tree.entries.find(([k]) => !compare(k, key));
        const verdict = attempt(() => partial.get(key));
        if (verdict && verdict.status !== "not covered") found.verdicts++;
        const wrong = contradiction(verdict, entry);
        if (wrong) found.contradictions.push(wrong);
        const value = source.chance(0.5) ? source.bytes(32) : undefined;
        const writes = [{ key, value }];
        const root = attempt(() => applyWrites(partial, writes));
        if (!root) continue;
        found.roots++;
        if (compare(root, afterWrites(tree, writes).rootHash)) {
          found.contradictions.push("forged update");
        }
      }
    }
  }
  return found;
}

for (const scheme of cheapSchemes) {
  Deno.test(`decodePartial() gives no key two verdicts, and no write two roots: ${scheme.name}`, () => {
    const source = random(`contradiction ${scheme.name}`);
    const worlds = amount(200);
    const found = search(scheme, scheme, source, worlds);
    assertEquals(found.contradictions, []);
    assert(found.accepted > worlds, `accepted ${found.accepted}`);
    assert(found.verdicts > worlds, `verdicts ${found.verdicts}`);
    assert(found.roots > worlds / 2, `roots ${found.roots}`);
  });
}

Deno.test("the search finds the forgeries that R1 stops", () => {
  const source = random("without R1");
  const scheme = cheapSchemes[2];
  const weak = { ...scheme, rules: { ...scheme.rules, absent: undefined } };
  const { contradictions } = search(scheme, weak, source, 2000);
  assert(contradictions.length > 0);
});

Deno.test("the search finds the forgeries that R2 stops", () => {
  const source = random("without R2");
  const scheme = cheapSchemes[2];
  const { rules } = scheme;
  const hash: typeof rules.hash = (tree, row) => {
    const { rows, hashes } = tree;
    const at = rows[row + 1];
    return rules.isSlot!(rows, row)
      ? scheme.hash(tree.data.subarray(at, at + 32))
      : scheme.terminal(
        tree.data.subarray(at, at + 31),
        hashes[row / 7 + 1],
        true,
      );
  };
  const weak = { ...scheme, rules: { ...rules, hash } };
  // One inner node in 256 has a left hash that ends like a stem half.
  const readsAsStem = ({ tree, preimages }: World): boolean => {
    const [first, last] = [tree.entries[0][0], tree.entries.at(-1)![0]];
    const left = preimages.get(tree.rootHash.toHex())!.subarray(0, 32);
    return compare(first.slice(0, 31), last.slice(0, 31)) !== 0 &&
      left[31] === 0 && left.some((byte) => byte);
  };
  const { contradictions } = search(scheme, weak, source, 20, readsAsStem);
  assert(contradictions.length > 0);
  const sound = search(scheme, scheme, source, 5, readsAsStem);
  assertEquals(sound.contradictions, []);
});
