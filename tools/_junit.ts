// Reads the JUnit report that `deno test` writes: just the elements and
// attributes that deno emits, not XML in general.

/** One test or step of the report. */
export interface TestCase {
  readonly suite: string;
  readonly name: string;
  readonly seconds: number;
  readonly outcome: "passed" | "failed" | "skipped";
}

/** What one test file did. */
export interface Suite {
  name: string;
  tests: number;
  failed: number;
  seconds: number;
  slowest: { name: string; seconds: number };
  skipped: string[];
}

const CASE =
  /<testcase name="([^"]*)" classname="([^"]*)" time="([\d.]+)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** The test cases of a report, in its order; steps are named `test > step`. */
export function readReport(xml: string): TestCase[] {
  const cases: TestCase[] = [];
  for (const [, name, suite, seconds, body = ""] of xml.matchAll(CASE)) {
    cases.push({
      suite: unescape(suite).replace(/^\.\//, ""),
      name: unescape(name),
      seconds: Number(seconds),
      outcome: /<(failure|error)\b/.test(body)
        ? "failed"
        : body.includes("<skipped")
        ? "skipped"
        : "passed",
    });
  }
  return cases;
}

/** The cases gathered by file; the time of a step counts in its test only. */
export function summarize(cases: readonly TestCase[]): Suite[] {
  const suites = new Map<string, Suite>();
  const tests = new Set<string>();
  for (const test of cases) {
    let suite = suites.get(test.suite);
    if (suite === undefined) {
      suite = {
        name: test.suite,
        tests: 0,
        failed: 0,
        seconds: 0,
        slowest: { name: "", seconds: 0 },
        skipped: [],
      };
      suites.set(test.suite, suite);
    }
    suite.tests++;
    if (test.outcome === "failed") suite.failed++;
    if (test.outcome === "skipped") suite.skipped.push(test.name);
    if (isStep(test, tests)) continue;
    tests.add(`${test.suite}\n${test.name}`);
    suite.seconds += test.seconds;
    if (test.seconds >= suite.slowest.seconds) suite.slowest = test;
  }
  return [...suites.values()];
}

/** Sums over all suites. */
export function totals(
  suites: readonly Suite[],
): { passed: number; failed: number; skipped: number } {
  let tests = 0, failed = 0, skipped = 0;
  for (const suite of suites) {
    tests += suite.tests;
    failed += suite.failed;
    skipped += suite.skipped.length;
  }
  return { passed: tests - failed - skipped, failed, skipped };
}

function isStep(test: TestCase, tests: ReadonlySet<string>): boolean {
  for (let at = test.name.indexOf(" > "); at >= 0;) {
    if (tests.has(`${test.suite}\n${test.name.slice(0, at)}`)) return true;
    at = test.name.indexOf(" > ", at + 1);
  }
  return false;
}

function unescape(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&apos;", "'")
    .replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
