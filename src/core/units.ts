/** Numbers for people: durations, counts, shares and sizes. Machine formats never use these. */

/** What is shown where a value was not recorded; never 0. */
export const UNKNOWN_CELL = '-';

const TIME_UNITS = [
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const;

/** A duration with four significant digits: `123 ns`, `1.234 ms`, `12.35 s`. */
export function formatNs(ns: number | bigint | null): string {
  if (ns === null) return UNKNOWN_CELL;
  const value = Number(ns);
  if (value < 0) return `-${formatNs(-value)}`;
  if (value < 1000 && Number.isInteger(value)) return `${value} ns`;
  for (const [unit, size] of TIME_UNITS) {
    const scaled = fourDigits(value / size);
    // Rounding may reach the next unit: 999,960 ns is 1.000 ms, not 1000 us.
    if (Number(scaled) < 1000 || unit === 's') return `${scaled} ${unit}`;
  }
  return `${value} ns`;
}

function fourDigits(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value < 1 ? value.toFixed(3) : value.toPrecision(4);
}

/** As formatNs without trailing zeros, for thresholds that people gave: `1 ms`, `1.5 us`. */
export function formatNsShort(ns: number | bigint): string {
  return formatNs(ns).replace(/\.?0+(?= )/, (zeros, at, text) =>
    text.slice(0, at + zeros.length).includes('.') ? '' : zeros,
  );
}

/** As formatNs, with the unit two characters wide so that columns line up: `12.35  s`. */
export function formatNsCell(ns: number | bigint | null): string {
  const text = formatNs(ns);
  return text.endsWith(' s') ? `${text.slice(0, -1)} s` : text;
}

/** A count with thousands separators. */
export function formatCount(count: number | bigint | null): string {
  return count === null ? UNKNOWN_CELL : String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A share of 0–100 with one decimal; what is not nothing never shows as 0.0, what is not all never as 100.0. */
export function formatPct(pct: number | null): string {
  if (pct === null) return UNKNOWN_CELL;
  if (pct > 0 && pct < 0.05) return '<0.1%';
  if (pct < 100 && pct >= 99.95) return '>99.9%';
  return `${pct.toFixed(1)}%`;
}

/** A share of 0–1. */
export function formatRatio(ratio: number | null): string {
  return formatPct(ratio === null ? null : ratio * 100);
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return 'size unknown';
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${formatCount(bytes)} bytes` : `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** An absolute time stamp as the tracers print it, without losing a digit: `12345.678901234`. */
export function formatStamp(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const digits = String(ns < 0n ? -ns : ns).padStart(10, '0');
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** Time since `start` in seconds to the microsecond (cut, not rounded), the form that --from and --to take. */
export function formatOffset(ns: bigint, start: bigint | null): string {
  return formatStamp(ns - (start ?? 0n)).slice(0, -3);
}

/** `1 exit`, `2,562 exits`. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : many}`;
}
