// Keeps the house in order (docs/architecture.md): who may import whom, what a
// file says in its first lines, and how long files and functions may be.

import ts from "npm:typescript@^5";
import { assertEquals } from "@std/assert";
import { BROWSER_LINE, sourceFiles } from "../tools/_files.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FILE_LINES_MAX = 800;
const FUNCTION_LINES_MAX = 70;

/** Where `Deno` may be named. */
const DENO_PLACES =
  /^(backends\/(deno_fs|_deno_readers|_deno_worker|_deno_writer|huge_pages)\.ts|cli\.ts|(bench|tests|demo|tools|links)\/.*)$/;

/** Published files: what a user of the packages gets. */
const PUBLISHED = /^(mod\.ts|(src|verify|backends)\/.*)$/;

/** What files below a folder may import, besides their own folder. */
const ALLOWED: readonly [folder: RegExp, imports: readonly RegExp[]][] = [
  [/^verify\//, [/^@noble\/hashes\//]],
  [/^backends\//, [/^@stemma\/verify(\/|$)/, /^idb-keyval$/]],
  [/^src\/hash\//, [/^@stemma\/verify(\/|$)/, /^@chainsafe\/hashtree/]],
  [/^src\/layers\//, [/^@stemma\/verify(\/|$)/, /^@noble\/hashes\//]],
  [/^src\//, [/^@stemma\/verify(\/|$)/, /^backends\//]],
  [/^mod\.ts$/, [/^src\//, /^backends\//, /^@stemma\/verify(\/|$)/]],
];

interface File {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

const files: File[] = [];
for (const path of await sourceFiles(ROOT)) {
  const text = await Deno.readTextFile(`${ROOT}/${path}`);
  const { Latest } = ts.ScriptTarget;
  files.push({ path, text, tree: ts.createSourceFile(path, text, Latest) });
}

/** Fails with one line for each thing that is out of order. */
function assertNone(found: readonly string[]): void {
  assertEquals(found.join("\n"), "");
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  const nodes = [node];
  for (let next = nodes.pop(); next !== undefined; next = nodes.pop()) {
    see(next);
    ts.forEachChild(next, (child) => {
      nodes.push(child);
    });
  }
}

function lineOf({ tree }: File, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** Specifiers of all imports and re-exports, relative ones resolved. */
function importsOf(file: File): string[] {
  const found: string[] = [];
  visit(file.tree, (node) => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) &&
            node.expression.kind === ts.SyntaxKind.ImportKeyword
        ? node.arguments[0]
        : undefined;
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const { text } = specifier;
    const base = new URL(file.path, "file:///");
    found.push(
      text.startsWith(".") ? new URL(text, base).pathname.slice(1) : text,
    );
  });
  return found;
}

Deno.test("every file imports only what its folder may", () => {
  const found: string[] = [];
  for (const file of files) {
    const rule = ALLOWED.find(([folder]) => folder.test(file.path));
    if (rule === undefined) continue;
    const home = file.path.includes("/") ? file.path.split("/")[0] + "/" : "";
    for (const specifier of importsOf(file)) {
      const own = home !== "" && specifier.startsWith(home);
      if (own || rule[1].some((allowed) => allowed.test(specifier))) continue;
      found.push(`${file.path} imports ${specifier}`);
    }
  }
  assertNone(found);
});

Deno.test("src imports of backends only the interface and its errors", () => {
  const allowed = /^backends\/(types|errors|memory)\.ts$/;
  assertNone(
    files.filter(({ path }) => path.startsWith("src/")).flatMap((file) =>
      importsOf(file)
        .filter((to) => to.startsWith("backends/") && !allowed.test(to))
        .map((to) => `${file.path} imports ${to}`)
    ),
  );
});

Deno.test("layers and hash know nothing of the engine but where things lie in a page", () => {
  assertNone(files.flatMap((file) => {
    const home = /^src\/(layers|hash)\//.exec(file.path)?.[0];
    if (home === undefined) return [];
    return importsOf(file)
      .filter((to) => to.startsWith("src/") && !to.startsWith(home))
      .filter((to) => to !== "src/tree/layout.ts")
      .map((to) => `${file.path} imports ${to}`);
  }));
});

Deno.test("Deno is named only where it may be", () => {
  assertNone(
    files.filter(({ path }) => !DENO_PLACES.test(path)).flatMap(
      (file) => {
        const found: string[] = [];
        visit(file.tree, (node) => {
          if (ts.isIdentifier(node) && node.text === "Deno") {
            found.push(`${file.path}:${lineOf(file, node)} names Deno`);
          }
        });
        return found;
      },
    ),
  );
});

Deno.test("published files say that they run in a browser, or use Deno", () => {
  assertNone(
    files.filter(({ path, text }) =>
      PUBLISHED.test(path) && !DENO_PLACES.test(path) &&
      !text.startsWith(`${BROWSER_LINE}\n`)
    ).map(({ path }) => `${path} has not the line ${BROWSER_LINE}`),
  );
});

Deno.test("every file opens with what it is", () => {
  assertNone(
    files.filter(({ text }) => {
      const rest = text.startsWith("#!") ? text.replace(/^.*\n/, "") : text;
      const opening = rest.replace(`${BROWSER_LINE}\n`, "").trimStart();
      return !/^(\/\/ \S|\/\/\n\/\/ \S|\/\*\*)/.test(opening);
    }).map(({ path }) => `${path} has no header`),
  );
});

Deno.test("files and functions are short enough", () => {
  const found: string[] = [];
  for (const file of files) {
    const lines = file.text.split("\n").length - 1;
    if (lines > FILE_LINES_MAX) found.push(`${file.path}: ${lines} lines`);
    visit(file.tree, (node) => {
      if (!ts.isFunctionLike(node) || isDescription(file, node)) return;
      const end = file.tree.getLineAndCharacterOfPosition(node.getEnd()).line;
      const length = end + 2 - lineOf(file, node);
      if (length <= FUNCTION_LINES_MAX) return;
      found.push(`${file.path}:${lineOf(file, node)}: ${length} lines`);
    });
  }
  assertNone(found);
});

/** A callback of Deno.test, Deno.bench or t.step: it holds other functions. */
function isDescription(file: File, node: ts.Node): boolean {
  return /^(tests|bench)\//.test(file.path) && ts.isArrowFunction(node);
}

Deno.test("no file has any, an enum, a default export or a mark of unfinished work", () => {
  const found: string[] = [];
  for (const file of files) {
    const say = (node: ts.Node, what: string) =>
      found.push(`${file.path}:${lineOf(file, node)}: ${what}`);
    visit(file.tree, (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) say(node, "any");
      if (ts.isEnumDeclaration(node)) say(node, "enum");
      if (ts.isExportAssignment(node)) say(node, "default export");
      if (node.kind === ts.SyntaxKind.DefaultKeyword) {
        say(node, "default export");
      }
    });
    const words = new RegExp(["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|"));
    for (const [i, line] of file.text.split("\n").entries()) {
      if (words.test(line)) found.push(`${file.path}:${i + 1}: ${line.trim()}`);
    }
  }
  assertNone(found);
});

Deno.test("tests lie where their sources do", async () => {
  const found: string[] = [];
  for (const { path } of files) {
    const match = /^tests\/(verify|backends|src|layers|hash|store|tree)\//
      .exec(path);
    if (match === null) continue;
    const homes = [match[1], `src/${match[1]}`];
    const there = await Promise.all(
      homes.map((home) =>
        Deno.stat(`${ROOT}/${home}`).then(() => true, () => false)
      ),
    );
    if (!there.includes(true)) found.push(`${path}: no folder ${match[1]}`);
  }
  assertNone(found);
});

Deno.test("offsets in the pool are taken apart as unsigned numbers", () => {
  const places = /^src\/((tree|store)\/.*|check|tree_reader)\.ts$/;
  const { GreaterThanGreaterThanToken } = ts.SyntaxKind;
  const found: string[] = [];
  for (const file of files) {
    if (!places.test(file.path)) continue;
    visit(file.tree, (node) => {
      if (!ts.isBinaryExpression(node)) return;
      const isShift = node.operatorToken.kind === GreaterThanGreaterThanToken;
      // By one or two bits: from bytes to halves or words of a page.
      if (!isShift || !/^[12]$/.test(node.right.getText(file.tree))) return;
      found.push(
        `${file.path}:${lineOf(file, node)}: ${node.getText(file.tree)}`,
      );
    });
  }
  assertNone(found);
});
