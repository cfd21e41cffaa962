/** Physical interrupts take the CPU out of the guest. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const hostInterrupts: Rule = {
  id: 'host-interrupts',
  title: 'Physical interrupts cause a large part of the exits',
  fix: 'Some are for the guest itself (its timer, kicks by other vCPUs, its devices). Keep the others off the CPUs of vCPUs: IRQ affinity (/proc/irq/*/smp_affinity, irqbalance banned CPUs), nohz_full and isolated CPUs for the host tick, posted interrupts (x86) or GICv4 (arm64) for assigned devices. On Intel, --section detail shows the vectors.',
  reference: 'https://docs.kernel.org/core-api/irq/irq-affinity.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:1', 'svm:96', 'arm64:IRQ');
    return matters(found, 20) ? evidence(found) : null;
  },
};
