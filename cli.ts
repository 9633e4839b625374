// The command line over a store in a directory: read, write, prove, verify, go
// back, check, copy. Data goes to stdout and progress to stderr (only on a
// terminal), `--json` prints one JSON value a line, and the exit code is 0 when
// it worked, 1 when it was refused or a key is absent, 2 when it was misused.
//
//   deno run --allow-read=DIR --allow-write=DIR cli.ts COMMAND DIR ...

import { parseArgs } from "node:util";
import {
  type Query,
  type Scheme,
  schemeById,
  schemeByName,
  StemmaError,
  verify as verifyProof,
  verifyWitness,
} from "@stemma/verify";
import { denoFs } from "./backends/deno_fs.ts";
import { open, type Snapshot, type Stemma } from "./mod.ts";
import { decodeHeader, SLOT_BYTES } from "./src/store/header.ts";

/** Where the output of a run goes. */
export interface Output {
  /** Data: whole lines, without the line end. */
  out(line: string): void;
  /** Progress and errors: whole lines, without the line end. */
  err(line: string): void;
}

const OPTIONS = {
  at: { type: "string" },
  gte: { type: "string" },
  help: { type: "boolean" },
  json: { type: "boolean" },
  limit: { type: "string" },
  lt: { type: "string" },
  out: { type: "string" },
  reverse: { type: "boolean" },
  root: { type: "string" },
  scheme: { type: "string" },
  witness: { type: "string" },
} as const;

type Values = ReturnType<
  typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>
>["values"];

/** A command line taken apart. */
interface Call extends Output {
  /** What follows the command and, where it takes one, the directory. */
  readonly rest: readonly string[];
  readonly directory: string;
  readonly values: Values;
}

/** A command: how it is called, what it does, how. */
interface Command {
  readonly usage: string;
  readonly help: string;
  /** Fewest arguments, and most when there is a limit. */
  readonly arity: readonly [number, number?];
  /** Returns whether it worked; false is exit code 1. */
  run(call: Call): Promise<boolean>;
}

/** The command line is wrong: exit code 2. */
class UsageError extends Error {}

const COMMANDS: Readonly<Record<string, Command>> = {
  create: {
    usage: "create DIR [--scheme NAME]",
    help: "make an empty store",
    arity: [1, 1],
    run: create,
  },
  info: {
    usage: "info DIR",
    help: "scheme, root, sequence, sizes and counters",
    arity: [1, 1],
    run: info,
  },
  get: {
    usage: "get DIR KEY [--at ROOT]",
    help: "the value of a key, now or at an older root",
    arity: [2, 2],
    run: get,
  },
  set: {
    usage: "set DIR KEY VALUE [KEY VALUE ...] [--witness FILE]",
    help: "write values in one commit",
    arity: [3],
    run: set,
  },
  delete: {
    usage: "delete DIR KEY [KEY ...] [--witness FILE]",
    help: "delete keys in one commit",
    arity: [2],
    run: remove,
  },
  prove: {
    usage: "prove DIR KEY [KEY ...] [--at ROOT] [--out FILE]",
    help: "a proof of presence or absence of the keys",
    arity: [2],
    run: prove,
  },
  verify: {
    usage: "verify PROOF KEY [KEY ...] --scheme NAME --root ROOT",
    help: "check a proof (hex or @FILE) without the store",
    arity: [2],
    run: verify,
  },
  "verify-witness": {
    usage: "verify-witness WITNESS --scheme NAME --root ROOT",
    help: "check a witness (hex or @FILE) against the root before it",
    arity: [1, 1],
    run: checkWitness,
  },
  history: {
    usage: "history DIR",
    help: "the states that can be read and restored, newest first",
    arity: [1, 1],
    run: history,
  },
  rollback: {
    usage: "rollback DIR [COUNT] [--root ROOT]",
    help: "undo commits: one, COUNT, or down to ROOT",
    arity: [1, 2],
    run: rollback,
  },
  check: {
    usage: "check DIR",
    help: "recompute everything up to the root",
    arity: [1, 1],
    run: check,
  },
  dump: {
    usage:
      "dump DIR [--gte KEY] [--lt KEY] [--reverse] [--limit N] [--at ROOT]",
    help: "entries in key order",
    arity: [1, 1],
    run: dump,
  },
  export: {
    usage: "export DIR --out FILE",
    help: "the whole state as a file",
    arity: [1, 1],
    run: exportTo,
  },
  import: {
    usage: "import DIR FILE [--scheme NAME] [--root ROOT]",
    help: "a whole state into a new store, its root verified",
    arity: [2, 2],
    run: importFrom,
  },
};

