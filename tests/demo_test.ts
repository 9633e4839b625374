// The demo, run to its end; its first root compared with the oracle's.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { mainnetGenesis } from "../demo/_genesis.ts";
import { accountEntries, ethereumKeys } from "../src/layers/ethereum.ts";
import { sha256 } from "./oracle/hashes.ts";
import { oracleRoot } from "./oracle/mod.ts";

Deno.test("the demo shows the oracle's root of Ethereum's genesis, and ends well", async () => {
  const keys = ethereumKeys({ hash: sha256 });
  const accounts = mainnetGenesis();
  assertEquals(accounts.length, 8893);
  const entries = accounts.flatMap((account) => accountEntries(keys, account));
  const root = oracleRoot("eip7864-sha256", entries).toHex();

  const { tasks } = JSON.parse(await Deno.readTextFile("deno.json"));
  const [deno, ...args] = tasks.demo.command.split(" ");
  assertEquals(deno, "deno");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertStringIncludes(text, root);
  for (const words of ["refused", "absent", "same root", "Side by side"]) {
    assertStringIncludes(text, words);
  }
});
