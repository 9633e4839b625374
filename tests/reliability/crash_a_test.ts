// Power loss at every call of every workload: part 1 of 2.

import { crashTests } from "./_crash_suite.ts";

crashTests(0);
