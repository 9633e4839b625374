// This module is browser compatible.
//
// A second thread for pages whose policy allows no inline worker.

import { serveSecondThread } from "../../../mod.ts";

serveSecondThread();
