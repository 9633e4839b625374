// This module is browser compatible.
//
// The store's worker as the page has it: started, ended without warning, started
// again, removed.

/// <reference lib="dom" />

import { connect, type RemoteStore } from "../../src/client/mod.ts";
import { element, say } from "./_dom.ts";
import { grouped, hex, size } from "./_text.ts";

/** The worker that has the store, and the connection to it. */
export class DemoStore {
  #worker: Worker | undefined;
  #store: RemoteStore | undefined;

  /** The store; there is one whenever a button can be pressed. */
  get db(): RemoteStore {
    if (this.#store === undefined) throw new Error("The store is not open");
    return this.#store;
  }

  /** Starts a worker and opens the store in it; returns milliseconds. */
  async start(): Promise<number> {
    const began = performance.now();
    showState("opening");
    const worker = new Worker("worker.js", { type: "module" });
    try {
      this.#store = await connect(worker);
    } catch (error) {
      worker.terminate();
      showState("dead", "cannot open");
      throw error;
    }
    this.#worker = worker;
    const ms = performance.now() - began;
    showState("open");
    await this.refresh();
    return ms;
  }

  /** Ends the worker at once, whatever it does. */
  pullPlug(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#store = undefined;
    showState("dead", "worker ended");
  }

  /** Closes the store and removes its files. */
  async remove(): Promise<void> {
    await this.#store?.close();
    this.pullPlug();
    const root = await navigator.storage.getDirectory();
    await root.removeEntry("stemma-demo", { recursive: true });
  }

  /** Shows root, height and sizes as they are now. */
  async refresh(): Promise<void> {
    const [{ root, sequence }, metrics] = await Promise.all([
      this.db.head(),
      this.db.metrics(),
    ]);
    showHead(root, sequence);
    say("fact-disk", size(metrics.pageFileSize + metrics.logSize));
    say("fact-hasher", metrics.hasher);
  }
}

/** Shows the head that was just reached. */
export function showHead(root: Uint8Array, height: number): void {
  const code = element("fact-root");
  code.textContent = hex(root);
  code.title = hex(root);
  say("fact-height", grouped(height));
}

function showState(
  state: "opening" | "open" | "dead",
  text = state as string,
): void {
  element("facts").dataset.state = state;
  say("fact-state", text);
}
