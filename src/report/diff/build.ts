/** From two reports and their slices to what changed. */
import type { AnalysisResult } from '../../analysis/analyze.ts';
import {
  LEAST_SLICES,
  REPLICATES,
  SPREAD_QUANTILES,
  type Spread,
  spreadOf,
  sumReasons,
} from '../../analysis/bootstrap.ts';
import type { LedgerResult } from '../../analysis/ledger-result.ts';
import { T_GUEST } from '../../analysis/ledger-segment.ts';
import type { PassRequest } from '../../analysis/pass.ts';
import type { QemuSlicesResult } from '../../analysis/qemu-slices.ts';
import type { SliceReason, SlicesResult } from '../../analysis/slices.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { formatNsShort, plural } from '../../core/units.ts';
import type { ReasonModel, ReportModel, TotalModel } from '../model.ts';
import { reasonIdentity } from '../reason-identity.ts';
import { assessTrust } from '../trust.ts';
import { holdsQemuOnly } from '../verdict-words.ts';
import { CONFIDENCE, decide, type Estimate, makeFigure, type Pending, perUnit } from './figures.ts';
import type {
  DiffCounts,
  DiffFigures,
  DiffModel,
  DiffReasonModel,
  DiffSideModel,
  DiffUserspaceModel,
  DiffWork,
} from './model.ts';
import { qemuNotes, qemuRows, qemuVcpus } from './qemu.ts';

export interface DiffInput {
  readonly context: TraceContext;
  readonly model: ReportModel;
  readonly slices: SlicesResult;
  /** null: no event of QEMU was recorded. */
  readonly qemuSlices: QemuSlicesResult | null;
  readonly ledger: LedgerResult;
}

/** The passes whose results buildDiff needs. */
export const DIFF_PASSES: readonly PassRequest[] = [
  { name: 'slices', options: null },
  { name: 'ledger', options: null },
  { name: 'qemu', options: null, optional: true },
  { name: 'qemu-slices', options: null, optional: true },
];

export function diffInput(context: TraceContext, model: ReportModel, { passes }: AnalysisResult): DiffInput {
  const qemuSlices = (passes['qemu-slices'] as QemuSlicesResult | undefined) ?? null;
  const { slices, ledger } = passes as { slices: SlicesResult; ledger: LedgerResult };
  return { context, model, slices, qemuSlices, ledger };
}

export interface Side {
  readonly input: DiffInput;
  readonly model: DiffSideModel;
  /** What costs and rates are divided by: vCPU time, or 1e9 for each unit of work. */
  readonly basisNs: number | null;
  readonly reasons: ReadonlyMap<string, { row: ReasonModel; slices: SliceReason | null }>;
}

type ReasonId = Pick<ReasonModel, 'isa' | 'code' | 'name'>;
const keyOf = ({ isa, code, name }: ReasonId) => `${isa}:${code}:${name}`;

/** `work`: units of work done in each recording, where costs and rates are to be per unit instead of per second. */
export function buildDiff(
  beforeInput: DiffInput,
  afterInput: DiffInput,
  toolVersion: string,
  work: DiffWork | null = null,
): DiffModel {
  const before = sideOf(beforeInput, work?.before ?? null);
  const after = sideOf(afterInput, work?.after ?? null);
  const pending: Pending[] = [];
  const keys = [...new Set([...before.reasons.keys(), ...after.reasons.keys()])];
  const reasons = keys.map((key): DiffReasonModel => {
    const a = before.reasons.get(key);
    const b = after.reasons.get(key);
    const { isa, code, name, idle } = (a ?? b)!.row;
    const figures = compare(pending, before, after, [a?.row, b?.row], [a?.slices, b?.slices]);
    return { isa, code, name, idle, ...figures };
  });
  const together = (side: Side, idle: boolean) =>
    sumReasons(
      [...side.reasons.values()].flatMap(({ row, slices }) =>
        slices && (idle || !row.idle) ? [slices] : [],
      ),
      side.input.slices.slices,
    );
  const sums = (idle: boolean): [SliceReason, SliceReason] => [together(before, idle), together(after, idle)];
  const totals = (key: 'totals' | 'busyTotals'): [TotalModel, TotalModel] => [
    beforeInput.model[key],
    afterInput.model[key],
  ];
  const model: DiffModel = {
    schema: 'kvmtrace.diff',
    schemaVersion: 1,
    tool: { name: 'kvmtrace', version: toolVersion },
    before: before.model,
    after: after.model,
    selection: beforeInput.model.selection,
    work,
    method: { confidencePct: 100 * CONFIDENCE, figures: 0, replicates: REPLICATES },
    busyTotals: compare(pending, before, after, totals('busyTotals'), sums(false)),
    totals: compare(pending, before, after, totals('totals'), sums(true)),
    reasons,
    userspace: userspaceRows(pending, before, after),
    qemu: qemuRows(pending, before, after),
    notes: notesOf(before, after, work !== null),
  };
  decide(pending);
  model.method.figures = pending.length;
  model.reasons = reasons.sort(byCost);
  return model;
}

