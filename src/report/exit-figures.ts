/** Figures that rows of detail, devices and hot spots share: from exact sums to the model. */

import { toExact } from '../analysis/exact-sum.ts';
import type { ExitSums } from '../analysis/exit-sums.ts';
import { largest, smallest } from '../core/lists.ts';
import { mean, sum, sumExact } from './group-sums.ts';
import type { Exact } from './model.ts';
import type { Known } from './recorded.ts';

export interface ExitFigures {
  exits: number;
  paired: number;
  /** Over pairs, exit → entry. null: the clock has no unit. */
  totalNs: Exact | null;
  minNs: number | null;
  avgNs: number | null;
  maxNs: number | null;
  /** Exits that went to user space; null when the capture cannot tell. */
  escalated: number | null;
  restarts: number | null;
  errors: number | null;
  /** Of escalated pairs: exit → user space, user space → entry. */
  kernelNs: Exact | null;
  userspaceNs: Exact | null;
}

/** The figures of some rows of `sums` taken together. */
export function exitFigures(sums: ExitSums, rows: readonly number[], known: Known): ExitFigures {
  const exact = (column: Float64Array) => sumExact(column, rows);
  const paired = sum(sums.paired, rows);
  const total = exact(sums.total);
  const has = known.time && paired > 0;
  const whenKnown = (column: Float64Array) => (known.escalation ? sum(column, rows) : null);
  const time = (value: bigint) => (known.time ? toExact(value) : null);
  return {
    exits: sum(sums.exits, rows),
    paired,
    totalNs: time(total),
    minNs: has ? smallest(rows, Number.POSITIVE_INFINITY, (row) => sums.min[row]) : null,
    avgNs: has ? mean(total, paired) : null,
    maxNs: has ? largest(rows, Number.NEGATIVE_INFINITY, (row) => sums.max[row]) : null,
    escalated: whenKnown(sums.escalated),
    restarts: whenKnown(sums.restarts),
    errors: whenKnown(sums.errors),
    kernelNs: known.escalation ? time(exact(sums.kernelNs)) : null,
    userspaceNs: known.escalation ? time(exact(sums.userspaceNs)) : null,
  };
}

/** Row numbers by a key, in order of first appearance. */
export function groupRows(rows: number, keyOf: (row: number) => string | null): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (let row = 0; row < rows; row++) {
    const key = keyOf(row);
    if (key === null) continue;
    const members = groups.get(key);
    if (members) members.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}
