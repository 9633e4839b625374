// This module is browser compatible.
//
// The area of the pool that kernels reserve: constants, the working state of the
// lanes, and room for lists and messages that the hasher makes itself. All
// offsets are from the start of the area and multiples of 16.
//
// | offset | bytes | what |
// | ------ | ----- | ---- |
// | 0      | 4096  | constants of the hash function, as vectors |
// | 4096   | 128   | chaining values, word by word, one lane beside the other |
// | 4224   | 256   | message block, likewise |
// | 4480   | 256   | message block whose upper half stays zero (BLAKE2b) |
// | 4736   | 128   | lanes: where each stands in its message |
// | 4864   | 256   | last blocks of the lanes, padded |
// | 5120   | 128   | finished hashes, lane by lane |
// | 5248   | 16    | a row at the very end of memory, copied |
// | 5264   | 16    | chunk counter, its step, end flags (BLAKE3) |
// | 5280   | 16    | checksum result |
// | 5296   | 32    | running sums of a checksum in parts |

export const CONSTANTS_AT = 0;
export const STATE_AT = 4096;
export const BLOCK_AT = 4224;
export const HALF_BLOCK_AT = 4480;
export const LANES_AT = 4736;
export const LAST_BLOCKS_AT = 4864;
export const HASHES_AT = 5120;
export const ROW_AT = 5248;
export const CHUNK_AT = 5264;
export const SUM_AT = 5280;
export const RUNNING_SUMS_AT = 5296;
/** Bytes that kernels over lists work in. */
export const KERNEL_BYTES = 5376;

// Fields of the lanes: a vector each, one u32 a lane.
/** Address of the next byte of the message. */
export const LANE_FROM: number = LANES_AT;
/** Bytes not hashed yet; may fall below 0 while padding remains. */
export const LANE_LEFT: number = LANES_AT + 16;
/** Bytes of the whole message. */
export const LANE_TOTAL: number = LANES_AT + 32;
/** Where the hash goes. */
export const LANE_OUT: number = LANES_AT + 48;
/** Three vectors of parameters of the block function. */
export const LANE_A: number = LANES_AT + 64;
export const LANE_B: number = LANES_AT + 80;
export const LANE_C: number = LANES_AT + 96;
/** Flags of a lane's last block (BLAKE3). */
export const LANE_END: number = LANES_AT + 112;

/** `LANE_LEFT` of a lane that has no message. */
export const IDLE = -0x8000_0000;

/** Messages that are put together, or chunks hashed, at a time. */
export const PART_ENTRIES = 64;
/** Room for a message put together: an EIP-8297 branch needs 322 bytes. */
export const MESSAGE_BYTES = 336;
/** Bytes copied in at a time for a message outside the pool: 64 chunks. */
export const PIECE_BYTES = 65536;

/** List entries made by the hasher. */
export const JOBS_AT: number = KERNEL_BYTES;
export const MESSAGES_AT: number = JOBS_AT + PART_ENTRIES * 16;

// What the hashing of whole pages works in, all of it within one call.
/** Nodes that are hashed together, at most: any page has fewer. */
export const PAGE_NODES_MAX = 1024;
/** Levels of nodes: bits of a key, one for stems, and the root's. */
const PAGE_LEVELS = 2052;
/** Ends of the lists below, and counters: a u32 each. */
export const PAGE_TOPS_AT: number = MESSAGES_AT + PART_ENTRIES * MESSAGE_BYTES;
/** 32 bytes that stay zero. */
export const PAGE_ZERO_AT: number = PAGE_TOPS_AT + 64;
/** First node of each level; all zero between calls. */
export const PAGE_HEADS_AT: number = PAGE_ZERO_AT + 32;
/** Nodes that wait to be visited: number, depth of the join above, page. */
export const PAGE_STACK_AT: number = PAGE_HEADS_AT + 4 * PAGE_LEVELS;
/** Joins and lifts: next of the level, left, right, out, key, depth of the join above. */
export const PAGE_NODES_AT: number = PAGE_STACK_AT + 12 * PAGE_NODES_MAX;
const PAGE_NODE_BYTES = 24;
/** Lists for the other kernels. */
export const PAGE_VALUES32_AT: number = PAGE_NODES_AT +
  PAGE_NODE_BYTES * PAGE_NODES_MAX;
