// The runner's reading of deno's report: failures count, steps count once for
// time, skipped tests are named.

import { assertEquals } from "@std/assert";
import { readReport, summarize, totals } from "../../tools/_junit.ts";

const REPORT = `<testsuites name="deno test" tests="5" time="0.3">
    <testsuite name="./a_test.ts" tests="5" disabled="1" failures="2">
        <testcase name="a" classname="./a_test.ts" time="0.400" line="1">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="b &gt; c" classname="./a_test.ts" time="0.000" line="2">
            <skipped/>
        </testcase>
        <testcase name="d &gt; e" classname="./a_test.ts" time="1.500" line="3">
        </testcase>
        <testcase name="a &gt; one" classname="./a_test.ts" time="0.100" line="1">
        </testcase>
        <testcase name="a &gt; two" classname="./a_test.ts" time="0.200" line="1">
            <failure message="x &amp; &lt;y&gt;">Error: x</failure>
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("summarize() counts steps as tests but not their time", () => {
  const [suite, ...others] = summarize(readReport(REPORT));
  assertEquals(others, []);
  assertEquals(suite.name, "a_test.ts");
  assertEquals([suite.tests, suite.failed], [5, 2]);
  assertEquals(suite.seconds.toFixed(1), "1.9");
  assertEquals(suite.slowest.name, "d > e");
  assertEquals(suite.skipped, ["b > c"]);
});

Deno.test("totals() adds up to the number of tests", () => {
  const sums = totals(summarize(readReport(REPORT)));
  assertEquals(sums, { passed: 2, failed: 2, skipped: 1 });
  assertEquals(totals([]), { passed: 0, failed: 0, skipped: 0 });
});
