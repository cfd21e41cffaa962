/** The part of a model that says what was recorded. */

import { type EventSummary, lostEvents } from '../analysis/event-summary.ts';
import { toExact } from '../analysis/exact-sum.ts';
import { listDiagnostics } from '../core/diagnostics.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { wordsToBigInt } from '../core/words.ts';
import { byCount } from './event-order.ts';
import type { CaptureModel, WarningModel } from './model.ts';

/** `isas`: names of the ISAs that the exits have. */
export function buildCapture(context: TraceContext, summary: EventSummary, isas: string[]): CaptureModel {
  const first = summary.hasTime ? wordsToBigInt(summary.first[0], summary.first[1]) : null;
  const last = summary.hasTime ? wordsToBigInt(summary.last[0], summary.last[1]) : null;
  const duration = first === null || last === null ? null : last - first;
  const events: [string, number][] = [];
  for (const [code, name] of context.events.names.entries())
    if (summary.counts[code] > 0) events.push([name || '(unnamed)', summary.counts[code]]);
  if (summary.markers > 0) events.push([context.markerName, summary.markers]);
  const covered = duration === null ? 0 : Number(duration) * summary.cpus;
  return {
    sources: context.sources.map(({ path, format, bytes, sha256 }) => ({
      path,
      format,
      bytes,
      ...(sha256 === undefined ? {} : { sha256 }),
    })),
    arch: context.arch,
    isa: isas,
    kernel: context.kernel,
    host: context.host,
    cpuModel: context.cpuModel,
    clock: context.clock,
    timeIsNs: context.timeIsNs,
    timeResolutionNs: context.timeResolutionNs,
    firstNs: first,
    lastNs: last,
    durationNs: duration === null || !context.timeIsNs ? null : toExact(duration),
    events: Object.fromEntries(byCount(Object.fromEntries(events))),
    lost: {
      events: lostEvents(summary),
      regions: summary.lostRegions,
      uncountedRegions: summary.lostUnknown,
      affectedNs: context.timeIsNs ? summary.lostNs : null,
      affectedPct: covered > 0 ? Math.min(100, (100 * summary.lostNs) / covered) : 0,
    },
    facts: Object.fromEntries(context.facts),
  };
}

export function buildWarnings(context: TraceContext): WarningModel[] {
  const rank = { 'data-loss': 0, suspect: 1, info: 2 };
  return listDiagnostics(context.diagnostics)
    .map(({ code, severity, message, count }) => ({ code, severity, message, count }))
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
}
