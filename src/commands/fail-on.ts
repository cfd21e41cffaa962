/**
 * Thresholds for scripts: `--fail-on 'p99>200us'`. Grammar: [REASON:]METRIC OP VALUE, where OP is > >= < <= and the
 * exit status is 1 when the statement holds. Without a reason it speaks of all exits together, without idle ones;
 * `*:` speaks of each row of the report, again without idle ones. --with-idle, or --reason with an idle one, brings them in.
 */
import { UsageError } from '../core/errors.ts';
import { formatCount, formatNs, formatRatio, plural } from '../core/units.ts';
import { PLACELESS } from '../report/facts.ts';
import type { Exact, ReasonModel, ReportModel, TotalModel } from '../report/model.ts';
import { parseDuration } from './parse-duration.ts';

const METRICS = ['count', 'total', 'avg', 'p50', 'p90', 'p99', 'p99.9', 'max', 'escalation', 'lost'] as const;
export type Metric = (typeof METRICS)[number];
const OPERATORS = ['>=', '<=', '>', '<'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Threshold {
  /** As the user gave it. */
  readonly text: string;
  /** Name as given, '*' for each row, null for all exits together. */
  readonly reason: string | null;
  readonly metric: Metric;
  readonly operator: Operator;
  /** ns, a count, or a share of 0–1 (escalation). */
  readonly value: number;
}

const PATTERN = /^(?:(.+):)?\s*([a-z0-9.]+)\s*(>=|<=|>|<)\s*(\S.*)$/i;

/** Throws UsageError. */
export function parseThreshold(text: string): Threshold {
  const match = PATTERN.exec(text.trim());
  // As the JSON report has it, too.
  const named = match?.[2].toLowerCase().replace(/^p999$/, 'p99.9');
  const metric = METRICS.find((name) => name === named);
  if (match && metric !== 'escalation' && match[4].endsWith('%'))
    throw new UsageError(
      `'${text}' is about a change`,
      'A report has no change: compare two recordings by kvmtrace diff, or name a value, such as 200us.',
    );
  if (!match || !metric)
    throw new UsageError(
      `'${text}' is not a threshold`,
      `[REASON:]METRIC OP VALUE, such as 'p99>200us' or 'HLT:count>=1000'; metrics: ${METRICS.join(', ')}.`,
    );
  const reason = match[1]?.trim() ?? null;
  if (metric === 'lost' && reason !== null) throw new UsageError(`'${text}': lost events have no reason`);
  return {
    text: text.trim(),
    reason,
    metric,
    operator: match[3] as Operator,
    value: parseValue(metric, match[4].trim()),
  };
}

function parseValue(metric: Metric, text: string): number {
  if (metric === 'count' || metric === 'lost') {
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new UsageError(`'${text}' is not a count`, `${metric} is compared with a whole number.`);
  }
  if (metric === 'escalation') {
    const match = /^(\d{1,3}(?:\.\d{1,9})?)(%?)$/.exec(text);
    // Read as one decimal: a division by 100 may miss the share that so many of so many exits are.
    const share = match ? Number(match[2] ? `${match[1]}e-2` : match[1]) : Number.NaN;
    if (share <= 1) return share;
    throw new UsageError(
      `'${text}' is not a share`,
      'escalation is compared with a percentage (5%) or a share (0.05).',
    );
  }
  return parseDuration(text);
}

export interface Finding {
  readonly threshold: Threshold;
  readonly exceeded: boolean;
  /** False where there are no exits to measure: nothing is exceeded, but nothing is proven either. */
  readonly measured: boolean;
  /** What the report has, in words: `p99 is 412.0 us (EPT_VIOLATION)`. */
  readonly found: string;
}

/** null: the capture cannot tell. */
type Value = Exact | null;

function metricOf(row: TotalModel, metric: Metric): Value {
  switch (metric) {
    case 'count':
      return row.exits;
    case 'total':
      return row.totalNs;
    case 'avg':
      return row.avgNs;
    case 'p50':
      return row.p50Ns;
    case 'p90':
      return row.p90Ns;
    case 'p99':
      return row.p99Ns;
    case 'p99.9':
      return row.p999Ns;
    case 'max':
      return row.maxNs;
    case 'escalation':
      return row.escalated === null || row.exits === 0 ? null : row.escalated / row.exits;
    case 'lost':
      return null;
  }
}

export function holds(value: Exact, operator: Operator, limit: number): boolean {
  switch (operator) {
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
  }
}

function inWords(metric: Metric, value: Exact): string {
  if (metric === 'count' || metric === 'lost') return formatCount(value);
  return metric === 'escalation' ? formatRatio(Number(value)) : formatNs(value);
}

/** Whether a row has the reason that a threshold names. */
export type RowMatcher = (row: Pick<ReasonModel, 'isa' | 'code' | 'name'>) => boolean;

/**
 * Compares a report with a threshold. `matches` picks the rows of threshold.reason, if it names one.
 * @throws UsageError when the capture does not hold what it takes: a check that cannot be made must not pass.
 */
export function checkThreshold(model: ReportModel, threshold: Threshold, matches: RowMatcher): Finding {
  const { metric, operator, value: limit } = threshold;
  const finding = (value: Exact, whose: string): Finding => ({
    threshold,
    exceeded: holds(value, operator, limit),
    measured: true,
    found: `${metric}${whose} is ${inWords(metric, value)}`,
  });
  if (metric === 'lost') return finding(lostEvents(model, threshold), '');
  if (!canTell(model, metric)) throw cannotTell(threshold, metric);
  const all = threshold.reason === null;
  const withIdle = model.slowSelection.includesIdle;
  const rows: { label: string; row: TotalModel }[] = all
    ? [{ label: ` of ${allWords(model)}`, row: withIdle ? model.totals : model.busyTotals }]
    : model.reasons
        .filter(threshold.reason === '*' ? (row) => withIdle || !row.idle : matches)
        .map((row) => ({ label: ` of ${rowLabel(row)}`, row }));
  const findings = rows.flatMap(({ label, row }): (Finding & { value: Exact })[] => {
    if (row.exits === 0 && metric !== 'count' && metric !== 'total') return [];
    const value = metricOf(row, metric);
    // Nothing paired in a row that has exits: durations are unknown there, and nothing exceeds them.
    if (value === null && row.paired === 0 && metric !== 'escalation') return [];
    if (value === null) throw cannotTell(threshold, metric);
    return [{ value, ...finding(value, label) }];
  });
  const exceeded = findings.filter((entry) => entry.exceeded);
  if (exceeded.length > 0) {
    const sign = operator.startsWith('>') ? 1 : -1;
    const { value: _, ...worst } = exceeded.reduce((a, b) =>
      sign * (Number(b.value) - Number(a.value)) > 0 ? b : a,
    );
    const more = exceeded.length - 1;
    return {
      ...worst,
      found: `${worst.found}${more > 0 ? `; the same holds for ${plural(more, 'more row')}` : ''}`,
    };
  }
  if (findings.length > 0) return { ...findings[0] };
  if (metric === 'count' || metric === 'total') return finding(0, '');
  return { threshold, exceeded: false, measured: false, found: 'no such exits' };
}

/** Durations of exits take kvm_entry and a clock with a unit. */
function canTell({ totals }: ReportModel, metric: Metric): boolean {
  return metric === 'count' || metric === 'escalation' || totals.exits === 0 || totals.totalNs !== null;
}

function allWords({ slowSelection, reasons }: ReportModel): string {
  return slowSelection.includesIdle || !reasons.some(({ idle }) => idle)
    ? 'all exits'
    : 'all exits but idle ones';
}

function cannotTell(threshold: Threshold, metric: Metric): UsageError {
  return new UsageError(
    `--fail-on '${threshold.text}' cannot be checked: the capture does not hold ${metric === 'escalation' ? 'userspace exits' : 'durations'}`,
    metric === 'escalation'
      ? 'Record kvm:kvm_userspace_exit too.'
      : 'They take kvm:kvm_entry and a clock whose unit is known.',
  );
}

/**
 * All that was lost, wherever it was: losses of unknown size count as one event at least, which is enough to exceed a
 * limit, but never to keep one.
 */
function lostEvents({ capture, quality }: ReportModel, threshold: Threshold): number {
  const { events, regions, uncountedRegions } = capture.lost;
  const placeless = quality.warnings.filter(({ code }) => PLACELESS.has(code));
  const told = placeless.reduce((sum, { count }) => sum + count, events ?? 0);
  const unknown = events === null ? Math.max(1, regions) : uncountedRegions;
  const least = told + unknown;
  if (unknown === 0 && placeless.every(({ code }) => code !== 'losses-without-time')) return least;
  if (holds(least, threshold.operator, threshold.value) && threshold.operator.startsWith('>')) return least;
  throw new UsageError(
    `--fail-on '${threshold.text}' cannot be checked: the capture does not say how many events were lost`,
  );
}

function rowLabel(row: ReasonModel): string {
  const groups = (['vm', 'pid', 'vcpu', 'tid', 'cpu', 'level'] as const).flatMap((key) =>
    row[key] === undefined ? [] : [`${key} ${row[key] ?? '-'}`],
  );
  return [row.name, ...groups].join(', ');
}
