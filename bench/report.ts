// The report of the workloads as a table for people.

import { median } from "./measure.ts";
import type { Details, Report, Row } from "./runner.ts";

/** Operations a second, a last checkpoint included. */
export function throughput(row: Row): number {
  const all = [...row.readTimes, ...row.commitTimes, row.settleTime];
  const time = all.reduce((sum, part) => sum + part, 0);
  return 1e3 * row.operations * row.readTimes.length / time;
}

function line({ peer, version, isDurable, isAuthenticated, ...row }: Row) {
  const whole = row.readTimes.map((time, i) => time + row.commitTimes[i]);
  const cells = [
    `${peer} ${version}`.padEnd(40),
    median(whole).toFixed(2).padStart(10),
    median(row.readTimes).toFixed(2).padStart(10),
    median(row.commitTimes).toFixed(2).padStart(10),
    Math.round(
      throughput({ peer, version, isDurable, isAuthenticated, ...row }),
    )
      .toString().padStart(10),
    (isDurable ? "files" : "memory").padStart(7),
    (isAuthenticated ? "root" : "-").padStart(5),
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
  ];
  const lines = [`\n${report.workload}${" ".repeat(4)}${report.note ?? ""}`];
  lines.push(head.join(" "), ...report.rows.map(line));
  for (const { details } of report.rows) {
    if (details !== undefined) lines.push(...describeDetails(details));
  }
  lines.push(
    `peak memory of the process: ${(report.peakRss / 1e6).toFixed(0)} MB`,
  );
  return lines.join("\n");
}
