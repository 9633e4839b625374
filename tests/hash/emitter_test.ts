// The assembler: whole modules that run, with the operands whose encodings are easy
// to get wrong.

import { assertEquals, assertThrows } from "@std/assert";
import {
  brIf,
  type Code,
  get,
  I32,
  i32,
  I64,
  i64,
  loop,
  ModuleWriter,
  set,
  tee,
  v128,
  when,
} from "../../src/hash/emitter.ts";
import { memoryOf } from "./_batch.ts";

type Exported = (...args: number[]) => number;

function instantiate(module: ModuleWriter, shared: boolean): {
  memory: WebAssembly.Memory;
  exports: Record<string, Exported>;
} {
  const memory = memoryOf(1 << 16, shared);
  const compiled = new WebAssembly.Module(module.bytes(shared));
  const env = { memory, base: 4096 };
  const instance = new WebAssembly.Instance(compiled, { env });
  return { memory, exports: instance.exports as Record<string, Exported> };
}

Deno.test("ModuleWriter writes constants of every size", () => {
  const module = new ModuleWriter();
  const numbers = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192];
  numbers.push(0x7fff_ffff, -0x8000_0000, 0xf00_0000);
  numbers.forEach((n, i) => {
    const signature = { result: I32, name: `n${i}` };
    module.func(signature, () => i32.const(n));
  });
  const { exports } = instantiate(module, false);
  assertEquals(numbers.map((_, i) => exports[`n${i}`]()), numbers);
});

Deno.test("ModuleWriter writes 64-bit constants at the base of a shared memory", () => {
  const module = new ModuleWriter();
  const numbers = [0n, -1n, 0x9e3779b185ebca87n, 1n << 62n, -(1n << 63n)];
  module.func({ name: "put" }, ({ base, local }) => {
    const sum = local(I64);
    return [
      numbers.map((n, i): Code => i64.store(base, i64.const(n), 8 * i)),
      set(sum, i64.load(base, 8)),
      i64.store(base, i64.add(get(sum), i64.const(2n)), 8 * numbers.length),
    ];
  });
  const { memory, exports } = instantiate(module, true);
  exports.put();
  const words = new BigInt64Array(memory.buffer, 4096, numbers.length + 1);
  const want = numbers.map((n) => BigInt.asIntN(64, n));
  assertEquals([...words], [...want, 1n]);
});

Deno.test("ModuleWriter writes loops, branches and calls", () => {
  const module = new ModuleWriter();
  const add = module.func(
    { params: [I32, I32], result: I32 },
    ({ params: [a, b] }) => i32.add(get(a), get(b)),
  );
  module.func(
    { params: [I32], result: I32, name: "sum" },
    ({ params: [n], local }) => {
      const total = local(I32);
      return [
        when(
          i32.gtS(get(n), i32.const(0)),
          loop([
            set(total, add(get(total), get(n))),
            brIf(0, tee(n, i32.sub(get(n), i32.const(1)))),
          ]),
          set(total, i32.const(-7)),
        ),
        get(total),
      ];
    },
  );
  const { exports } = instantiate(module, false);
  assertEquals([0, 1, 10, 1000].map((n) => exports.sum(n)), [
    -7,
    1,
    55,
    500500,
  ]);
});

Deno.test("v128.const() throws when it does not get 16 bytes", () => {
  assertThrows(() => v128.const([1, 2, 3]), RangeError);
});
