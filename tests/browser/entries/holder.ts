// This module is browser compatible.
//
// A worker that takes a store's lock and keeps it for as long as it lives.

import { opfs } from "../../../backends/opfs.ts";

const path = new URL(globalThis.location.href).searchParams.get("path")!;
await opfs(path).lock();
(globalThis as unknown as { postMessage(message: string): void })
  .postMessage("locked");
