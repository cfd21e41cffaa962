/** From results of the analyses to the report model: names, shares, order; nothing is counted here. */
import { type AnalysisResult, exitStates } from '../analysis/analyze.ts';
import { exactToBigInt, exactValue, toExact } from '../analysis/exact-sum.ts';
import { LEVEL_NAMES } from '../analysis/exit-batch.ts';
import { ODD_ABSURD, ODD_INSTANT, ODD_NEGATIVE } from '../analysis/exit-count-layout.ts';
import { type ExitTable, groupKey, standardDeviation } from '../analysis/exit-stats.ts';
import { KEY_CODE, KEY_CPU, KEY_ISA, KEY_LEVEL, KEY_PID, KEY_TID, KEY_VCPU } from '../analysis/groups.ts';
import type { Quantiles } from '../analysis/latency-log.ts';
import { NO_CPU } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { formatCount, formatOffset, plural } from '../core/units.ts';
import { wordsToBigInt, wordsToHex } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { buildAdvice } from './advice/build.ts';
import { buildCapture, buildWarnings } from './build-capture.ts';
import { buildEscalation, type EscalationGap, escalationGap } from './build-escalation.ts';
import { buildVerdict } from './build-verdict.ts';
import { type Filter, selectionOf } from './filters.ts';
import { mean, pct, pctExact, sum, sumExact } from './group-sums.ts';
import type {
  GroupKey,
  ReasonModel,
  ReportModel,
  SlowModel,
  TotalModel,
  VcpuModel,
  WarningModel,
} from './model.ts';
import { printedIsa, reasonIdentity } from './reason-identity.ts';
import { type Known, latencyGap, nestingGap, threadlessExits } from './recorded.ts';
import { withSections } from './sections.ts';
import { compareThreads, identifyThread } from './thread-identity.ts';

export interface ModelOptions {
  readonly toolVersion: string;
  readonly by: readonly GroupKey[];
  /** [] for the whole capture. */
  readonly filters: readonly Filter[];
  /** Text of a guest's System.map or kallsyms (--guest-symbols). */
  readonly guestSymbols?: string | null;
}

export function buildModel(
  context: TraceContext,
  analysis: AnalysisResult,
  options: ModelOptions,
): ReportModel {
  const { stats, summary } = analysis;
  const gap = escalationGap(context, analysis);
  const known: Known = {
    time: latencyGap({ context, analysis }) === null,
    escalation: gap === null,
  };
  const groups = Array.from({ length: stats.groups.count }, (_, group) => group);
  const busy = groups.filter(
    (group) => !isIdle(groupKey(stats, group, KEY_ISA), groupKey(stats, group, KEY_CODE)),
  );
  const { quantiles } = analysis;
  const allExits = sum(stats.exits, groups);
  const allTime = sumExact(stats.total, groups);
  const part = { exits: allExits, time: allTime };
  const reasons = groups
    .map((group) => buildReason(context, analysis, group, part, known, options.by))
    .sort(compareReasons(options.by));
  const escalation = buildEscalation(context, analysis, groups, known, gap);
  const states = exitStates(analysis);
  const model: ReportModel = {
    schema: 'kvmtrace.report',
    schemaVersion: 1,
    tool: { name: 'kvmtrace', version: options.toolVersion },
    capture: buildCapture(context, summary, isasOf(context, stats)),
    selection: selectionOf(options.filters),
    quality: {
      exits: states.paired + states.exitWithoutEntry + states.openAtEnd + states.invalidatedByLoss,
      entries: analysis.entries.entries,
      ...states,
      entryWithoutExit: analysis.entries.entryWithoutExit,
      negativeLatency: analysis.odd[ODD_NEGATIVE],
      warnings: [...buildPairingWarnings(analysis, gap), ...buildWarnings(context)],
    },
    vcpus: buildVcpus(context, analysis, known),
    by: [...options.by],
    reasons,
    totals: buildTotals(stats, groups, quantiles[groups.length], part, known),
    busyTotals: buildTotals(stats, busy, quantiles[groups.length + 1], part, known),
    escalation,
    slow: known.time ? buildSlow(context, analysis, known) : [],
    slowSelection: {
      thanNs: analysis.slow.thanNs,
      includesIdle: analysis.slow.includeIdle,
      qualified: known.time ? analysis.slow.qualified : null,
      limit: analysis.slow.limit,
    },
    notes: buildNotes(context, analysis, gap),
  };
  const input = { context, analysis, model, guestSymbols: options.guestSymbols ?? null };
  const whole = withSections(input);
  return { ...whole, advice: buildAdvice(whole), verdict: buildVerdict(whole) };
}

