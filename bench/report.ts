// The report of the workloads as a table for people.

import { median } from "./measure.ts";
import type { Report, Row } from "./runner.ts";
import type { Details } from "./store_process.ts";

/** Operations a second, a last checkpoint included. */
export function throughput(row: Row): number {
  const all = [...row.readTimes, ...row.commitTimes, row.settleTime];
  const time = all.reduce((sum, part) => sum + part, 0);
  return 1e3 * row.operations / time;
}

function line(row: Row): string {
  const whole = row.readTimes.map((time, i) => time + row.commitTimes[i]);
  const cells = [
    `${row.peer} ${row.version}`.padEnd(40),
    median(whole).toFixed(2).padStart(10),
    median(row.readTimes).toFixed(2).padStart(10),
    median(row.commitTimes).toFixed(2).padStart(10),
    Math.round(throughput(row)).toString().padStart(10),
    (row.peakRss / 1e6).toFixed(0).padStart(8),
    (row.isDurable ? "files" : "memory").padStart(7),
    (row.isAuthenticated ? "root" : "-").padStart(5),
  ];
  return cells.join(" ");
}

function describeDetails(details: Details): string[] {
  const kb = (bytes: number): string => `${(bytes / 1e3).toFixed(1)} kB`;
  return [
    `an iteration: ${Math.round(details.hashes)} hashes, pages ${
      details.pagesRead.toFixed(1)
    } read and ${details.pagesWritten.toFixed(1)} written, ${
      kb(details.logBytes)
    } to the log and ${kb(details.pageFileBytes)} to pages, ${
      details.flushes.toFixed(2)
    } flushes`,
    `witness of a commit: ${details.witnessTime.toFixed(2)} ms, ${
      kb(details.witnessBytes)
    }`,
    `proof of a key: ${details.proofTime.toFixed(1)} us, ${
      kb(details.proofBytes)
    }, checked in ${
      details.verifyTime.toFixed(0)
    } us; of ${details.proven} keys: ${details.multiProofTime.toFixed(1)} ms, ${
      kb(details.multiProofBytes)
    }, checked in ${details.multiVerifyTime.toFixed(1)} ms`,
  ];
}

/** A report as lines of text. */
export function describe(report: Report): string {
  const head = [
    "".padEnd(40),
    "ms".padStart(10),
    "reads ms".padStart(10),
    "commit ms".padStart(10),
    "ops/s".padStart(10),
    "peak MB".padStart(8),
  ];
  const lines = [`\n${report.workload}  ${report.note ?? ""}`.trimEnd()];
  lines.push(head.join(" "), ...report.rows.map(line));
  for (const { details } of report.rows) {
    if (details !== undefined) lines.push(...describeDetails(details));
  }
  for (const [peer, reason] of Object.entries(report.absent)) {
    lines.push(`${peer} is absent: ${reason}`);
  }
  return lines.join("\n");
}
