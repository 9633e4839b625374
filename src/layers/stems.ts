// This module is browser compatible.

// Stems for applications of their own in an EIP-7864 store. The scheme hashes
// nodes, stems and slots as untagged 64-byte strings, so whoever may choose a
// raw stem can choose one that is also a node of the tree, and prove what was
// never written. A caller's name is therefore hashed into its stem behind a
// tag, in a message longer than any node's.

/** What is needed of a scheme here: every scheme has it. */
export interface StemHash {
  /** The scheme's hash function: any message to 32 bytes. */
  hash(message: Uint8Array): Uint8Array;
}

/** Longer than the 64 bytes of a node, whatever name follows. */
const TAG_BYTES = 72;
const TAG = /* @__PURE__ */ tag();

/**
 * The stem that belongs to a name: safe for names from strangers.
 *
 * @param scheme An `eip7864-*` scheme, or anything with its `hash`.
 * @param name Any bytes.
 * @returns 31 bytes, a fresh array.
 *
 * @example
 * ```ts
 * import { stemKey, stemOf } from "@stemma/db/stems";
 * import { eip7864Sha256 } from "@stemma/verify";
 *
 * const stem = stemOf(eip7864Sha256, new TextEncoder().encode("alice"));
 * const key = stemKey(stem, 3);
 * if (key.length !== 32 || key[31] !== 3) throw new Error("unexpected");
 * ```
 */
export function stemOf(
  scheme: StemHash,
  name: Uint8Array,
): Uint8Array {
  const message = new Uint8Array(TAG_BYTES + name.length);
  message.set(TAG);
  message.set(name, TAG_BYTES);
  return scheme.hash(message).slice(0, 31);
}

/**
 * The key of one slot of a stem.
 *
 * @param stem 31 bytes, from {@linkcode stemOf}. A raw stem of one's own
 * choice is trusted: never take one from a stranger.
 * @param slot 0 to 255.
 * @returns 32 bytes, a fresh array.
 * @throws {RangeError} The stem is not 31 bytes, or the slot out of range.
 *
 * @example
 * ```ts
 * import { stemKey } from "@stemma/db/stems";
 *
 * const key = stemKey(new Uint8Array(31).fill(1), 255);
 * if (key[31] !== 255) throw new Error("unexpected");
 * ```
 */
export function stemKey(stem: Uint8Array, slot: number): Uint8Array {
  if (stem.length !== 31) {
    throw new RangeError(
      `Cannot make a key: stem must be 31 bytes: received ${stem.length}`,
    );
  }
  if (!Number.isInteger(slot) || slot < 0 || slot > 255) {
    throw new RangeError(
      `Cannot make a key: slot must be 0 to 255: received ${slot}`,
    );
  }
  const key = new Uint8Array(32);
  key.set(stem);
  key[31] = slot;
  return key;
}

function tag(): Uint8Array {
  const bytes = new Uint8Array(TAG_BYTES);
  bytes.set(new TextEncoder().encode("stemma stem of a caller's name, 1"));
  return bytes;
}
