// This module is browser compatible.
//
// A small WebAssembly assembler: the kernels are TypeScript that writes WebAssembly,
// so no other toolchain is needed to build or audit them. Code is a nested array
// of bytes, flattened once at the end; operands are code, so a kernel reads like
// the expressions it computes. Only what the kernels use is here. Encodings:
// WebAssembly Core Specification 2.0, section 5 (binary format).

/** Bytes of code, nested as they were written. */
export type Code = readonly (number | Code)[] | Uint8Array;

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;

function encodeUnsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? byte : byte | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Encodings made once and used over and over: a module has thousands. */
const small: readonly Code[] = /* @__PURE__ */ Array.from(
  { length: 512 },
  (_, n) => encodeUnsigned(n),
);

function unsignedLeb(value: number): Code {
  return value < small.length ? small[value] : encodeUnsigned(value);
}

function signedLeb(value: bigint): Code {
  const bytes: number[] = [];
  for (let rest = value;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if (rest === 0n && byte < 0x40) return [...bytes, byte];
    if (rest === -1n && byte >= 0x40) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

type Unary = (a: Code) => Code;
type Binary = (a: Code, b: Code) => Code;

const unary = (op: number): Unary => (a) => [a, op];
const binary = (op: number): Binary => (a, b) => [a, b, op];
const simd = (op: number): Code => [0xfd, ...encodeUnsigned(op)];
const simdUnary = (op: number): Unary => {
  const bytes = simd(op);
  return (a) => [a, bytes];
};
const simdBinary = (op: number): Binary => {
  const bytes = simd(op);
  return (a, b) => [a, b, bytes];
};

type Shift = (a: Code, n: number) => Code;
type Load = (address: Code, offset?: number) => Code;
type Store = (address: Code, value: Code, offset?: number) => Code;

// Alignment hints are 0 (any address) throughout: they cost nothing.
const load = (op: Code): Load => (address, offset = 0) => [
  address,
  op,
  0,
  unsignedLeb(offset),
];
const store = (op: Code): Store => (address, value, offset = 0) => [
  address,
  value,
  op,
  0,
  unsignedLeb(offset),
];

export const i32:
  & { const(n: number): Code }
  & Record<"load" | "load8" | "load16", Load>
  & Record<"store" | "store8" | "store16", Store>
  & Record<
    | "eq"
    | "ne"
    | "ltS"
    | "gtS"
    | "gtU"
    | "leS"
    | "leU"
    | "geS"
    | "geU"
    | "add"
    | "sub"
    | "mul"
    | "divU"
    | "and"
    | "or"
    | "xor"
    | "shl"
    | "shrU",
    Binary
  >
  & Record<"clz" | "ctz", Unary> = {
    const: (n: number): Code => [
      0x41,
      // Up to 6 bits the signed encoding is the unsigned one.
      n >= 0 && n < 64 ? unsignedLeb(n) : signedLeb(BigInt(n | 0)),
    ],
    load: load([0x28]),
    load8: load([0x2d]),
    load16: load([0x2f]),
    store: store([0x36]),
    store8: store([0x3a]),
    store16: store([0x3b]),
    eq: binary(0x46),
    ne: binary(0x47),
    ltS: binary(0x48),
    gtS: binary(0x4a),
    gtU: binary(0x4b),
    leS: binary(0x4c),
    leU: binary(0x4d),
    geS: binary(0x4e),
    geU: binary(0x4f),
    add: binary(0x6a),
    sub: binary(0x6b),
    mul: binary(0x6c),
    divU: binary(0x6e),
    and: binary(0x71),
    or: binary(0x72),
    xor: binary(0x73),
    shl: binary(0x74),
    shrU: binary(0x76),
    clz: unary(0x67),
    ctz: unary(0x68),
  };

export const i64:
  & { const(n: bigint): Code }
  & Record<"load" | "load32" | "load8", Load>
  & Record<"store", Store>
  & Record<
    "add" | "sub" | "mul" | "or" | "xor" | "shl" | "shrU" | "rotl",
    Binary
  >
  & Record<"fromI32", Unary> = {
    const: (n: bigint): Code => [0x42, signedLeb(BigInt.asIntN(64, n))],
    load: load([0x29]),
    load32: load([0x35]),
    load8: load([0x31]),
    store: store([0x37]),
    add: binary(0x7c),
    sub: binary(0x7d),
    mul: binary(0x7e),
    or: binary(0x84),
    xor: binary(0x85),
    shl: binary(0x86),
    shrU: binary(0x88),
    rotl: binary(0x89),
    fromI32: unary(0xad),
  };

/** Sixteen constant bytes. */
function vectorConst(bytes: readonly number[]): Code {
  if (bytes.length !== 16) throw new RangeError("Vector needs 16 bytes");
  return [simd(0x0c), bytes];
}

export const v128:
  & {
    const(bytes: readonly number[]): Code;
    readonly zero: Code;
    bitselect(a: Code, b: Code, mask: Code): Code;
  }
  & Record<"load", Load>
  & Record<"store", Store>
  & Record<"and" | "or" | "xor", Binary>
  & Record<"anyTrue", Unary> = {
    const: vectorConst,
    zero: vectorConst(new Array<number>(16).fill(0)),
    load: load(simd(0x00)),
    store: store(simd(0x0b)),
    and: simdBinary(0x4e),
    or: simdBinary(0x50),
    xor: simdBinary(0x51),
    bitselect: (a: Code, b: Code, mask: Code): Code => [a, b, mask, simd(0x52)],
    anyTrue: simdUnary(0x53),
  };

export const i8x16:
  & {
    shuffle(a: Code, b: Code, lanes: readonly number[]): Code;
    replaceLane(a: Code, lane: number, value: Code): Code;
  }
  & Record<"swizzle" | "gtU", Binary>
  & Record<"splat", Unary> = {
    shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [
      a,
      b,
      simd(0x0d),
      lanes,
    ],
    swizzle: simdBinary(0x0e),
    splat: simdUnary(0x0f),
    replaceLane: (a: Code, lane: number, value: Code): Code => [
      a,
      value,
      simd(0x17),
      lane,
    ],
    gtU: simdBinary(0x28),
  };

export const i32x4:
  & Record<"shl" | "shrS" | "shrU", Shift>
  & Record<"add", Binary>
  & Record<"splat", Unary> = {
    splat: simdUnary(0x11),
    shl: (a: Code, n: number): Code => [a, i32.const(n), simd(0xab)],
    shrS: (a: Code, n: number): Code => [a, i32.const(n), simd(0xac)],
    shrU: (a: Code, n: number): Code => [a, i32.const(n), simd(0xad)],
    add: simdBinary(0xae),
  };

export const i64x2: Record<"shrU", Shift> & Record<"add", Binary> = {
  shrU: (a: Code, n: number): Code => [a, i32.const(n), simd(0xcd)],
  add: simdBinary(0xce),
};

/** A parameter or local variable of a function. */
export type Local = number;

const gets: readonly Code[] = /* @__PURE__ */ small.map((n) => [0x20, n]);

export const get = (local: Local): Code => gets[local];
export const set = (local: Local, value: Code): Code => [
  value,
  0x21,
  unsignedLeb(local),
];
export const tee = (local: Local, value: Code): Code => [
  value,
  0x22,
  unsignedLeb(local),
];

const VOID = 0x40;
const END = 0x0b;

export const block = (body: Code): Code => [0x02, VOID, body, END];
export const loop = (body: Code): Code => [0x03, VOID, body, END];
export const when = (condition: Code, then: Code, otherwise?: Code): Code => [
  condition,
  0x04,
  VOID,
  then,
  otherwise === undefined ? [] : [0x05, otherwise],
  END,
];
/** Branches to the `depth`-th enclosing block or loop, 0 the nearest. */
export const br = (depth: number): Code => [0x0c, unsignedLeb(depth)];
export const brIf = (depth: number, condition: Code): Code => [
  condition,
  0x0d,
  unsignedLeb(depth),
];
export const leave: Code = [0x0f];
export const drop = (a: Code): Code => [a, 0x1a];
export const select = (a: Code, b: Code, condition: Code): Code => [
  a,
  b,
  condition,
  0x1b,
];
/** Bytes of memory there are. */
export const memoryBytes: Code = i32.shl([0x3f, 0], i32.const(16));
export const memoryCopy = (to: Code, from: Code, length: Code): Code => [
  to,
  from,
  length,
  [0xfc, 0x0a, 0, 0],
];

/** What the writer of a function body works with. */
export interface Body {
  readonly params: readonly Local[];
  /** Address of the kernel's reserved area: constants and scratch. */
  readonly base: Code;
  local(type: number): Local;
  locals(type: number, count: number): Local[];
}

/** A function of the module; calls it when given its arguments. */
export type Call = (...args: Code[]) => Code;

/** How a function looks from outside. */
export interface Signature {
  readonly params?: readonly number[];
  readonly result?: number;
  /** Name under which it is exported; omitted: internal. */
  readonly name?: string;
}

interface FunctionEntry {
  readonly type: Code;
  readonly locals: readonly number[];
  readonly code: Code;
  readonly name?: string;
}

const sized = (code: Code): Code => {
  const bytes = flatten(code);
  return [unsignedLeb(bytes.length), bytes];
};
const vector = (items: readonly Code[]): Code => [
  unsignedLeb(items.length),
  items,
];
const section = (id: number, content: Code): Code => [id, sized(content)];
const text = (name: string): Code => sized(new TextEncoder().encode(name));

function byteCount(code: Code): number {
  if (code instanceof Uint8Array) return code.length;
  let count = 0;
  for (const item of code) {
    count += typeof item === "number" ? 1 : byteCount(item);
  }
  return count;
}

/** Writes code at `at`; returns the position after it. */
function write(bytes: Uint8Array, at: number, code: Code): number {
  if (code instanceof Uint8Array) {
    bytes.set(code, at);
    return at + code.length;
  }
  for (const item of code) {
    if (typeof item === "number") bytes[at++] = item;
    else at = write(bytes, at, item);
  }
  return at;
}

function flatten(code: Code): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteCount(code));
  write(bytes, 0, code);
  return bytes;
}