function helpText(): string {
  const rows = Object.values(COMMANDS).map(({ usage, help }) =>
    `  ${usage}\n      ${help}`
  );
  return `Stemma: an authenticated key-value store in a directory.

${rows.join("\n")}

Keys, roots and proofs are hex. A VALUE is hex when it starts with 0x, the
bytes of a file when it starts with @, and text otherwise. --json prints JSON.`;
}

async function create(call: Call): Promise<boolean> {
  const scheme = schemeOf(call.values.scheme ?? "nomt-blake3");
  const backend = denoFs(call.directory);
  await using db = await open(backend, { scheme, create: "must" });
  say(call, { scheme: scheme.name, root: db.root.toHex() }, "root");
  return true;
}

async function info(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  const { root, sequence, meta } = db.head;
  const { checkpointError, ...metrics } = db.metrics();
  const problem = checkpointError === undefined
    ? {}
    : { checkpointError: String(checkpointError) };
  const head = { root: root.toHex(), sequence, meta: meta.toHex() };
  say(call, { scheme: db.scheme.name, ...head, ...metrics, ...problem });
  return true;
}

async function get(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  using view = viewOf(db, call);
  const key = bytesOf("key", call.rest[0]);
  const value = view.get(key);
  const shown = value === undefined ? null : hexOf(value);
  if (call.values.json || value !== undefined) {
    say(call, { key: key.toHex(), value: shown }, "value");
  } else call.err("absent");
  return value !== undefined;
}

async function set(call: Call): Promise<boolean> {
  if (call.rest.length % 2 !== 0) throw new UsageError("A key has no value");
  const writes: Write[] = [];
  for (let i = 0; i < call.rest.length; i += 2) {
    const value = await valueOf(call.rest[i + 1]);
    writes.push([bytesOf("key", call.rest[i]), value]);
  }
  return await write(call, writes);
}

function remove(call: Call): Promise<boolean> {
  const keys = call.rest.map((text) => bytesOf("key", text));
  return write(call, keys.map((key) => [key, undefined]));
}

/** A key and its new value; undefined deletes. */
type Write = [Uint8Array, Uint8Array | undefined];

async function write(call: Call, writes: readonly Write[]): Promise<boolean> {
  await using db = await openStore(call.directory);
  const { witness: file } = call.values;
  using session = db.begin({ witness: file !== undefined });
  for (const [key, value] of writes) {
    if (value === undefined) session.delete(key);
    else session.set(key, value);
  }
  using next = session.prepare();
  if (file !== undefined) await Deno.writeFile(file, next.witness!);
  await next.commit();
  const { root, sequence } = db.head;
  const previousRoot = next.previousRoot.toHex();
  say(call, { root: root.toHex(), previousRoot, sequence }, "root");
  return true;
}

async function prove(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  using view = viewOf(db, call);
  const keys = call.rest.map((text) => bytesOf("key", text));
  const proof = view.prove(keys.length === 1 ? keys[0] : keys);
  const { out: file } = call.values;
  if (file !== undefined) await Deno.writeFile(file, proof);
  const shown = file === undefined
    ? { proof: proof.toHex() }
    : { file, bytes: proof.length };
  const scheme = db.scheme.name;
  const label = file === undefined ? "proof" : "root";
  say(call, { scheme, root: view.root.toHex(), ...shown }, label);
  return true;
}