/** Anomalies that pairing met; what parsers met is in the context's diagnostics. */
function buildPairingWarnings(analysis: AnalysisResult, gap: EscalationGap | null): WarningModel[] {
  const { entries, odd } = analysis;
  const warnings: WarningModel[] = [
    {
      code: 'events-without-thread',
      severity: 'data-loss',
      message: 'exits and entries of unknown thread: they are counted, but cannot be paired',
      count: entries.withoutThread,
    },
    {
      code: 'escalation-in-part',
      severity: 'suspect',
      message:
        'exits of unknown thread: whether they went to user space cannot be told, they count as handled in the kernel',
      count:
        gap === null && (entries.userspaceExits > 0 || entries.runExits > 0) ? threadlessExits(analysis) : 0,
    },
    {
      code: 'absurd-latency',
      severity: 'suspect',
      message: 'pairs longer than 52 days: damaged timestamps; they count as that long',
      count: odd[ODD_ABSURD],
    },
    {
      code: 'negative-latency',
      severity: 'suspect',
      message: 'entries stamped before their exit (clocks of CPUs disagree): their latency counts as 0',
      count: odd[ODD_NEGATIVE],
    },
  ];
  return warnings.filter(({ count }) => count > 0);
}

/** Of the exits; where none is chosen or recorded, what the recording says of its CPU. */
function isasOf({ defaultIsa }: TraceContext, stats: ExitTable): string[] {
  const isas = new Set<number>(stats.groups.count === 0 && defaultIsa > 0 ? [defaultIsa] : []);
  for (let group = 0; group < stats.groups.count; group++) isas.add(groupKey(stats, group, KEY_ISA));
  return [...isas].sort((a, b) => a - b).map(printedIsa);
}

type Parts = { readonly exits: number; readonly time: bigint };

function buildTotals(
  stats: ExitTable,
  groups: readonly number[],
  quantiles: Quantiles,
  all: Parts,
  known: Known,
): TotalModel {
  const paired = sum(stats.paired, groups);
  const total = sumExact(stats.total, groups);
  const exits = sum(stats.exits, groups);
  const has = known.time && paired > 0;
  const extreme = (column: Float64Array, pick: (a: number, b: number) => number) =>
    has
      ? groups
          .map((group) => column[group])
          .filter((_, i) => stats.paired[groups[i]] > 0)
          .reduce((a, b) => pick(a, b))
      : null;
  const [p50, p90, p99, p999] = quantiles.values;
  return {
    exits,
    paired,
    totalNs: known.time ? toExact(total) : null,
    minNs: extreme(stats.min, Math.min),
    avgNs: has ? mean(total, paired) : null,
    maxNs: extreme(stats.max, Math.max),
    p50Ns: has ? p50! : null,
    p90Ns: has ? p90! : null,
    p99Ns: has ? p99! : null,
    p999Ns: has ? p999! : null,
    percentileErrorPct: quantiles.errorPct,
    exitsPct: pct(exits, all.exits),
    timePct: known.time ? pctExact(total, all.time) : null,
    escalated: known.escalation ? sum(stats.escalated, groups) : null,
    restarts: known.escalation ? sum(stats.restarts, groups) : null,
  };
}

