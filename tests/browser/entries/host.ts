// This module is browser compatible.
//
// The page of a worker's tests: `/worker/NAME` starts `/NAME.js`.

import { offerFrom } from "../_offer.ts";

await offerFrom(`${globalThis.location.pathname.replace("/worker", "")}.js`);
