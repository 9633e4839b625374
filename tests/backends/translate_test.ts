// What hosts throw, as storage errors: classes, codes, and bare numbers in
// messages, as Deno 2.9 and browsers give them.

import { assertEquals, assertStrictEquals } from "@std/assert";
import { ClosedError, StorageError } from "../../backends/errors.ts";
import { translateError } from "../../backends/_translate.ts";

function named(name: string, message: string, code?: string): Error {
  const error = new Error(message);
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}

const CASES: [unknown, string][] = [
  [named("Error", "No space left on device (os error 28)", "ENOSPC"), "full"],
  [named("Error", "Disk quota exceeded (os error 122)"), "full"],
  [named("Error", "Disc quota exceeded (os error 69)"), "full"],
  [named("Error", "File too large (os error 27)"), "full"],
  [named("QuotaExceededError", "Quota exceeded"), "full"],
  [named("Error", "Input/output error (os error 5)", "EIO"), "io"],
  [named("Error", "Bad thing (os error 228)"), "io"],
  [named("Error", "Coded otherwise (os error 28)", "EIO"), "io"],
  [named("Error", "Read-only file system (os error 30)", "EROFS"), "denied"],
  [named("PermissionDenied", "Permission denied", "EACCES"), "denied"],
  [named("NotCapable", "Requires write access"), "denied"],
  [named("NotFound", "No such file", "ENOENT"), "missing"],
  [named("AlreadyExists", "File exists", "EEXIST"), "exists"],
  [named("IsADirectory", "Is a directory", "EISDIR"), "file-kind"],
  [named("Error", "No such device (os error 6)", "ENXIO"), "file-kind"],
  [named("BadResource", "Bad resource ID"), "closed"],
  ["a string", "io"],
  [undefined, "io"],
];

Deno.test("translateError() gives the right class and keeps the cause", () => {
  const codes: Record<string, string> = {
    full: "storage-full",
    denied: "permission",
  };
  for (const [cause, kind] of CASES) {
    const attempt = { operation: "write", file: "f", position: 7 } as const;
    const error = translateError(cause, attempt);
    assertEquals(error.code, codes[kind] ?? kind, String(cause));
    assertStrictEquals(error.cause, cause);
    if (error instanceof ClosedError) continue;
    if (!(error instanceof StorageError)) throw error;
    assertEquals(error.operation, "write");
    assertEquals(error.file, "f");
    assertEquals(error.position, 7);
    assertEquals(error.message.startsWith('Cannot write "f" at 7: '), true);
  }
});

Deno.test("translateError() leaves storage errors as they are", () => {
  const error = new ClosedError("Cannot use");
  assertStrictEquals(translateError(error, { operation: "read" }), error);
});