function buildReason(
  context: TraceContext,
  { stats, quantiles, histograms }: AnalysisResult,
  group: number,
  all: Parts,
  known: Known,
  by: readonly GroupKey[],
): ReasonModel {
  const isa = groupKey(stats, group, KEY_ISA);
  const code = groupKey(stats, group, KEY_CODE);
  const { exits, paired, totalNs, minNs, avgNs, maxNs, ...rest } = buildTotals(
    stats,
    [group],
    quantiles[group],
    all,
    known,
  );
  const has = known.time && paired > 0;
  const deviation = has ? standardDeviation(stats, group) : null;
  const ripKnown = exactToBigInt(stats.total, group) - exactToBigInt(stats.ripUnknown, group);
  return {
    ...groupKeys(context, stats, group, by),
    ...reasonIdentity(context, isa, code),
    idle: isIdle(isa, code),
    exits,
    paired,
    totalNs,
    minNs,
    avgNs,
    maxNs,
    stddevNs: deviation === null ? null : Math.round(deviation),
    stderrPct:
      deviation === null ? null : standardErrorPct(deviation, paired, exactToBigInt(stats.total, group)),
    ...rest,
    guestKernelTimePct:
      has && ripKnown > 0n ? pctExact(exactToBigInt(stats.guestKernel, group), ripKnown) : null,
    levels: {
      L1: stats.levels[3 * group],
      L2: stats.levels[3 * group + 1],
      'L2-reflected': stats.levels[3 * group + 2],
    },
    histogram: known.time ? buildHistogram(histograms[group]) : [],
  };
}

/** Relative standard error of the mean, as `perf kvm stat` prints behind the average. */
function standardErrorPct(deviation: number, paired: number, total: bigint): number {
  const mean = Number(total) / paired;
  return mean > 0 ? (100 * deviation) / Math.sqrt(paired) / mean : 0;
}

function groupKeys(
  context: TraceContext,
  stats: ExitTable,
  group: number,
  by: readonly GroupKey[],
): Partial<ReasonModel> {
  const keys: Partial<ReasonModel> = {};
  const orNull = (key: number) => {
    const value = groupKey(stats, group, key);
    return value < 0 ? null : value;
  };
  if (by.includes('vm')) {
    keys.pid = orNull(KEY_PID);
    keys.vm = keys.pid === null ? null : (context.threads.byTid.get(keys.pid)?.vm ?? null);
  }
  if (by.includes('tid')) keys.tid = orNull(KEY_TID);
  if (by.includes('vcpu')) keys.vcpu = orNull(KEY_VCPU);
  if (by.includes('cpu')) {
    const cpu = groupKey(stats, group, KEY_CPU);
    keys.cpu = cpu === NO_CPU ? null : cpu;
  }
  if (by.includes('level')) keys.level = LEVEL_NAMES[groupKey(stats, group, KEY_LEVEL)];
  return keys;
}

const GROUP_FIELDS = { vm: 'pid', vcpu: 'vcpu', tid: 'tid', cpu: 'cpu', level: 'level' } as const;

/** Groups together, in the order of their keys as they were asked for; in a group the most frequent reason first. */
function compareReasons(by: readonly GroupKey[]): (a: ReasonModel, b: ReasonModel) => number {
  const compare = (a: number | string | null | undefined, b: number | string | null | undefined) =>
    a === b ? 0 : (a ?? -1) < (b ?? -1) ? -1 : 1;
  const fields = by.flatMap((key) => (key === 'reason' ? [] : [GROUP_FIELDS[key]]));
  const compareGroups = (a: ReasonModel, b: ReasonModel) =>
    fields.reduce((order, field) => order || compare(a[field], b[field]), 0);
  return (a, b) =>
    compareGroups(a, b) ||
    b.exits - a.exits ||
    compare(a.isa, b.isa) ||
    compare(a.code, b.code) ||
    compare(a.name, b.name);
}

function buildHistogram(counts: Float64Array): ReasonModel['histogram'] {
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  if (first < 0) return [];
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const bucket = first + i;
    return { loNs: bucket === 0 ? 0 : 2 ** bucket, hiNs: 2 ** (bucket + 1) - 1, count: counts[bucket] };
  });
}

function buildVcpus(context: TraceContext, analysis: AnalysisResult, known: Known): VcpuModel[] {
  const { threads } = analysis;
  const vcpus: VcpuModel[] = [];
  for (let slot = 0; slot < threads.count; slot++) {
    const tid = threads.tid[slot];
    // A thread that the selection leaves out has a number but no exits.
    if (tid < 0) continue;
    vcpus.push({
      ...identifyThread(context, { tid, pid: threads.pid[slot], vcpu: threads.vcpu[slot] }),
      exits: threads.exits[slot],
      paired: threads.paired[slot],
      totalNs: known.time ? exactValue(threads.total, slot) : null,
      idleNs: known.time ? exactValue(threads.idle, slot) : null,
    });
  }
  return vcpus.sort(compareThreads);
}

