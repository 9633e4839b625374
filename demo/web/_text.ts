// This module is browser compatible.
//
// Bytes, numbers and times as people read them.

/** Bytes in hex. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

/** First and last bytes in hex. */
export function short(bytes: Uint8Array, letters = 8): string {
  const text = hex(bytes);
  return `${text.slice(0, letters)}…${text.slice(-4)}`;
}

/** "1.2 MB", "640 B". */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** "0.8 ms", "1.4 s". */
export function time(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** "8,893". */
export function grouped(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** Wei as ether. */
export function ether(wei: bigint): string {
  const thousandths = Number(wei / 10n ** 15n);
  return `${(thousandths / 1000).toLocaleString("en-US")} ETH`;
}
