// This module is browser compatible.
//
// Assembles and compiles the kernel module of a hash function: once per process
// for each kind of memory, since V8 and others keep optimized code with the module.

import type { HashName, Scheme } from "@stemma/verify";
import { ModuleWriter } from "./emitter.ts";
import { blake2bCore } from "./kernel_blake2b.ts";
import { blake3Core, CHUNK_END, ROOT } from "./kernel_blake3.ts";
import { defineCopies } from "./kernel_copies.ts";
import type { Core } from "./kernel_core.ts";
import { CHUNK_AT, CONSTANTS_AT, INSTANCE_BYTES } from "./kernel_layout.ts";
import { defineEdits } from "./kernel_edits.ts";
import { defineMessages } from "./kernel_messages.ts";
import { definePages } from "./kernel_pages.ts";
import { definePairs } from "./kernel_pairs.ts";
import { sha256Core } from "./kernel_sha256.ts";
import { defineSlots } from "./kernel_slots.ts";
import { defineRow, defineStream } from "./kernel_stream.ts";
import { defineSound } from "./kernel_sound.ts";
import { defineTrees } from "./kernel_trees.ts";
import { defineChecksum } from "./kernel_xxh64.ts";

const cores: Record<HashName, Core> = {
  "blake3": blake3Core,
  "sha256": sha256Core,
  "blake2b-256": blake2bCore,
};

/** An exported kernel; arguments are 32-bit. */
export type KernelFunction = (...args: number[]) => void;
/** All kernels of one instance by name. */
export type Kernels = Readonly<Record<string, KernelFunction>>;

/** A compiled kernel module. */
export interface CompiledKernel {
  readonly core: Core;
  readonly module: WebAssembly.Module;
}

const compiled = new Map<string, CompiledKernel | undefined>();

function isHashName(name: string): name is HashName {
  return Object.hasOwn(cores, name);
}

/** Bytes of a hash function's module; whole pages it hashes for one family. */
export function kernelBytes(
  core: Core,
  shared: boolean,
  family?: Scheme["family"],
): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  const code = core.define(module);
  const row = defineRow(module);
  const pairs = definePairs(module, core, code, row);
  const stream = defineStream(module, core, code, row);
  const messages = defineMessages(module);
  if (family !== undefined) {
    const slots = family === "eip7864" && core.lanes === 4
      ? defineSlots(module, core, code)
      : undefined;
    const lists = { ...pairs, ...messages, stream, slots };
    const pages = definePages(module, lists, family);
    if (family !== "eip8297") defineEdits(module, pages, family);
    defineTrees(module);
    defineSound(module);
  }
  defineCopies(module, defineChecksum(module));
  return module.bytes(shared);
}

/**
 * The compiled kernels of a hash function.
 *
 * @param hashName The hash function.
 * @param shared Whether the memory is shared.
 * @param family The family whose pages it hashes; omitted: no pages.
 * @returns `undefined` when there are none, or WebAssembly with SIMD is missing
 * or forbidden here.
 */
export function compileKernel(
  hashName: string,
  shared: boolean,
  family?: Scheme["family"],
): CompiledKernel | undefined {
  if (!isHashName(hashName)) return undefined;
  const key = `${hashName} ${shared} ${family}`;
  if (!compiled.has(key)) {
    const core = cores[hashName];
    let kernel: CompiledKernel | undefined;
    try {
      const module = new WebAssembly.Module(
        kernelBytes(core, shared, family),
      );
      kernel = { core, module };
    } catch {
      // No WebAssembly, no SIMD, or a policy against it: JavaScript it is.
    }
    compiled.set(key, kernel);
  }
  return compiled.get(key);
}

/**
 * Puts a kernel's constants where an instance expects them.
 *
 * @param base Byte offset of the instance's own reserved area.
 */
export function placeConstants(
  kernel: CompiledKernel,
  memory: WebAssembly.Memory,
  base: number,
): void {
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(0, base, base + INSTANCE_BYTES);
  bytes.set(kernel.core.constants, base + CONSTANTS_AT);
  // Messages are whole ones unless the hasher says that they are chunks.
  bytes[base + CHUNK_AT + 8] = CHUNK_END | ROOT;
}

/** Puts the constants in place and makes an instance. */
export function instantiateKernel(
  kernel: CompiledKernel,
  memory: WebAssembly.Memory,
  base: number,
): Kernels {
  placeConstants(kernel, memory, base);
  const instance = new WebAssembly.Instance(kernel.module, {
    env: { memory, base },
  });
  return instance.exports as Record<string, KernelFunction>;
}
