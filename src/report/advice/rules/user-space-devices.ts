/** Escalations to user space are a large part, and devices are behind them. */
import { plainText } from '../../../core/plain-text.ts';
import { formatCount, formatNs, formatPct, plural } from '../../../core/units.ts';
import { LEAST_EXITS } from '../facts.ts';
import type { Rule } from '../rule.ts';

const LEAST_ESCALATED_PCT = 20;

export const userSpaceDevices: Rule = {
  id: 'user-space-devices',
  title: 'Device accesses go to user space',
  fix: 'Depends on the device behind the address. Emulated disks and network cards: virtio instead, with ioeventfd and vhost, so that KVM hands kicks on itself. PCI configuration: only while a guest boots or probes. Section devices lists all of them.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#kvm-ioeventfd',
  applies: ({ model }) => {
    const { devices, busyTotals } = model;
    const escalated = busyTotals.escalated ?? 0;
    const pct = busyTotals.exits > 0 ? (100 * escalated) / busyTotals.exits : 0;
    if (!devices?.known || escalated < LEAST_EXITS || pct < LEAST_ESCALATED_PCT) return null;
    const rows = devices.rows
      .filter((row) => (row.escalated ?? 0) > 0)
      .sort((a, b) => b.escalated! - a.escalated!);
    if (rows.length === 0) return null;
    const known = rows.every((row) => row.userspaceNs !== null);
    const userNs = known ? rows.reduce((sum, row) => sum + Number(row.userspaceNs), 0) : null;
    const top = rows
      .slice(0, 3)
      .map(
        (row) =>
          `${row.kind} ${row.address}${row.device ? ` (${plainText(row.device)})` : ''} ${row.direction} ${formatCount(row.escalated)}`,
      );
    return {
      words: [
        `${formatCount(escalated)} of ${plural(busyTotals.exits, 'exit')} (${formatPct(pct)}) went on to user space${userNs === null ? '' : `, those of devices for ${formatNs(userNs)}`}.`,
        `Most often: ${top.join('; ')}.`,
      ],
      ns: userNs,
    };
  },
};
