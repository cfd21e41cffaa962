/** Accesses that user space answers are a large part, and the events that name the devices were not recorded. */
import { formatCount, formatNs, formatPct, plural } from '../../../core/units.ts';
import { LEAST_EXITS } from '../facts.ts';
import type { Rule } from '../rule.ts';

const LEAST_PCT = 20;
/** KVM_EXIT_* of accesses, and the events that say what was accessed. */
const NAMED_BY: Readonly<Record<string, readonly string[]>> = {
  KVM_EXIT_IO: ['kvm_pio'],
  KVM_EXIT_MMIO: ['kvm_mmio', 'kvm_fast_mmio'],
};

export const unnamedDevices: Rule = {
  id: 'unnamed-devices',
  title: 'Device accesses go to user space, and the recording does not tell which devices',
  fix: 'Record the events that hold ports and addresses as well: kvmtrace record --detail, or -e kvm:kvm_pio -e kvm:kvm_mmio with perf record and trace-cmd record. The report then shows who answers them, and how long each took. Until then section hotspots shows where in the guest the accesses come from.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#the-kvm-run-structure',
  applies: ({ model }) => {
    const { busyTotals, capture, escalation } = model;
    // QEMU's memory regions are devices with their names.
    if (model.qemu?.devices) return null;
    const rows = escalation.byUserspaceReason.filter(
      ({ name }) => NAMED_BY[name]?.every((event) => (capture.events[event] ?? 0) === 0) === true,
    );
    const accesses = rows.reduce((sum, { count }) => sum + count, 0);
    const pct = busyTotals.exits > 0 ? Math.min(100, (100 * accesses) / busyTotals.exits) : 0;
    if (accesses < LEAST_EXITS || pct < LEAST_PCT) return null;
    const known = rows.every(({ userspaceNs }) => userspaceNs !== null);
    const ns = known ? rows.reduce((sum, { userspaceNs }) => sum + Number(userspaceNs), 0) : null;
    return {
      words: [
        `${rows.map(({ name, count }) => `${name} ${formatCount(count)}`).join(', ')}, of ${plural(busyTotals.exits, 'exit')} (${formatPct(pct)})${ns === null ? '' : `: ${formatNs(ns)} in user space`}.`,
      ],
      ns,
    };
  },
};
