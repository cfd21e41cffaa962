/** Durations and moments as users type them: `200us`, `1.5ms`, `-1s`. Exact: never through a float. */
import { UsageError } from '../core/errors.ts';
import type { TimeBound } from './options.ts';

/** Power of ten of a unit in ns. */
const UNIT_DIGITS: Readonly<Record<string, number>> = { ns: 0, us: 3, µs: 3, μs: 3, ms: 6, s: 9 };
/** Longest that is taken: some 292 years, what a signed 64-bit time stamp holds. */
const MAX_NS = (1n << 63n) - 1n;

const PATTERN = /^(\d{1,20})(?:\.(\d{1,20}))?\s*(ns|us|µs|μs|ms|s)?$/;

/** ns of a text, null if it is not one; without unit only where `defaultUnit` says what that means. */
function parse(text: string, defaultUnit: string | null): bigint | null {
  const match = PATTERN.exec(text.trim());
  if (!match) return null;
  const [, whole, fraction = '', unit = defaultUnit ?? (/^0+$/.test(whole) && !fraction ? 's' : null)] =
    match;
  if (unit === null) return null;
  const digits = UNIT_DIGITS[unit];
  const significant = fraction.replace(/0+$/, '');
  if (significant.length > digits) return null;
  const ns = BigInt(whole + significant.padEnd(digits, '0'));
  return ns <= MAX_NS ? ns : null;
}

/** A duration with its unit, in ns. Throws UsageError. */
export function parseDuration(text: string): number {
  const ns = parse(text, null);
  if (ns === null || ns > BigInt(Number.MAX_SAFE_INTEGER))
    throw new UsageError(
      `'${text}' is not a duration`,
      'A number and a unit (ns, us, ms, s), such as 200us or 1.5ms.',
    );
  return Number(ns);
}

/** A moment for --from and --to: after the first event, with a minus before the last one, with @ on the clock; seconds without unit. */
export function parseTimeBound(text: string): TimeBound {
  const trimmed = text.trim();
  const ns = parse(trimmed.replace(/^[-+@]/, ''), 's');
  if (ns === null)
    throw new UsageError(
      `'${text}' is not a moment of the capture`,
      'Seconds from its start (1.5), from its end (-1), on its clock (@8123.25), or with a unit: 200ms, -1s.',
    );
  return { ns, origin: trimmed.startsWith('-') ? 'end' : trimmed.startsWith('@') ? 'clock' : 'start' };
}