async function verify(call: Call): Promise<boolean> {
  const [proof, ...texts] = call.rest;
  const keys = texts.map((text) => bytesOf("key", text));
  const scheme = schemeOf(call.values.scheme);
  const query: Query = { keys };
  const bytes = await contentOf("proof", proof);
  const tree = verifyProof(scheme, rootOf(call), query, bytes);
  for (const key of keys) {
    const verdict = tree.get(key);
    const found = verdict.status === "present"
      ? {
        value: verdict.value && hexOf(verdict.value),
        valueHash: verdict.valueHash?.toHex(),
      }
      : {};
    if (call.values.json) {
      const { status } = verdict;
      call.out(JSON.stringify({ key: key.toHex(), status, ...found }));
      continue;
    }
    const content = found.value ??
      (found.valueHash === undefined ? "" : `hash ${found.valueHash}`);
    call.out(`${verdict.status} ${content}`.trimEnd());
  }
  return true;
}

async function checkWitness(call: Call): Promise<boolean> {
  const scheme = schemeOf(call.values.scheme);
  const bytes = await contentOf("witness", call.rest[0]);
  const step = verifyWitness(scheme, rootOf(call), bytes);
  const counts = { reads: step.reads.length, writes: step.writes.length };
  say(call, { root: step.root.toHex(), ...counts }, "root");
  return true;
}

async function history(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  for (const { root, sequence } of db.history()) {
    const hex = root.toHex();
    call.out(
      call.values.json
        ? JSON.stringify({ sequence, root: hex })
        : `${sequence} ${hex}`,
    );
  }
  return true;
}

async function rollback(call: Call): Promise<boolean> {
  const count = call.rest[0] === undefined ? 1 : countOf(call.rest[0]);
  await using db = await openStore(call.directory);
  if (call.values.root !== undefined) await db.rollbackTo(rootOf(call));
  else await db.rollback(count);
  const { root, sequence } = db.head;
  say(call, { root: root.toHex(), sequence }, "root");
  return true;
}

async function check(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  let seen = { pages: 0, entries: 0 };
  await db.check({
    onProgress: (progress) => {
      seen = { ...progress };
      if (Deno.stderr.isTerminal()) call.err(`${seen.pages} pages`);
    },
  });
  say(call, { root: db.root.toHex(), ...seen });
  return true;
}

async function dump(call: Call): Promise<boolean> {
  await using db = await openStore(call.directory);
  using view = viewOf(db, call);
  const { gte, lt, limit, reverse, json } = call.values;
  const entries = view.entries({
    gte: gte === undefined ? undefined : bytesOf("key", gte),
    lt: lt === undefined ? undefined : bytesOf("key", lt),
    limit: limit === undefined ? undefined : countOf(limit),
    reverse,
  });
  for (const [key, value] of entries) {
    const entry = { key: key.toHex(), value: hexOf(value) };
    call.out(json ? JSON.stringify(entry) : `${entry.key} ${entry.value}`);
  }
  return true;
}

async function exportTo(call: Call): Promise<boolean> {
  const { out: path } = call.values;
  if (path === undefined) throw new UsageError("export needs --out FILE");
  await using db = await openStore(call.directory);
  using file = await Deno.open(path, { write: true, createNew: true });
  let bytes = 0;
  for await (const chunk of db.export()) {
    for (let at = 0; at < chunk.length;) {
      at += await file.write(chunk.subarray(at));
    }
    bytes += chunk.length;
  }
  await file.syncData();
  say(call, { root: db.root.toHex(), file: path, bytes }, "root");
  return true;
}

async function importFrom(call: Call): Promise<boolean> {
  const file = await Deno.open(call.rest[0]);
  const root = call.values.root === undefined ? undefined : rootOf(call);
  const scheme = schemeOf(call.values.scheme ?? "nomt-blake3");
  const backend = denoFs(call.directory);
  await using db = await open(backend, { scheme, create: "must" });
  await db.import(file.readable, { root });
  say(call, { scheme: scheme.name, root: db.root.toHex() }, "root");
  return true;
}

/** Opens an existing store under whatever scheme its header names. */
async function openStore(directory: string): Promise<Stemma> {
  const scheme = await storedScheme(directory);
  return await open(denoFs(directory), { scheme, create: "never" });
}