export const PAGE_VALUES_AT: number = PAGE_VALUES32_AT + 12 * PAGE_NODES_MAX;
export const PAGE_LEAVES_AT: number = PAGE_VALUES_AT + 12 * PAGE_NODES_MAX;
export const PAGE_LIST_AT: number = PAGE_LEAVES_AT + 16 * PAGE_NODES_MAX;

/** Bytes that one instance works in, also to hash whole pages. */
export const INSTANCE_BYTES: number = PAGE_LIST_AT + 24 * PAGE_NODES_MAX;

// The first thread's alone.
/** Chaining values of chunks (BLAKE3): one for each entry. */
export const CHUNKS_AT: number = INSTANCE_BYTES;
/** Chaining values of whole subtrees of 64 chunks, a stack (BLAKE3). */
export const SUBTREES_AT: number = CHUNKS_AT + PART_ENTRIES * 32;
export const SUBTREES_MAX = 24;
export const PIECE_AT: number = SUBTREES_AT + SUBTREES_MAX * 32;
/** Working area of the second thread's instance, and its mailbox. */
export const SECOND_AT: number = PIECE_AT + PIECE_BYTES;
export const MAILBOX_AT: number = SECOND_AT + INSTANCE_BYTES;

/** Bytes that a hasher needs of the pool, from an offset that 16 divides. */
export const RESERVED_BYTES: number = MAILBOX_AT + 128;

// A group of edits of pages: a header, items, then keys with new values, then entries
// for the log. All fields are words.
/** Bytes of a group. */
export const EDITS_BYTES = 1 << 16;
/** Header: items, id of the version being made (low, high), bytes of a page and a key. */
export const EDITS_COUNT = 0;
export const EDITS_BIRTH = 4;
export const EDITS_PAGE_BYTES = 12;
export const EDITS_KEY_BYTES = 16;
/** Afterwards: where the log's entries end. */
export const EDITS_LOG_END = 20;
/** Items of a group, at most, and where they begin. */
export const EDITS_ITEMS_MAX = 64;
export const EDITS_ITEMS_AT = 64;
export const EDITS_ITEM_BYTES = 96;
/** Keys with values. */
export const EDITS_KEYS_AT: number = EDITS_ITEMS_AT +
  EDITS_ITEMS_MAX * EDITS_ITEM_BYTES;
/** Bytes that copying may write past the last entry. */
const SPARE = 16;
/** The log's entries, as a record has them: with old values, less than twice as long. */
export const EDITS_LOG_AT: number = EDITS_KEYS_AT +
  (((EDITS_BYTES - EDITS_KEYS_AT - SPARE) / 3) & ~15);

/** Fields of an item. The page as it is, and where the changed copy goes. */
export const ITEM_FROM = 0;
export const ITEM_TO = 4;
/** Where the hash of its root node lies, and the depth of the join above. */
export const ITEM_HOME = 8;
export const ITEM_ABOVE = 12;
/** Depth of the root: what it should be, and what it is afterwards. */
export const ITEM_ROOT = 16;
/** First key, and how many. */
export const ITEM_KEYS = 20;
export const ITEM_COUNT = 24;
/** Afterwards: keys done, keys changed, the page's frame. */
export const ITEM_DONE = 28;
export const ITEM_CHANGED = 32;
export const ITEM_FRAME = 36;
/** Number of the page as it is, and id of the version that made it (low, high). */
export const ITEM_PAGE = 40;
export const ITEM_BIRTH = 44;
/** Afterwards: whether its root node is hashed, too, and the hash: 32 bytes. */
export const ITEM_IS_HASHED = 52;
export const ITEM_HASH = 64;

/** Bytes of a key, padded. */
export const EDIT_KEY_BYTES = 32;
/** Longest value that is edited like this, in bytes: its length takes two in the log. */
export const EDIT_VALUE_BYTES_MAX = 1024;
/** Flags of a log entry: it has a new value, it has an old one. */
export const ENTRY_HAS_NEW = 1;
export const ENTRY_HAS_OLD = 2;
