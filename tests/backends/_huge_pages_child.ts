// Run without permissions: says whether the system was asked for huge pages.

import { hugePages } from "../../backends/huge_pages.ts";

console.log(hugePages(new ArrayBuffer(16 << 20)));
