/**
 * What the recording can tell: events that occurred, or that are known to have been switched on. What it cannot tell is
 * null in the model and "not recorded" for people, never 0.
 */
import type { AnalysisResult } from '../analysis/analyze.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT } from '../analysis/roles.ts';
import { createEventDictionary, EV_NESTED_VMEXIT } from '../core/events.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { formatNs, formatStamp, plural } from '../core/units.ts';
import { selectsBy } from './filters.ts';
import type { CaptureModel, Exact, ReportModel } from './model.ts';

export interface Recording {
  readonly context: TraceContext;
  readonly analysis: AnalysisResult;
}

function hasRole({ analysis, context }: Recording, role: number): boolean {
  const { counts } = analysis.summary;
  return EVENT_ROLES.some(
    (of, code) =>
      of === role && (counts[code] > 0 || context.enabledEvents?.has(context.events.names[code]) === true),
  );
}

export const exitsRecorded = (recording: Recording): boolean => hasRole(recording, ROLE_EXIT);

/** Whether there is any exit, whatever a report selects of them. */
export const exitsOccurred = ({ summary }: AnalysisResult): boolean =>
  EVENT_ROLES.some((role, code) => role === ROLE_EXIT && summary.counts[code] > 0);

/** The same, as the model tells. */
export function holdsExits({ capture }: Pick<ReportModel, 'capture'>): boolean {
  const { names } = createEventDictionary();
  return names.some((name, code) => EVENT_ROLES[code] === ROLE_EXIT && (capture.events[name] ?? 0) > 0);
}

/** Why it is not known how long exits took; null: it is. */
export function latencyGap(recording: Recording): string | null {
  if (!exitsRecorded(recording)) return 'Not recorded: kvm_exit.';
  if (!hasRole(recording, ROLE_ENTRY)) return 'Not recorded: kvm_entry.';
  return recording.context.timeIsNs ? null : 'Not recorded: times (the clock has no unit).';
}

/** Exits that say no thread: nothing can be told about what followed them. */
export function threadlessExits({ threads }: AnalysisResult): number {
  let exits = 0;
  for (let slot = 0; slot < threads.count; slot++) if (threads.tid[slot] < 0) exits += threads.exits[slot];
  return exits;
}

/** Why it is not known which exits are a nested guest's, a sentence; null: it is. */
export function nestingGap({ context, analysis }: Recording): string | null {
  const { counts } = analysis.summary;
  const exits = analysis.states.reduce((total, count) => total + count, 0);
  if (counts[EV_NESTED_VMEXIT] > 0 && exits > 0 && threadlessExits(analysis) === exits)
    return 'No exit says in which thread it happened: levels are unknown, all exits count as L1.';
  return counts[EV_NESTED_VMEXIT] === 0 && !context.enabledEvents?.has('kvm_nested_vmexit')
    ? 'Nesting was not recorded (no kvm_nested_vmexit): all exits count as L1.'
    : null;
}

/** What decides which columns a report may fill. */
export interface Known {
  /** Durations: exits and entries were recorded, and the clock has a unit. */
  readonly time: boolean;
  /** Which exits went to user space. */
  readonly escalation: boolean;
}

/** For sections; `model` has the escalation already. */
export function knowledge(input: Recording & { readonly model: ReportModel }): Known {
  return { time: latencyGap(input) === null, escalation: input.model.escalation.known };
}

/** Recorded time × vCPU threads; null where a part of the time was selected or there is none. */
export function recordedThreadNs(model: ReportModel): number | null {
  const { durationNs } = model.capture;
  if (selectsBy(model.selection, 'time') || durationNs === null || model.vcpus.length === 0) return null;
  return Number(durationNs) * model.vcpus.length;
}

/** What a section says whose `known` is false. `events`: those that it takes. */
export function whyUnknown(timeIsNs: boolean, events: string): string {
  return timeIsNs ? `Not recorded: it takes ${events}.` : 'Not known: the clock has no unit.';
}

/** What sections on exits say then. */
export const NONE_SELECTED = 'None match the selection.';

/** Whether the recording has exits, of which the selection takes none. */
export function selectsNoExit(model: ReportModel): boolean {
  return model.selection !== null && model.totals.exits === 0 && holdsExits(model);
}

const stamp = (ns: Exact): string => `@${formatStamp(BigInt(ns))}`;

function spanOnClock({ firstNs, lastNs }: CaptureModel): string {
  return firstNs === null || lastNs === null ? '' : ` (${stamp(firstNs)} to ${stamp(lastNs)})`;
}

/** What stands in place of an empty table of exits; with a selection, what may be wrong with it. */
export function whyNoExits(model: ReportModel): string {
  const { selection, capture } = model;
  if (selection === null || !holdsExits(model)) return 'None recorded.';
  const hints = [
    ...(selectsBy(selection, 'time') && capture.durationNs !== null
      ? [
          `The recording lasts ${formatNs(capture.durationNs)}; --from and --to count from its first event, with @ on its clock${spanOnClock(capture)}.`,
        ]
      : []),
    ...(selectsBy(selection, 'pid', 'tid', 'vcpu', 'cpu')
      ? ['kvmtrace info lists its threads, vCPUs and CPUs.']
      : []),
    ...(selectsBy(selection, 'reason')
      ? ['A report without --reason and --exclude lists the reasons that occur.']
      : []),
  ];
  return [NONE_SELECTED, ...hints].join(' ');
}

/** Why a section has no exit around events that were recorded. `what`: the events. */
export function whyNoneAround(model: ReportModel, what: string): string {
  return model.selection !== null && holdsExits(model)
    ? `No exit that the filters choose is around ${what}`
    : `No exit was recorded around ${what}`;
}

/** What stands in place of an empty list of slow exits. */
export function whyNoneSlow({ capture, totals, slowSelection: { qualified } }: ReportModel): string {
  if (totals.totalNs === null || qualified === null)
    return whyUnknown(capture.timeIsNs, 'kvm_exit and kvm_entry');
  return qualified > 0 ? `${plural(qualified, 'exit')}, of which --slow 0 lists none.` : 'None.';
}