function buildSlow(context: TraceContext, analysis: AnalysisResult, known: Known): SlowModel[] {
  const { rows } = analysis.slow;
  return Array.from({ length: rows.length }, (_, row) => {
    const isa = rows.isa[row];
    const code = rows.code[row];
    const { pid, vcpu, comm } = identifyThread(context, {
      tid: rows.tid[row],
      pid: rows.pid[row],
      vcpu: rows.vcpu[row],
    });
    const cpu = (value: number) => (value === NO_CPU ? null : value);
    const escalated = rows.userspaceExits[row] > 0;
    return {
      exitNs: wordsToBigInt(rows.exitTime[2 * row], rows.exitTime[2 * row + 1]),
      entryNs: wordsToBigInt(rows.entryTime[2 * row], rows.entryTime[2 * row + 1]),
      latencyNs: rows.latency[row],
      pid,
      tid: rows.tid[row],
      vcpu,
      comm,
      exitCpu: cpu(rows.exitCpu[row]),
      entryCpu: cpu(rows.entryCpu[row]),
      ...reasonIdentity(context, isa, code),
      level: LEVEL_NAMES[rows.level[row]],
      rip: rows.hasRip[row] ? wordsToHex(rows.rip[2 * row], rows.rip[2 * row + 1]) : null,
      escalated: known.escalation ? escalated : null,
      userspaceReason: escalated ? userspaceExitName(rows.userspaceCode[row]) : null,
    };
  });
}

/** Losses that are named. */
const LOSSES_SHOWN = 5;

/** Where most was lost, for who looks at a moment and wants to know whether it can be trusted. */
function lossPlaces(context: TraceContext, { summary }: AnalysisResult): string[] {
  if (!context.timeIsNs || summary.losses.length === 0) return [];
  const first = wordsToBigInt(summary.first[0], summary.first[1]);
  const words = summary.losses
    .slice(0, LOSSES_SHOWN)
    .sort((a, b) => a.high - b.high || a.low - b.low)
    .map(
      ({ low, high, cpu, events }) =>
        `${events === null ? 'an unknown number' : plural(events, 'event')} around second ${formatOffset(wordsToBigInt(low, high), first)}${cpu === NO_CPU ? '' : ` (CPU ${cpu})`}`,
    );
  const which =
    summary.lostRegions > words.length ? `, the largest of ${formatCount(summary.lostRegions)}` : '';
  return [`Lost${which}: ${words.join('; ')}.`];
}

function buildNotes(context: TraceContext, analysis: AnalysisResult, gap: EscalationGap | null): string[] {
  const exits = analysis.states.reduce((total, count) => total + count, 0);
  const notes: string[] = [];
  if (!context.timeIsNs)
    notes.push(`The clock (${context.clock ?? 'unknown'}) has no known unit: counts only, no durations.`);
  else if (context.timeResolutionNs > 1)
    notes.push(
      `Timestamps are recorded to ${context.timeResolutionNs === 1000 ? '1 us' : `${context.timeResolutionNs} ns`}: every latency is that coarse. Binary captures (perf.data, trace.dat) have ns.`,
    );
  else {
    const instant = analysis.odd[ODD_INSTANT];
    if (instant > 0)
      notes.push(
        `In ${plural(instant, 'pair')} exit and entry have the same time, which no exit takes: the recording's clock stood still, or events share a stamp. These times are too short.`,
      );
  }
  notes.push(...lossPlaces(context, analysis));
  const untold = latencyGap({ context, analysis });
  if (exits > 0 && context.timeIsNs && untold !== null)
    notes.push('kvm_entry was not recorded: how long exits took is unknown.');
  if (gap !== null)
    notes.push(
      gap.kind === 'not-recorded'
        ? 'kvm_userspace_exit was not recorded: which exits went to user space is unknown.'
        : `Which exits went to user space is ${gap.because[0].toLowerCase()}${gap.because.slice(1)}`,
    );
  const nesting = nestingGap({ context, analysis });
  if (exits > 0 && nesting !== null) notes.push(nesting);
  return notes;
}
