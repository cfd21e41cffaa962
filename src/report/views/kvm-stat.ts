/**
 * kvm_stat's table: Event, Total, %Total (of all events that are no children) and CurAvg/s, here the average over the
 * whole recording, with the children kvm_exit(REASON) and kvm_userspace_exit(REASON). %Total adds up events of
 * different kinds, as the tool does; a share of exits is the child's total by that of kvm_exit. On arm64 the tool takes
 * esr_ec of every exit, so that its kvm_exit(UNKNOWN) holds interrupts; here those have their own child. So do events
 * of a KVM_RUN that failed, whose reason is a stale one: the tool counts them by that.
 */
import type { UserspaceEventsResult } from '../../analysis/userspace-events.ts';
import { plainText } from '../../core/plain-text.ts';
import { shortUserspaceName, userspaceExitName } from '../../isa/userspace-exits.ts';
import { kvmEventCounts } from './event-counts.ts';
import { lines, notRecorded, unapplied, type View } from './view.ts';

function userspaceChildren({ reasons, restarts, errors, others }: UserspaceEventsResult): [string, number][] {
  const named = reasons.map(({ code, events }): [string, number] => [
    shortUserspaceName(userspaceExitName(code)),
    events,
  ]);
  return [...named, ['restart', restarts] as const, ['error', errors] as const, ['others', others] as const]
    .filter(([, events]) => events > 0)
    .map(([name, events]) => [`kvm_userspace_exit(${name})`, events]);
}

export const kvmStatView: View = {
  name: 'kvm_stat',
  tool: 'kvm_stat',
  by: () => [],
  passes: () => [{ name: 'userspace-events', options: null }],
  render: (input) => {
    const { model, analysis } = input;
    const events = kvmEventCounts(input).filter(([, count]) => count > 0);
    if (events.length === 0) return notRecorded('events of KVM');
    const seconds = model.capture.durationNs === null ? 0 : Number(model.capture.durationNs) / 1e9;
    const total = events.reduce((sum, [, count]) => sum + count, 0);
    const children: [string, number][] = [
      ...model.reasons.map((row): [string, number] => [`kvm_exit(${row.name})`, row.exits]),
      ...userspaceChildren(analysis.passes['userspace-events'] as UserspaceEventsResult),
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
      ...unapplied(
        input,
        [],
        '. Only kvm_exit(…) and kvm_userspace_exit(…) are counts of what was chosen, all by the time of the whole recording.',
      ),
    ]);
  },
};