function sideOf(input: DiffInput, work: number | null): Side {
  const { model, slices, ledger } = input;
  const sliced = new Map(
    slices.reasons.map((reason) => {
      const { isa, code } = reason;
      return [keyOf(reasonIdentity(input.context, isa, code)), reason];
    }),
  );
  const { timeIsNs } = model.capture;
  // Filters by reason, level and CPU choose exits: a vCPU that had none of them has been recorded all the same.
  const vcpus =
    model.vcpus.length === 0 ? qemuVcpus(model.qemu) : Math.max(model.vcpus.length, ledger.rows.length);
  const wallNs = timeIsNs && ledger.wallNs !== null && ledger.wallNs > 0 ? ledger.wallNs : null;
  const guest = ledger.rows.reduce((sum, row) => sum + row.sums[T_GUEST], 0);
  const vcpuNs = wallNs === null || vcpus === 0 ? null : wallNs * vcpus;
  const { ok, reasons } = assessTrust(model);
  return {
    input,
    basisNs: work === null ? vcpuNs : work * 1e9,
    model: {
      capture: model.capture,
      trust: { ok, reasons: [...reasons] },
      vcpus,
      wallNs,
      vcpuNs,
      guestNs: wallNs === null || guest === 0 ? null : guest,
      slices: slices.slices,
    },
    reasons: new Map(
      model.reasons.map((row) => [keyOf(row), { row, slices: sliced.get(keyOf(row)) ?? null }]),
    ),
  };
}

type Row = Pick<TotalModel, 'exits' | 'paired' | 'totalNs' | 'escalated' | 'p50Ns' | 'p90Ns' | 'p99Ns'>;
const QUANTILE_KEYS = ['p50Ns', 'p90Ns', 'p99Ns'] as const;

function compare(
  pending: Pending[],
  before: Side,
  after: Side,
  rows: readonly [Row | undefined, Row | undefined],
  slices: readonly [SliceReason | null | undefined, SliceReason | null | undefined],
): DiffFigures {
  const estimates = [before, after].map((side, i) => estimatesOf(side, rows[i], slices[i] ?? null));
  const figure = (key: keyof Estimates) => makeFigure(pending, estimates[0][key], estimates[1][key]);
  return {
    before: countsOf(before, rows[0]),
    after: countsOf(after, rows[1]),
    costNs: figure('costNs'),
    rate: figure('rate'),
    guestRate: figure('guestRate'),
    p50Ns: figure('p50Ns'),
    p90Ns: figure('p90Ns'),
    p99Ns: figure('p99Ns'),
    escalation: figure('escalation'),
  };
}

function countsOf(side: Side, row: Row | undefined): DiffCounts {
  const { capture, escalation } = side.input.model;
  if (row === undefined)
    return {
      exits: 0,
      paired: 0,
      totalNs: capture.timeIsNs ? 0 : null,
      escalated: escalation.known ? 0 : null,
    };
  const { exits, paired, totalNs, escalated } = row;
  return { exits, paired, totalNs, escalated };
}

type Estimates = Readonly<Record<Exclude<keyof DiffFigures, 'before' | 'after'>, Estimate>>;

function estimatesOf(side: Side, row: Row | undefined, slices: SliceReason | null): Estimates {
  const { basisNs } = side;
  const times = side.input.slices;
  const { exits, totalNs, escalated, paired } = countsOf(side, row);
  const spread: Spread | null = slices === null || exits === 0 ? null : spreadOf(slices, times);
  const blocks = spread?.blocks ?? times.slices;
  // A time stamp may lie anywhere between two steps of the clock.
  const resolution = side.model.capture.timeResolutionNs / Math.sqrt(12);
  const per = (basisNs: number | null, sum: number | null, relative: number | undefined) =>
    perUnit(sum, basisNs, relative, blocks, times.slices);
  const quantile = (i: number): Estimate => ({
    value: row?.[QUANTILE_KEYS[i]] ?? null,
    error: Math.hypot(spread?.quantiles[i] ?? Number.NaN, resolution),
    blocks,
    size: null,
  });
  // An exit whose entry is missing has no time: its row costs an unknown amount, not nothing.
  const costKnown = paired > 0 || exits === 0;
  return {
    costNs: per(basisNs, costKnown && totalNs !== null ? Number(totalNs) : null, spread?.cost),
    rate: per(basisNs, exits, spread?.rate),
    guestRate: per(side.model.guestNs, exits, spread?.guestRate),
    p50Ns: quantile(SPREAD_QUANTILES.indexOf(0.5)),
    p90Ns: quantile(SPREAD_QUANTILES.indexOf(0.9)),
    p99Ns: quantile(SPREAD_QUANTILES.indexOf(0.99)),
    escalation: {
      value: escalated === null || exits === 0 ? null : escalated / exits,
      error: spread?.escalation ?? Number.NaN,
      blocks,
      size: exits,
    },
  };
}

