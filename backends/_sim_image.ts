// This module is browser compatible.
/**
 * What a power loss left: the files of one image, their fingerprint, and the way
 * back to a running backend.
 *
 * @module
 */
import type { CrashChoice } from "./_sim_crash.ts";
import { SimulatedDisk } from "./_sim_disk.ts";
import type { SimulatedOptions } from "./_sim_types.ts";
import { mix32, type SparseBytes } from "./_sparse_bytes.ts";
import type { SimulatedBackend } from "./simulated.ts";

/** Makes a backend on a disk; passed in, because it makes images in turn. */
export type Boot = (
  options: SimulatedOptions,
  disk: SimulatedDisk,
) => SimulatedBackend;

/**
 * A disk as a power loss left it.
 *
 * @example Every disk that a lost flush can leave
 * ```ts
 * import { simulated } from "@stemma/db/backends/simulated";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = simulated();
 * const file = await backend.open("a", { create: true });
 * await backend.sync?.();
 * file.write(new Uint8Array([1]), 0);
 * const sizes = new Set<number>();
 * for (const image of backend.images({ seed: 1, count: 50 })) {
 *   sizes.add(image.readFile("a")!.length);
 * }
 * assertEquals([...sizes].sort(), [0, 1]);
 * ```
 */
export class SimulatedImage {
  /** The choice that made it: give it to `image` to make it again. */
  readonly choice: CrashChoice;
  /** Names whose creation or removal the power loss undid. */
  readonly lostNames: readonly string[];
  #files: Map<string, SparseBytes>;
  #options: SimulatedOptions;
  #boot: Boot;
  #fingerprint: number | undefined;

  /** @internal */
  constructor(
    files: Map<string, SparseBytes>,
    lostNames: readonly string[],
    choice: CrashChoice,
    options: SimulatedOptions,
    boot: Boot,
  ) {
    this.#files = files;
    this.lostNames = lostNames;
    this.choice = choice;
    this.#options = options;
    this.#boot = boot;
  }

  /**
   * A number of 53 bits that is equal for equal names and contents, and
   * otherwise different but for an accident.
   */
  get fingerprint(): number {
    return this.#fingerprint ??= fingerprintFiles(this.#files);
  }

  /**
   * The names of all files, in ascending order.
   *
   * @returns A new array.
   */
  names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /**
   * A file's bytes.
   *
   * @param file The file's name.
   * @returns A copy as long as the file, or undefined when it does not exist.
   */
  readFile(file: string): Uint8Array | undefined {
    const bytes = this.#files.get(file);
    return bytes === undefined ? undefined : copyOf(bytes);
  }

  /**
   * Turns the power on again. The image stays as it is and can be opened any
   * number of times.
   *
   * @param options Changes to the options of the disk that lost power.
   * @returns A backend on this disk, unlocked, with no call counted.
   */
  open(options: SimulatedOptions = {}): SimulatedBackend {
    const disk = new SimulatedDisk();
    for (const [name, bytes] of this.#files) disk.restore(name, bytes.clone());
    return this.#boot({ ...this.#options, ...options }, disk);
  }
}

/** All bytes, in a buffer of their own. */
export function copyOf(bytes: SparseBytes): Uint8Array {
  const copy = new Uint8Array(bytes.size);
  bytes.read(copy, 0);
  return copy;
}

function fingerprintFiles(files: Map<string, SparseBytes>): number {
  const state = new Uint32Array([0x243f6a88, 0x85a308d3]);
  for (const name of [...files.keys()].sort()) {
    for (let i = 0; i < name.length; i++) {
      state[0] = mix32(state[0] ^ name.charCodeAt(i));
    }
    files.get(name)?.addFingerprint(state);
  }
  return (state[1] & 0x1fffff) * 0x100000000 + state[0];
}
