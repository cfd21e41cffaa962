/** --fail-on, of report and diff alike: reading the options, and saying what was exceeded. */
import type { RowMatcher } from './fail-on.ts';
import type { ReportOptions, UnknownReason } from './options.ts';
import { option } from './report-options.ts';
import type { Output } from './standard-streams.ts';

export interface PreparedThreshold<T> {
  readonly threshold: T;
  /** Rows that it is about. */
  readonly matches: RowMatcher;
  /** The name that it gives if no table has it: the recording must. */
  readonly unknown: readonly UnknownReason[];
}

interface AnyThreshold {
  readonly text: string;
  /** null or `*`: of all. */
  readonly reason: string | null;
}

export function prepareThresholds<T extends AnyThreshold>(
  texts: readonly string[] | undefined,
  parse: (text: string) => T,
): Promise<PreparedThreshold<T>[]> {
  return Promise.all(
    (texts ?? []).map(async (text) => {
      const threshold = option('--fail-on', text, null as T | null, parse)!;
      if (threshold.reason === null || threshold.reason === '*')
        return { threshold, matches: () => true, unknown: [] };
      const { rowMatcher, unknownNames } = await import('./parse-reasons.ts');
      const matches = option('--fail-on', threshold.reason, () => false, rowMatcher);
      const unknown = unknownNames(threshold.reason).map((name) => ({ name, option: '--fail-on' as const }));
      return { threshold, matches, unknown };
    }),
  );
}

/** Names that the recording must have for these options and thresholds. */
export function requiredNames(
  options: Pick<ReportOptions, 'unknownReasons'>,
  thresholds: readonly Pick<PreparedThreshold<unknown>, 'unknown'>[],
): UnknownReason[] {
  return [...(options.unknownReasons ?? []), ...thresholds.flatMap(({ unknown }) => unknown)];
}

/** Every threshold is checked and reported, not only the first that is exceeded; so is one with nothing to check. */
export function checkThresholds<T extends AnyThreshold>(
  thresholds: readonly PreparedThreshold<T>[],
  check: (
    threshold: T,
    matches: RowMatcher,
  ) => { readonly exceeded: boolean; readonly measured: boolean; readonly found: string },
  stderr: Output,
): number {
  let status = 0;
  for (const { threshold, matches } of thresholds) {
    const finding = check(threshold, matches);
    if (!finding.exceeded && finding.measured) continue;
    if (finding.exceeded) status = 1;
    stderr.write(`kvmtrace: --fail-on '${threshold.text}': ${finding.found}\n`);
  }
  return status;
}
