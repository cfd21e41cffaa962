/** What rules ask of a report, so that each of them is only its own question. */
import { plainText } from '../../core/plain-text.ts';
import { formatCount, formatNs, formatPct, plural } from '../../core/units.ts';
import type { ExitFigures } from '../exit-figures.ts';
import type { Exact, ReasonModel, ReportModel } from '../model.ts';
import { recordedThreadNs } from '../recorded.ts';

/** Some exits together. */
export interface Group {
  readonly names: readonly string[];
  readonly exits: number;
  readonly paired: number;
  readonly totalNs: number | null;
  /** null: the capture cannot tell. */
  readonly escalated: number | null;
  /** Of all exits without idle ones, and of their time. */
  readonly exitsPct: number;
  readonly timePct: number | null;
  /** Per second and vCPU; null: a part of the time was selected, or the clock has no unit. */
  readonly perSecond: number | null;
}

export interface AdviceFacts {
  readonly model: ReportModel;
  /** Recorded time × vCPU threads in s. */
  readonly vcpuSeconds: number | null;
  /** Exits of these reasons: `vmx:32`, `svm:124`, `arm64:IRQ`; null if there is none. */
  reasons(...ids: readonly string[]): Group | null;
  /** Rows of the report with one of these reasons. */
  rows(...ids: readonly string[]): readonly ReasonModel[];
  /** Accesses of devices at these ports or guest physical addresses. */
  accesses(kind: 'port' | 'mmio', inside: (address: number) => boolean, write?: boolean): Group | null;
  /** Exits about such MSRs. */
  msrs(inside: (msr: number) => boolean, direction?: 'read' | 'write'): Group | null;
}

type Countable = Pick<ExitFigures, 'exits' | 'paired' | 'totalNs' | 'escalated'>;

function idOf({ isa, code, name }: ReasonModel): string {
  return `${isa}:${code ?? name}`;
}

export function adviceFacts(model: ReportModel): AdviceFacts {
  const { busyTotals, detail, devices } = model;
  const threadNs = recordedThreadNs(model);
  const vcpuSeconds = threadNs === null || threadNs === 0 ? null : threadNs / 1e9;
  const group = (rows: readonly Countable[], names: readonly string[]): Group | null => {
    const exits = rows.reduce((sum, row) => sum + row.exits, 0);
    if (exits === 0) return null;
    const time = rows.every((row) => row.totalNs !== null);
    const totalNs = time ? rows.reduce((sum, row) => sum + Number(row.totalNs), 0) : null;
    const busyNs = Number(busyTotals.totalNs ?? 0);
    return {
      names: [...new Set(names)],
      exits,
      paired: rows.reduce((sum, row) => sum + row.paired, 0),
      totalNs,
      escalated: rows.every((row) => row.escalated !== null)
        ? rows.reduce((sum, row) => sum + row.escalated!, 0)
        : null,
      exitsPct: busyTotals.exits > 0 ? Math.min(100, (100 * exits) / busyTotals.exits) : 0,
      timePct: totalNs === null || busyNs === 0 ? null : Math.min(100, (100 * totalNs) / busyNs),
      perSecond: vcpuSeconds === null ? null : exits / vcpuSeconds,
    };
  };
  const rowsOf = (ids: readonly string[]) => model.reasons.filter((row) => ids.includes(idOf(row)));
  return {
    model,
    vcpuSeconds,
    rows: (...ids) => rowsOf(ids),
    reasons: (...ids) => {
      const rows = rowsOf(ids);
      return group(
        rows,
        rows.map(({ name }) => name),
      );
    },
    accesses: (kind, inside, write) => {
      const rows = (devices?.rows ?? []).filter(
        (row) =>
          row.kind === kind &&
          inside(Number(row.address)) &&
          (write === undefined || (row.direction === 'write') === write),
      );
      return group(
        rows,
        rows.map(({ device, address }) => device || address),
      );
    },
    msrs: (inside, direction) => {
      const rows = (detail?.rows ?? []).filter(
        (row) =>
          row.kind === 'msr' &&
          inside(Number(row.address)) &&
          (direction === undefined || row.direction === direction),
      );
      return group(
        rows,
        rows.map(({ what, address }) => what || address),
      );
    },
  };
}

/** Findings below this are not worth a reader's time: share of exits or of time in percent, and exits. */
export const LEAST_PCT = 5;
export const LEAST_EXITS = 20;

/** Whether a group is a fair part of what the vCPUs left the guest for. */
export function matters(group: Group | null, leastPct: number = LEAST_PCT): group is Group {
  return (
    group !== null &&
    group.exits >= LEAST_EXITS &&
    (group.exitsPct >= leastPct || (group.timePct ?? 0) >= leastPct)
  );
}

const MOST_NAMES = 4;

export function namesOf({ names }: Pick<Group, 'names'>): string {
  const shown = names.slice(0, MOST_NAMES).map(plainText).join(', ');
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}

/** The numbers of a group: count, rate, time, escalation. */
export function describe(group: Group, what: string = namesOf(group)): string {
  const { exits, perSecond, totalNs, timePct, exitsPct, escalated } = group;
  const rate =
    perSecond === null || perSecond < 1 ? '' : `, ${formatCount(Math.round(perSecond))} per second and vCPU`;
  const time =
    totalNs === null || group.paired === 0
      ? ''
      : `; ${formatNs(Math.round(totalNs))}${timePct === null ? '' : `, ${formatPct(timePct)} of the time in exits`}`;
  const user =
    escalated === null || escalated === 0 ? '' : `; ${formatCount(escalated)} went on to user space`;
  return `${what}: ${plural(exits, 'exit')} (${formatPct(exitsPct)}${rate})${time}${user}.`;
}

export function evidence(
  group: Group,
  ...more: readonly (string | null)[]
): { words: string[]; ns: Exact | null } {
  return {
    words: [describe(group), ...more.filter((text) => text !== null)],
    ns: group.totalNs === null ? null : Math.round(group.totalNs),
  };
}
