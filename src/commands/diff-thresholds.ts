/**
 * Thresholds of `kvmtrace diff`: `--fail-on 'p99>+20%'`. Grammar: [REASON:]METRIC OP CHANGE%, where OP is > >= < <=.
 * They look at changes only: what cannot be told from noise never exceeds one. Without a reason they speak of all exits
 * together, without idle ones; `*:` speaks of each reason, again without idle ones.
 */
import { UsageError } from '../core/errors.ts';
import type { DiffFigure, DiffFigures, DiffModel } from '../report/diff/model.ts';
import { holds, type Operator, type RowMatcher } from './fail-on.ts';

/** Metric → figure. Escalation is compared in percentage points, the others in percent of before. */
const METRICS = {
  cost: 'costNs',
  count: 'rate',
  'guest-count': 'guestRate',
  p50: 'p50Ns',
  p90: 'p90Ns',
  p99: 'p99Ns',
  escalation: 'escalation',
} as const;
export type DiffMetric = keyof typeof METRICS;

export interface DiffThreshold {
  readonly text: string;
  /** Name as given, '*' for each row, null for all exits together. */
  readonly reason: string | null;
  readonly metric: DiffMetric;
  readonly operator: Operator;
  /** Percent, or points. */
  readonly value: number;
}

const PATTERN = /^(?:(.+):)?\s*([a-z0-9-]+)\s*(>=|<=|>|<)\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*%$/i;

/** Throws UsageError. */
export function parseDiffThreshold(text: string): DiffThreshold {
  const match = PATTERN.exec(text.trim());
  const metric = (Object.keys(METRICS) as DiffMetric[]).find((name) => name === match?.[2].toLowerCase());
  if (!match || !metric)
    throw new UsageError(
      `'${text}' is not a threshold for changes`,
      `[REASON:]METRIC OP PERCENT, such as 'cost>5%', 'p99>+20%' or 'HLT:count<-10%'; metrics: ${Object.keys(METRICS).join(', ')}.`,
    );
  return {
    text: text.trim(),
    reason: match[1]?.trim() ?? null,
    metric,
    operator: match[3] as Operator,
    value: Number(match[4]),
  };
}

export interface DiffFinding {
  readonly exceeded: boolean;
  /** False: nothing to compare, or not enough to tell. */
  readonly measured: boolean;
  readonly found: string;
}

/** Percent or points; what was not there before is infinitely more. */
function changeOf(figure: DiffFigure, metric: DiffMetric): number | null {
  if (figure.change === null) return null;
  if (metric === 'escalation') return 100 * figure.change;
  return figure.changePct ?? (figure.change > 0 ? Number.POSITIVE_INFINITY : 0);
}

/**
 * @throws UsageError when the recordings do not hold what it takes at all: a check that cannot be made must not pass.
 */
export function checkDiffThreshold(
  model: DiffModel,
  threshold: DiffThreshold,
  matches: RowMatcher,
): DiffFinding {
  const { metric, operator, value, reason } = threshold;
  const key = METRICS[metric];
  const rows: { label: string; figures: DiffFigures }[] =
    reason === null
      ? [{ label: 'all exits but idle ones', figures: model.busyTotals }]
      : model.reasons
          .filter((row) => (reason === '*' ? !row.idle : matches(row)))
          .map((row) => ({ label: row.name, figures: row }));
  if (rows.length === 0) return { exceeded: false, measured: false, found: 'no such exits' };
  const findings = rows.map(({ label, figures }) => describe(label, figures[key], metric, operator, value));
  const worst = findings.find(({ exceeded }) => exceeded) ?? findings.find(({ measured }) => !measured);
  if (model.method.figures === 0)
    throw new UsageError(
      `--fail-on '${threshold.text}' cannot be checked: the recordings do not allow a comparison`,
      model.notes[0],
    );
  return worst ?? findings[0];
}

function describe(
  label: string,
  figure: DiffFigure,
  metric: DiffMetric,
  operator: Operator,
  limit: number,
): DiffFinding {
  const change = changeOf(figure, metric);
  const unit = metric === 'escalation' ? ' points' : '%';
  const shown =
    change === null
      ? ''
      : `${change > 0 ? '+' : ''}${Number.isFinite(change) ? change.toFixed(1) : '∞'}${unit}`;
  if (figure.verdict === 'unknown' || change === null)
    return { exceeded: false, measured: false, found: `${metric} of ${label}: too little to tell` };
  if (figure.verdict === 'noise')
    return {
      exceeded: false,
      measured: !holds(change, operator, limit),
      found: `${metric} of ${label}: ${shown}, which may be noise`,
    };
  return {
    exceeded: holds(change, operator, limit),
    measured: true,
    found: `${metric} of ${label} changed by ${shown}`,
  };
}
