// This module is browser compatible.
//
// The conformance suite on OPFS and on IndexedDB, in a dedicated worker.

import { conformanceCases } from "../../../backends/conformance.ts";
import { opfs } from "../../../backends/opfs.ts";
import { offer } from "../_offer.ts";

let places = 0;

offer(
  conformanceCases(() => {
    const path = `conformance/${places++}`;
    return {
      backend: opfs(path),
      another: () => opfs(path),
    };
  }),
);
