// The backend in memory: the conformance suite, and what a MemoryDisk adds.

import { assertEquals } from "@std/assert";
import { conformance } from "../../backends/conformance.ts";
import { memoryBackend, MemoryDisk } from "../../backends/memory.ts";
import { SparseBytes } from "../../backends/_sparse_bytes.ts";
import { random } from "../_amount.ts";

conformance("memoryBackend()", () => {
  const disk = new MemoryDisk();
  return { backend: memoryBackend(disk), another: () => memoryBackend(disk) };
}, { test: Deno.test });

Deno.test("MemoryDisk.clone() gives a disk that changes apart", async () => {
  const disk = new MemoryDisk();
  const file = await memoryBackend(disk).open("a", { create: true });
  file.write(new Uint8Array([1, 2, 3]), 0);
  const copy = disk.clone();
  file.write(new Uint8Array([9]), 1);
  const other = await memoryBackend(copy).open("a", { create: false });
  other.write(new Uint8Array([7]), 2);
  assertEquals(disk.readFile("a"), new Uint8Array([1, 9, 3]));
  assertEquals(copy.readFile("a"), new Uint8Array([1, 2, 7]));
});

Deno.test("MemoryDisk.writeFile() and removeFile() change a disk at rest", () => {
  const disk = new MemoryDisk();
  disk.writeFile("b", new Uint8Array([1]));
  disk.writeFile("a", new Uint8Array(0));
  assertEquals(disk.names(), ["a", "b"]);
  assertEquals(disk.removeFile("b"), true);
  assertEquals(disk.removeFile("b"), false);
  assertEquals(disk.readFile("b"), undefined);
  assertEquals(disk.readFile("a"), new Uint8Array(0));
});

Deno.test("SparseBytes holds a large hole in little memory", async () => {
  const disk = new MemoryDisk();
  const file = await memoryBackend(disk).open("a", { create: true });
  file.write(new Uint8Array([1]), 2 ** 45);
  assertEquals(file.size(), 2 ** 45 + 1);
  file.truncate(2 ** 44);
  const byte = new Uint8Array([9]);
  assertEquals(file.read(byte, 2 ** 44 - 1), 1);
  assertEquals(byte[0], 0);
});

Deno.test("SparseBytes equals flat bytes under random calls and clones", () => {
  const rng = random("sparse bytes");
  let sparse = new SparseBytes(64);
  let flat = new Uint8Array(0);
  for (let step = 0; step < 2000; step++) {
    const kind = rng.int(10);
    if (kind < 6) {
      const position = rng.int(700);
      const bytes = rng.bytes(rng.int(200));
      sparse.write(bytes, position);
      if (bytes.length > 0) {
        const end = Math.max(flat.length, position + bytes.length);
        flat = grown(flat, end);
        flat.set(bytes, position);
      }
    } else if (kind < 8) {
      const size = rng.int(900);
      sparse.truncate(size);
      flat = grown(flat.slice(0, size), size);
    } else {
      const copy = sparse.clone();
      // The one left behind is spoiled: nothing of it may show.
      const left = rng.chance(0.5) ? sparse : copy;
      sparse = left === sparse ? copy : sparse;
      left.write(rng.bytes(300), rng.int(300));
    }
    const read = new Uint8Array(flat.length);
    assertEquals(sparse.read(read, 0), flat.length);
    assertEquals(read, flat);
  }
});

Deno.test("SparseBytes.addFingerprint() depends on content alone", () => {
  const rng = random("sparse fingerprint");
  const print = (bytes: SparseBytes): string => {
    const state = new Uint32Array(2);
    bytes.addFingerprint(state);
    return state.join();
  };
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const content = rng.bytes(1 + rng.int(500));
    const whole = new SparseBytes(64);
    whole.write(content, 0);
    const pieces = new SparseBytes(64);
    pieces.write(new Uint8Array(600), 0);
    for (let at = content.length - 1; at >= 0; at--) {
      pieces.write(content.subarray(at, at + 1), at);
    }
    print(pieces);
    pieces.truncate(content.length);
    assertEquals(print(pieces), print(whole));
    const at = rng.int(content.length);
    whole.write(new Uint8Array([content[at] ^ (1 << rng.int(8))]), at);
    assertEquals(print(pieces) === print(whole), false);
    seen.add(print(whole));
  }
  const zeros = new SparseBytes(64);
  zeros.write(new Uint8Array(200), 0);
  const hole = new SparseBytes(64);
  hole.truncate(200);
  assertEquals(print(zeros), print(hole));
  assertEquals(seen.size, 200);
});

function grown(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(size);
  copy.set(bytes);
  return copy;
}
