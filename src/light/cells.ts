// This module is browser compatible.
//
// What a light client has verified of single keys, at its root: a value, the
// hash of a value, or that there is none. Bounded in bytes; the cell that was
// used longest ago goes first, and a key without a cell is unknown.

/** What is known of a key. */
export interface Cell {
  /** `"value"`, `"hash"` (of a long value), or `"absent"`. */
  readonly kind: "value" | "hash" | "absent";
  /** The value or its hash; empty when absent. */
  readonly bytes: Uint8Array;
}

const KINDS = ["absent", "value", "hash"] as const;
/** Bytes that a cell costs besides its key and value. */
const CELL_BYTES = 64;

/** Verified cells by key. */
export class Cells {
  readonly #cells: Map<string, Cell> = new Map();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Number of cells. */
  get count(): number {
    return this.#cells.size;
  }

  /** Bytes that they cost. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** What is known of a key, which counts as used now. */
  get(key: Uint8Array): Cell | undefined {
    const name = nameOf(key), cell = this.#cells.get(name);
    if (cell === undefined) return undefined;
    this.#cells.delete(name);
    this.#cells.set(name, cell);
    return cell;
  }

  /** Whether anything is known of a key. */
  has(key: Uint8Array): boolean {
    return this.#cells.has(nameOf(key));
  }

  /** Learns of a key, and forgets others when there is no room. */
  set(key: Uint8Array, cell: Cell): void {
    const name = nameOf(key);
    this.#forget(name);
    this.#cells.set(name, cell);
    this.#bytes += cost(name, cell);
    for (const oldest of this.#cells.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#forget(oldest);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#cells.clear();
    this.#bytes = 0;
  }

  /** Writes all cells, those used last at the end. */
  encode(): Uint8Array {
    const parts: number[][] = [], values: Uint8Array[] = [];
    let size = 4;
    for (const [name, cell] of this.#cells) {
      const key = Array.from(name, (letter) => letter.charCodeAt(0));
      const head = [
        key.length >> 8,
        key.length & 255,
        KINDS.indexOf(cell.kind),
        ...u32(cell.bytes.length),
        ...key,
      ];
      parts.push(head);
      values.push(cell.bytes);
      size += head.length + cell.bytes.length;
    }
    const out = new Uint8Array(size);
    out.set(u32(parts.length));
    let at = 4;
    for (const [i, head] of parts.entries()) {
      out.set(head, at);
      out.set(values[i], at + head.length);
      at += head.length + values[i].length;
    }
    return out;
  }

  /** Reads what {@linkcode encode} wrote; returns the bytes read. */
  decode(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 4;
    for (let left = view.getUint32(0); left > 0; left--) {
      const keyEnd = at + 7 + view.getUint16(at);
      const end = keyEnd + view.getUint32(at + 3);
      this.set(bytes.slice(at + 7, keyEnd), {
        kind: KINDS[bytes[at + 2]],
        bytes: bytes.slice(keyEnd, end),
      });
      at = end;
    }
    return at;
  }

  #forget(name: string): void {
    const cell = this.#cells.get(name);
    if (cell === undefined) return;
    this.#cells.delete(name);
    this.#bytes -= cost(name, cell);
  }
}

function nameOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function cost(name: string, { bytes }: Cell): number {
  return CELL_BYTES + name.length + bytes.length;
}

/** Four bytes, big endian. */
export function u32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}