/** The scheme of a store; undefined when that cannot be read: `open` says why. */
async function storedScheme(directory: string): Promise<Scheme | undefined> {
  let area: Uint8Array;
  try {
    using file = await Deno.open(`${directory}/pages.stemma`);
    area = new Uint8Array(2 * SLOT_BYTES);
    await file.read(area);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const slots = [area.subarray(0, SLOT_BYTES), area.subarray(SLOT_BYTES)];
  const header = slots.map(decodeHeader).find((slot) => slot !== undefined);
  return header && schemeById(header.schemeId);
}

function viewOf(db: Stemma, { values: { at } }: Call): Snapshot {
  return db.snapshot(at === undefined ? undefined : bytesOf("root", at));
}

function schemeOf(name: string | undefined): Scheme {
  if (name === undefined) throw new UsageError("--scheme NAME is missing");
  const scheme = schemeByName(name);
  if (scheme === undefined) throw new UsageError(`No scheme is called ${name}`);
  return scheme;
}

function rootOf({ values: { root } }: Call): Uint8Array {
  if (root === undefined) throw new UsageError("--root ROOT is missing");
  return bytesOf("root", root);
}

function bytesOf(what: string, text: string): Uint8Array {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  try {
    return Uint8Array.fromHex(digits);
  } catch {
    throw new UsageError(`A ${what} must be hex: received ${text}`);
  }
}

async function contentOf(what: string, text: string): Promise<Uint8Array> {
  return text.startsWith("@")
    ? await Deno.readFile(text.slice(1))
    : bytesOf(what, text);
}

async function valueOf(text: string): Promise<Uint8Array> {
  const isBytes = text.startsWith("0x") || text.startsWith("@");
  if (isBytes) return await contentOf("value", text);
  return new TextEncoder().encode(text);
}

function countOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new UsageError(`Not a count: ${text}`);
  }
  return Number(text);
}

function hexOf(value: Uint8Array): string {
  return `0x${value.toHex()}`;
}

/** Prints a result: JSON, or the one field that matters, or all of them. */
function say(
  call: Call,
  result: Readonly<Record<string, unknown>>,
  main?: string,
): void {
  if (call.values.json) return call.out(JSON.stringify(result));
  if (main !== undefined) return call.out(String(result[main]));
  const width = Math.max(...Object.keys(result).map((name) => name.length));
  for (const [name, value] of Object.entries(result)) {
    call.out(`${name.padEnd(width)}  ${value}`);
  }
}

async function runCommand(args: string[], output: Output): Promise<boolean> {
  const { values, positionals } = parseArgs({
    args,
    options: OPTIONS,
    allowPositionals: true,
  });
  const [name, ...rest] = positionals;
  if (values.help || name === undefined) {
    output.out(helpText());
    return values.help === true;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`There is no command ${name}; see --help`);
  }
  const command = COMMANDS[name];
  const [least, most = Infinity] = command.arity;
  if (rest.length < least || rest.length > most) {
    throw new UsageError(`usage: ${command.usage}`);
  }
  const takesStore = command.usage.split(" ")[1] === "DIR";
  const directory = takesStore ? rest.shift()! : "";
  return await command.run({ ...output, rest, directory, values });
}

/**
 * Runs one command line.
 *
 * @param args The command and its arguments.
 * @param output Where the output goes.
 * @returns The exit code.
 */
export async function run(args: string[], output: Output): Promise<number> {
  try {
    return await runCommand(args, output) ? 0 : 1;
  } catch (error) {
    if (error instanceof StemmaError) {
      const { code, message } = error;
      output.err(
        args.includes("--json")
          ? JSON.stringify({ error: { code, message } })
          : `${code}: ${message}`,
      );
      return 1;
    }
    const isMisuse = error instanceof UsageError ||
      error instanceof RangeError || error instanceof TypeError ||
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.AlreadyExists;
    if (!isMisuse) throw error;
    output.err(error.message);
    return 2;
  }
}

if (import.meta.main) {
  Deno.exitCode = await run(Deno.args, {
    out: (line) => console.log(line),
    err: (line) => console.error(line),
  });
}
