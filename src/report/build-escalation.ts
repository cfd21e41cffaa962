/** Which exits went to user space: per exit reason and per KVM_EXIT reason. */
import type { AnalysisResult } from '../analysis/analyze.ts';
import { exactValue, toExact } from '../analysis/exact-sum.ts';
import { USERSPACE_REASONS } from '../analysis/exit-count-layout.ts';
import { groupKey } from '../analysis/exit-stats.ts';
import { KEY_CODE, KEY_ISA } from '../analysis/groups.ts';
import { EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../core/events.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { sum, sumExact } from './group-sums.ts';
import type { EscalationModel, Exact } from './model.ts';
import { orderBy } from './order.ts';
import { reasonIdentity } from './reason-identity.ts';
import { exitsOccurred, exitsRecorded, type Known, threadlessExits } from './recorded.ts';

/** Why it cannot be told which exits went to user space. */
export interface EscalationGap {
  readonly kind: 'not-recorded' | 'not-joined';
  /** A sentence. */
  readonly because: string;
}

const byIdentity = orderBy<{ isa: string; code: number | null; name: string }>('name', 'isa', 'code');

const notJoined = (why: string): EscalationGap => ({ kind: 'not-joined', because: `Not known: ${why}.` });

/** null: it can be told. */
export function escalationGap(context: TraceContext, analysis: AnalysisResult): EscalationGap | null {
  const { summary, stats, entries } = analysis;
  if (!exitsRecorded({ context, analysis }))
    return notJoined('no kvm_exit was recorded, so no exit can be joined with what went to user space');
  const recorded = summary.counts[EV_USERSPACE_EXIT];
  if (recorded > 0 && !exitsOccurred(analysis))
    return notJoined(
      'exits went to user space, but no kvm_exit was recorded that they could be joined with, though it was switched on',
    );
  if (recorded === 0 && entries.runExits === 0 && !context.enabledEvents?.has('kvm_userspace_exit'))
    return {
      kind: 'not-recorded',
      because:
        summary.markerCounts[EV_RUN_EXIT] + summary.counts[EV_RUN_EXIT] > 0
          ? 'Not recorded per exit: the capture has no kvm_userspace_exit events.'
          : 'Not recorded: the capture has neither kvm_userspace_exit events nor QEMU data. Recording kvm:kvm_userspace_exit as well would tell.',
    };
  const exits = sum(
    stats.exits,
    Array.from({ length: stats.groups.count }, (_, group) => group),
  );
  if (exits > 0 && threadlessExits(analysis) === exits)
    return notJoined(
      'no exit says in which thread it happened, so none can be joined with kvm_userspace_exit',
    );
  if (exits > 0 && recorded > 0 && entries.userspaceExits + entries.runExits === 0)
    return notJoined(
      'no kvm_userspace_exit says in which thread it happened, so none can be joined with an exit',
    );
  return null;
}

export function buildEscalation(
  context: TraceContext,
  analysis: AnalysisResult,
  groups: readonly number[],
  known: Known,
  gap: EscalationGap | null,
): EscalationModel {
  const { stats, userspace } = analysis;
  if (gap !== null)
    return {
      known: false,
      unknownBecause: gap.because,
      gap: gap.kind,
      exits: null,
      escalated: null,
      ratio: null,
      restarts: null,
      errors: null,
      kernelNs: null,
      userspaceNs: null,
      byReason: [],
      byUserspaceReason: [],
    };
  const time = (value: Exact) => (known.time ? value : null);
  const exits = sum(stats.exits, groups);
  const escalated = sum(stats.escalated, groups);
  // Groups of --by are brought together: escalation is shown per reason.
  const byReason = new Map<string, number[]>();
  for (const group of groups) {
    const key = `${groupKey(stats, group, KEY_ISA)}:${groupKey(stats, group, KEY_CODE)}`;
    const list = byReason.get(key);
    if (list) list.push(group);
    else byReason.set(key, [group]);
  }
  return {
    known: true,
    unknownBecause: null,
    gap: null,
    exits,
    escalated,
    ratio: exits > 0 ? escalated / exits : null,
    restarts: sum(stats.restarts, groups),
    errors: sum(stats.errors, groups),
    kernelNs: time(toExact(sumExact(stats.kernelNs, groups))),
    userspaceNs: time(toExact(sumExact(stats.userspaceNs, groups))),
    byReason: [...byReason.values()]
      .map((members) => {
        const isa = groupKey(stats, members[0], KEY_ISA);
        const code = groupKey(stats, members[0], KEY_CODE);
        const all = sum(stats.exits, members);
        const part = sum(stats.escalated, members);
        return {
          ...reasonIdentity(context, isa, code),
          exits: all,
          escalated: part,
          ratio: part / all,
          kernelNs: time(toExact(sumExact(stats.kernelNs, members))),
          userspaceNs: time(toExact(sumExact(stats.userspaceNs, members))),
        };
      })
      .sort((a, b) => b.escalated - a.escalated || b.exits - a.exits || byIdentity(a, b)),
    byUserspaceReason: [...userspace.count.keys()]
      .filter((code) => userspace.count[code] > 0)
      .map((code) => ({
        code,
        name:
          code === USERSPACE_REASONS - 1 ? `${userspaceExitName(code)} and above` : userspaceExitName(code),
        count: userspace.count[code],
        userspaceNs: time(exactValue(userspace.userspaceNs, code)),
      }))
      .sort((a, b) => b.count - a.count || a.code - b.code),
  };
}
