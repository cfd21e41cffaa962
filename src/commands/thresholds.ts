/** --fail-on, of report and diff alike: reading the options, and saying what was exceeded. */
import type { RowMatcher } from './fail-on.ts';
import { option } from './report-options.ts';

export interface PreparedThreshold<T> {
  readonly threshold: T;
  /** Rows that it is about. */
  readonly matches: RowMatcher;
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
      if (threshold.reason === null || threshold.reason === '*') return { threshold, matches: () => true };
      const { rowMatcher } = await import('./parse-reasons.ts');
      return { threshold, matches: option('--fail-on', threshold.reason, () => false, rowMatcher) };
    }),
  );
}

/** Every threshold is checked and reported, not only the first that is exceeded; so is one with nothing to check. */
export function checkThresholds<T extends AnyThreshold>(
  thresholds: readonly PreparedThreshold<T>[],
  check: (
    threshold: T,
    matches: RowMatcher,
  ) => { readonly exceeded: boolean; readonly measured: boolean; readonly found: string },
  stderr: NodeJS.WritableStream,
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
