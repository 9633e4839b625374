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
/** Bytes that one instance of a kernel works in. */
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
/** Chaining values of chunks (BLAKE3): one for each entry. */
export const CHUNKS_AT: number = JOBS_AT + PART_ENTRIES * 16;
export const MESSAGES_AT: number = CHUNKS_AT + PART_ENTRIES * 32;
/** Chaining values of whole subtrees of 64 chunks, a stack (BLAKE3). */
export const SUBTREES_AT: number = MESSAGES_AT + PART_ENTRIES * MESSAGE_BYTES;
export const SUBTREES_MAX = 24;
export const PIECE_AT: number = SUBTREES_AT + SUBTREES_MAX * 32;
/** Working area of the second thread's instance, and its mailbox. */
export const SECOND_AT: number = PIECE_AT + PIECE_BYTES;
export const MAILBOX_AT: number = SECOND_AT + KERNEL_BYTES;

/** Bytes that a hasher needs of the pool, from an offset that 16 divides. */
export const RESERVED_BYTES: number = MAILBOX_AT + 128;