/**
 * A module under construction. It imports one memory (`env.memory`) and the
 * address of its reserved area in it (`env.base`).
 */
export class ModuleWriter {
  readonly #functions: FunctionEntry[] = [];

  /** Adds a function; the base address is at hand in the local after the parameters. */
  func(signature: Signature, write: (body: Body) => Code): Call {
    const params = signature.params ?? [];
    const locals: number[] = [I32];
    const local = (type: number): Local => {
      locals.push(type);
      return params.length + locals.length - 1;
    };
    const code = write({
      params: params.map((_, i) => i),
      base: get(params.length),
      local,
      locals: (type, count) => Array.from({ length: count }, () => local(type)),
    });
    const index = this.#functions.length;
    const results = signature.result === undefined ? [] : [signature.result];
    this.#functions.push({
      type: [
        0x60,
        vector(params.map((type) => [type])),
        vector(results.map((type) => [type])),
      ],
      locals,
      code: [set(params.length, [0x23, 0]), code],
      name: signature.name,
    });
    return (...args) => [args, 0x10, unsignedLeb(index)];
  }

  /**
   * @param shared Whether the memory to be imported is shared.
   * @returns The module's bytes.
   */
  bytes(shared: boolean): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    // Limits: at least one page; shared memory must state a maximum.
    const limits: Code = shared ? [0x03, 1, unsignedLeb(65536)] : [0x00, 1];
    const exported = functions.flatMap((entry, index): Code[] =>
      entry.name === undefined
        ? []
        : [[text(entry.name), 0x00, unsignedLeb(index)]]
    );
    const bodies = functions.map((entry): Code =>
      sized([
        vector(entry.locals.map((type): Code => [1, type])),
        entry.code,
        END,
      ])
    );
    return flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector(functions.map((entry) => entry.type))),
      section(
        2,
        vector([
          [text("env"), text("memory"), 0x02, limits],
          [text("env"), text("base"), 0x03, I32, 0x00],
        ]),
      ),
      section(3, vector(functions.map((_, index) => unsignedLeb(index)))),
      section(7, vector(exported)),
      section(10, vector(bodies)),
    ]);
  }
}
