// This module is browser compatible.
//
// On a page and in a shared worker OPFS says why it does not work, and leaves no
// store behind.

import { assertEquals, assertRejects } from "@std/assert";
import { UnsupportedError } from "../../../backends/errors.ts";
import { opfs } from "../../../backends/opfs.ts";
import { open } from "../../../mod.ts";
import { offer } from "../_offer.ts";

const scope = globalThis as unknown as {
  document?: unknown;
  onconnect: (event: MessageEvent) => void;
  SharedWorker: new (path: string, options: { type: "module" }) => {
    port: MessagePort;
  };
};

async function refusal(): Promise<string> {
  const error = await assertRejects(
    () => open(opfs("unsupported")),
    UnsupportedError,
  );
  return error.message;
}

const WHY = "exist only in a dedicated worker";

if (scope.document === undefined) {
  scope.onconnect = async ({ ports }) => ports[0].postMessage(await refusal());
} else {
  offer([
    {
      name: "open() on the main thread says that it needs a worker",
      async run() {
        assertEquals((await refusal()).includes(WHY), true);
        assertEquals(await opfs("unsupported").list(), []);
      },
    },
    {
      name: "open() in a shared worker says that it needs a dedicated one",
      async run() {
        const { port } = new scope.SharedWorker("/unsupported.js", {
          type: "module",
        });
        const message = await new Promise<string>((go) => {
          port.onmessage = ({ data }) => go(data);
        });
        assertEquals(message.includes(WHY), true);
      },
    },
    {
      name: "open() says that a blocked storage is why",
      async run() {
        const directory = {
          getFileHandle: refuse,
          getDirectoryHandle: refuse,
          removeEntry: refuse,
          keys: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
        };
        await assertRejects(
          () => open(opfs("a", { directory })),
          UnsupportedError,
          "private browsing",
        );
      },
    },
  ]);
}

function refuse(): Promise<never> {
  return Promise.reject(new DOMException("denied", "SecurityError"));
}
