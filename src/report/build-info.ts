/** From a pass over the events to the model of `info`. */
import type { EventSummary } from '../analysis/event-summary.ts';
import type { ThreadEvents } from '../analysis/thread-events.ts';
import { NO_CPU } from '../core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_USERSPACE_EXIT } from '../core/events.ts';
import { isaName } from '../core/isa-codes.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { buildCapture, buildWarnings } from './build-capture.ts';
import type { InfoModel, InfoThreadModel } from './info-model.ts';
import { identifyThread } from './thread-identity.ts';

export function buildInfo(
  context: TraceContext,
  summary: EventSummary,
  threads: ThreadEvents,
  toolVersion: string,
): InfoModel {
  const cpus = [...threads.cpus.keys()].filter((cpu) => cpu !== NO_CPU && threads.cpus[cpu]);
  return {
    schema: 'kvmtrace.info',
    schemaVersion: 1,
    tool: { name: 'kvmtrace', version: toolVersion },
    capture: buildCapture(context, summary, context.defaultIsa ? [isaName(context.defaultIsa)] : []),
    enabledEvents: context.enabledEvents ? [...context.enabledEvents].sort() : null,
    cpus: cpus.length > 0 || summary.events === 0 ? cpus : null,
    threads: buildThreads(context, threads),
    warnings: buildWarnings(context),
    notes: buildNotes(summary),
  };
}

function buildThreads(context: TraceContext, threads: ThreadEvents): InfoThreadModel[] {
  const list: InfoThreadModel[] = [];
  for (let slot = 0; slot < threads.slots.count; slot++) {
    if (!threads.isVcpu[slot]) continue;
    list.push({
      ...identifyThread(context, {
        tid: threads.slots.tids[slot],
        pid: threads.pid[slot],
        vcpu: threads.vcpu[slot],
      }),
      events: threads.events[slot],
      exits: threads.exits[slot],
    });
  }
  return list.sort((a, b) => b.events - a.events || a.tid - b.tid);
}

function buildNotes(summary: EventSummary): string[] {
  const missing = [
    [EV_EXIT, 'kvm_exit'],
    [EV_ENTRY, 'kvm_entry'],
    [EV_USERSPACE_EXIT, 'kvm_userspace_exit'],
  ] as const;
  return missing
    .filter(([code]) => summary.counts[code] === 0)
    .map(([, name]) => `${name} does not occur in this recording.`);
}
