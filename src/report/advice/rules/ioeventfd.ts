/** virtio queues that are kicked by way of user space. */

import { formatCount, plural } from '../../../core/units.ts';
import type { DeviceRowModel } from '../../build-devices.ts';
import { LEAST_EXITS, LEAST_PCT } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** virtio-mmio's QueueNotify register (virtio 1.2, 4.2.2): QEMU's arm64 machine has its devices from 0x0a000000 on. */
const isQueueNotify = (row: DeviceRowModel) =>
  row.kind === 'mmio' &&
  row.direction === 'write' &&
  row.device === 'virtio-mmio' &&
  Number(row.address) % 0x200 === 0x50;

export const ioeventfd: Rule = {
  id: 'ioeventfd',
  title: 'virtio queues are kicked by way of user space',
  fix: 'Let KVM signal the kick itself: ioeventfd=on of the virtio device (the default where it can be), an IOThread for block devices, vhost=on or vhost-user for network. Kicks then need no return of KVM_RUN.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#kvm-ioeventfd',
  applies: ({ model }) => {
    const { devices, totals } = model;
    if (!devices) return null;
    const kicks = devices.rows.filter(
      (row) => isQueueNotify(row) || (row.ioeventfd && row.direction === 'write'),
    );
    const escalated = kicks.reduce((sum, row) => sum + (row.escalated ?? 0), 0);
    if (escalated < LEAST_EXITS || 100 * escalated < LEAST_PCT * totals.exits) return null;
    const notified = devices.virtio.queueNotify;
    return {
      words: [
        `${formatCount(escalated)} of ${plural(totals.exits, 'exit')} are writes to queue notify registers that went on to user space.`,
        ...(notified === null ? [] : [`QEMU traced ${plural(notified, 'queue notification')} of its own.`]),
      ],
      // Of those that went on to user space, as the sentence: the others are how it should be.
      ns: kicks.every((row) => row.kernelNs !== null && row.userspaceNs !== null)
        ? kicks.reduce((sum, row) => sum + Number(row.kernelNs) + Number(row.userspaceNs), 0)
        : null,
    };
  },
};
