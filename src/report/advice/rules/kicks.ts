/** KVM_RUN is interrupted by signals. */
import { formatCount, formatPct, plural } from '../../../core/units.ts';
import { LEAST_EXITS, LEAST_PCT } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const kicks: Rule = {
  id: 'kicks',
  title: 'User space interrupts the vCPUs',
  fix: 'QEMU kicks vCPUs by a signal when its own threads need them: an emulated interrupt controller (kernel-irqchip=off), many monitor or QMP commands, dirty-rate or migration work. With kernel-irqchip=on and irqfd interrupts need no kick.',
  reference: 'https://docs.kernel.org/virt/kvm/vcpu-requests.html',
  applies: ({ model }) => {
    const { restarts, exits } = model.totals;
    if (restarts === null || restarts < LEAST_EXITS || 100 * restarts < LEAST_PCT * exits) return null;
    return {
      words: [
        `${formatCount(restarts)} of ${plural(exits, 'exit')} (${formatPct((100 * restarts) / exits)}) returned from KVM_RUN because of a signal.`,
      ],
      ns: null,
    };
  },
};
