// A worker of the application's own, as a strict content security policy needs it.

import { serveSecondThread } from "../../src/hash/threads.ts";

serveSecondThread();