/** Only where both recordings know of escalations. */
function userspaceRows(pending: Pending[], before: Side, after: Side): DiffUserspaceModel[] {
  const sides = [before, after];
  if (!sides.every(({ input }) => input.model.escalation.known)) return [];
  const named = new Map(
    sides
      .flatMap(({ input }) => input.model.escalation.byUserspaceReason)
      .map(({ code, name }) => [code, name]),
  );
  return [...named]
    .map(([code, name]) => {
      const estimates = sides.map(({ input, basisNs }): Estimate & { count: number } => {
        const count = input.model.escalation.byUserspaceReason.find((row) => row.code === code)?.count ?? 0;
        const column = input.slices.userspace.find((row) => row.code === code)?.count;
        const { slices } = input.slices;
        const spread = column ? spreadOf(onlyCounts(code, column), input.slices) : null;
        return { count, ...perUnit(count, basisNs, spread?.rate, spread?.blocks ?? slices, slices) };
      });
      return {
        code,
        name,
        before: estimates[0].count,
        after: estimates[1].count,
        rate: makeFigure(pending, estimates[0], estimates[1]),
      };
    })
    .sort(
      (a, b) =>
        Math.abs(b.rate.change ?? 0) - Math.abs(a.rate.change ?? 0) ||
        b.after + b.before - a.after - a.before ||
        a.code - b.code,
    );
}

function onlyCounts(code: number, exits: Float64Array): SliceReason {
  const none = new Float64Array(exits.length);
  return {
    isa: -1,
    code,
    exits,
    paired: none,
    escalated: none,
    ns: none,
    buckets: new Uint16Array(),
    histogram: new Float64Array(),
  };
}

function byCost(a: DiffReasonModel, b: DiffReasonModel): number {
  const size = ({ costNs, rate }: DiffReasonModel) => Math.abs(costNs.change ?? rate.change ?? 0);
  const exits = (row: DiffReasonModel) => row.before.exits + row.after.exits;
  return (
    Number(a.idle) - Number(b.idle) ||
    size(b) - size(a) ||
    exits(b) - exits(a) ||
    (keyOf(a) < keyOf(b) ? -1 : 1)
  );
}

function notesOf(before: Side, after: Side, perWork: boolean): string[] {
  const notes: string[] = [];
  const named = [
    ['before', before],
    ['after', after],
  ] as const;
  for (const [name, { model, input }] of named) {
    if (!model.trust.ok) notes.push(`Quality of "${name}": ${model.trust.reasons.join('; ')}.`);
    if (!model.capture.timeIsNs)
      notes.push(
        `The clock of "${name}" has no known unit: there are no ${perWork ? '' : 'rates and no '}times.`,
      );
    else if (input.slices.slices < LEAST_SLICES)
      notes.push(`"${name}" is too short to tell changes from noise.`);
    if (model.capture.lost.events !== 0 || model.capture.lost.regions > 0)
      notes.push(
        `"${name}" has lost events: its rates and its time in the guest are too low by what is missing, so differences may come from that.`,
      );
    if (!input.model.escalation.known && !holdsQemuOnly(input.model))
      notes.push(`"${name}" has no userspace exits: escalation is unknown.`);
    notes.push(...qemuNotes(name, input.model.qemu));
    if (input.qemuSlices && input.qemuSlices.ignored > 0)
      notes.push(
        `"${name}": ${plural(input.qemuSlices.ignored, 'return')} to QEMU of rare reasons or of no known vCPU are compared without intervals.`,
      );
    if (input.slices.ignored > 0)
      notes.push(
        `"${name}": ${plural(input.slices.ignored, 'exit')} of rare reasons are compared without intervals.`,
      );
  }
  const isas = named.map(([, { model }]) => [...model.capture.isa].sort().join(', '));
  if (isas[0] !== isas[1] && isas[0] !== '' && isas[1] !== '')
    notes.push(`Different instruction sets (${isas.join(' and ')}): their exit reasons are not comparable.`);
  const resolutions = named.map(([, { model }]) => model.capture.timeResolutionNs);
  if (resolutions[0] !== resolutions[1])
    notes.push(
      `Time stamps are recorded to ${formatNsShort(resolutions[0])} before and ${formatNsShort(resolutions[1])} after: short times differ for that alone.`,
    );
  return notes;
}
