// How the demo looks: aligned, a little colour where there is a terminal (and
// NO_COLOR is not set), numbers with units.

import { stdout } from "node:process";

const colour = stdout.isTTY === true && !Deno.noColor;

function paint(code: number, text: string): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

/** Emphasis. */
export function bold(text: string): string {
  return paint(1, text);
}

/** What need not be read. */
export function dim(text: string): string {
  return paint(2, text);
}

/** What went well. */
export function good(text: string): string {
  return paint(32, text);
}

/** What was refused. */
export function bad(text: string): string {
  return paint(31, text);
}

/** A line that opens a chapter. */
export function chapter(title: string): void {
  console.log(`\n${bold(title)}`);
}

/** A labelled line. */
export function line(label: string, text: string): void {
  console.log(`  ${dim(label.padEnd(14))} ${text}`);
}

/** A row of a table with a label and two columns. */
export function row(label: string, left: string, right: string): void {
  console.log(`  ${dim(label.padEnd(22))} ${left.padEnd(16)} ${right}`);
}

/** "1.2 MB", "1,019 B". */
export function size(bytes: number): string {
  if (bytes < 10_000) return `${grouped(bytes)} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** "12 µs", "1.4 ms", "3.0 s". */
export function time(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** "8,893". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** First and last bytes in hex. */
export function short(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return hex.length <= 24 ? hex : `${hex.slice(0, 12)}…${hex.slice(-8)}`;
}

/** Wei as ether with the decimals that matter to a person. */
export function ether(wei: bigint): string {
  const thousandths = Number(wei / 10n ** 15n);
  return `${(thousandths / 1000).toLocaleString("en-US")} ETH`;
}
