/** What every report for people says in words beside the same figures: the legend of exits, how many went to user space. */

import { largest } from '../core/lists.ts';
import { formatCount, formatNs, formatRatio, plural, UNKNOWN_CELL } from '../core/units.ts';
import type { EscalationModel, ReportModel } from './model.ts';
import { IDLE_MARK } from './tables.ts';

/** Marks and columns of the exits' table; `userColumn`: its title for the share of user space, null: not shown. */
export function reasonsLegend(model: ReportModel, userColumn: string | null): string[] {
  const { reasons, escalation } = model;
  const error = largest(reasons, 0, (row) => row.percentileErrorPct);
  return [
    ...(reasons.some((row) => row.idle) ? [`${IDLE_MARK} mostly the guest's own idling`] : []),
    ...(escalation.known && userColumn !== null ? [`${userColumn}: share that went on to user space`] : []),
    ...(!escalation.known || reasons.some((row) => row.totalNs === null)
      ? [`${UNKNOWN_CELL} not recorded`]
      : []),
    ...(error > 0 ? [`percentiles within ${error.toFixed(1)}%`] : []),
  ];
}

/** Why there are no figures of escalations; null: there are. */
export function whyNoEscalations({ escalation, qemu, capture }: ReportModel): string | null {
  if (!escalation.known)
    return [
      escalation.unknownBecause,
      ...(qemu ? ["What QEMU says of them is under QEMU's side."] : []),
      ...((capture.events.kvm_userspace_exit ?? 0) > 0
        ? ['--view kvm_stat counts those of the recording by KVM_EXIT reason.']
        : []),
    ].join(' ');
  return escalation.exits === 0 ? 'No exits, so none went to user space.' : null;
}

/** How many exits went to user space and how long they took. */
export function escalationFacts(data: EscalationModel): string[] {
  return [
    data.exits === null
      ? `${formatCount(data.escalated)} escalations`
      : `${formatCount(data.escalated)} of ${plural(data.exits, 'exit')} (${formatRatio(data.ratio)})`,
    ...(data.restarts === null ? [] : [`${plural(data.restarts, 'restart')} (signals, kicks)`]),
    ...(data.errors ? [plural(data.errors, 'error')] : []),
    ...(data.kernelNs === null ? [] : [`in kernel ${formatNs(data.kernelNs)}`]),
    ...(data.userspaceNs === null ? [] : [`in user space ${formatNs(data.userspaceNs)}`]),
  ];
}
