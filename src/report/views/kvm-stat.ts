/**
 * kvm_stat's table: Event, Total, %Total (of all events that are no children) and CurAvg/s, here the average over the
 * whole recording, with the children kvm_exit(REASON) and kvm_userspace_exit(REASON). %Total adds up events of
 * different kinds, as the tool does; a share of exits is the child's total by that of kvm_exit. On arm64 the tool takes
 * esr_ec of every exit, so that its kvm_exit(UNKNOWN) holds interrupts; here those have their own child.
 */
import { EV_USERSPACE_EXIT } from '../../core/events.ts';
import { plainText } from '../escape.ts';
import { kvmEventCounts } from './event-counts.ts';
import { lines, notRecorded, type View } from './view.ts';

export const kvmStatView: View = {
  name: 'kvm_stat',
  tool: 'kvm_stat',
  by: () => [],
  passes: () => [],
  render: (input) => {
    const { model, analysis } = input;
    const events = kvmEventCounts(input).filter(([, count]) => count > 0);
    if (events.length === 0) return notRecorded('events of KVM');
    const seconds = model.capture.durationNs === null ? 0 : Number(model.capture.durationNs) / 1e9;
    const total = events.reduce((sum, [, count]) => sum + count, 0);
    const children: [string, number][] = [
      ...model.reasons.map((row): [string, number] => [`kvm_exit(${row.name})`, row.exits]),
      // The kernel's own events: not what QEMU alone told.
      ...(analysis.summary.counts[EV_USERSPACE_EXIT] > 0
        ? model.escalation.byUserspaceReason.map((row): [string, number] => [
            `kvm_userspace_exit(${row.name.replace(/^KVM_EXIT_/, '')})`,
            row.count,
          ])
        : []),
    ];
    const rows = [...events, ...children].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const rate = (count: number) => (seconds > 0 ? String(Math.round(count / seconds)) : '').padStart(8);
    return lines([
      'kvm statistics - summary',
      '',
      ` ${'Event'.padEnd(40)} ${'Total'.padStart(10)}${'%Total'.padStart(7)} ${'CurAvg/s'.padStart(8)}`,
      ...rows.map(
        ([name, count]) =>
          ` ${plainText(name).padEnd(40)} ${String(count).padStart(10)}${((count * 100) / total).toFixed(1).padStart(7)} ${rate(count)}`,
      ),
      ` ${'Total'.padEnd(40)} ${String(total).padStart(10)}        ${rate(total)}`,
    ]);
  },
};
