// This module is browser compatible.
//
// Where everything lies inside a page (docs/format.md has the byte tables).
// A page is a connected piece of the path-compressed tree: nodes in groups of
// four (four 32-byte hash cells, then four 8-byte metas) grow up from the
// header, heap records (keys with values, child references) grow down from the
// end. All numbers are little-endian; offsets are byte offsets.
//
//   join      meta  kind|flags|depth  left    right         parent
//   terminal  meta  kind|flags        heap    value length  parent
//   child     meta  kind|flags|end    heap    root depth    parent
//   free      meta  0                 next

/** Bytes before the first node group. */
export const PAGE_HEADER_BYTES = 32;
/** What one node takes: its hash cell and its meta. */
export const NODE_BYTES = 40;
/** Four nodes. */
export const GROUP_BYTES = 160;
/** Where the metas of the first group lie in a page. */
export const METAS_AT = 160;
/** "No node" in links. */
export const NONE = 0xffff;

/** Kinds, in the two top bits of the first u16 of a meta. */
export const FREE = 0;
export const JOIN = 1;
export const TERMINAL = 2;
export const CHILD = 3;
export const KIND_SHIFT = 14;
/** The cached hash must be computed anew; so must those of all ancestors. */
export const DIRTY = 1 << 13;
/** The cached hash is good but lifted too little (see `edit.ts`). */
export const EXTEND = 1 << 12;
/** The terminal's value lies in an overflow extent. */
export const OVERFLOW = 1 << 11;
/**
 * Height of the page that a child entry refers to: pages on a way down, that one too, at
 * most. 15 stands for all that is higher, 0 says nothing.
 */
export const HEIGHT_MASK = 15;
/** Height of a page that leads to no other one. */
export const END = 1;
/** Bit depth of a join, 0 to 2047. */
export const DEPTH_MASK = (1 << 11) - 1;
/** Depth at which the slots of a stem begin, in the EIP-7864 schemes. */
export const STEM_BITS = 248;
/** Root depth in a child entry when the child page's root is no join. */
export const DEPTH_NONE = 0xffff;

/** Header fields, as byte offsets. */
export const AT_PAGE = 0;
export const AT_BIRTH = 4;
export const AT_ROOT = 12;
export const AT_SLOTS = 14;
export const AT_LIVE = 16;
export const AT_FREE = 18;
export const AT_HEAP = 20;
export const AT_GARBAGE = 22;
export const AT_MAGIC = 24;
/** "tP": a tree page. */
export const PAGE_MAGIC = 0x5074;

/** Heap bytes of a child entry: page number, checksum low, high. */
export const CHILD_RECORD_BYTES = 12;
/**
 * Heap bytes of an overflow reference, behind the key: length, first page,
 * birth low, high, checksum low, high (u32 each), value hash (32).
 */
export const OVERFLOW_RECORD_BYTES = 56;
/** Where the value hash lies in an overflow reference. */
export const OVERFLOW_HASH_AT = 24;

/** Longest value, in bytes. */
export const VALUE_BYTES_MAX = 2 ** 29;

/** Smallest and largest page size, in bytes. */
export const PAGE_BYTES_MIN = 512;
export const PAGE_BYTES_MAX = 32768;

/**
 * Longest key with its value that lies in a page of `pageBytes`, in bytes; what is
 * longer goes to an overflow extent.
 */
export function inlineBytesMax(pageBytes: number): number {
  return Math.floor((pageBytes - PAGE_HEADER_BYTES) / 4) - NODE_BYTES;
}

/** Byte offset of the hash cell of node `n` of the page at `f`. */
export function hashAt(f: number, n: number): number {
  return f + PAGE_HEADER_BYTES + (n >>> 2) * GROUP_BYTES + ((n & 3) << 5);
}

/** Index into the u16 view of the meta of node `n` of the page at `f`. */
export function metaAt(f: number, n: number): number {
  return (f >>> 1) + (METAS_AT >>> 1) + (n >>> 2) * (GROUP_BYTES >>> 1) +
    ((n & 3) << 2);
}

/** Heap records are multiples of four bytes. */
export function align4(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Bytes that `slots` nodes take, in whole groups. */
export function groupBytes(slots: number): number {
  return ((slots + 3) >>> 2) * GROUP_BYTES;
}
