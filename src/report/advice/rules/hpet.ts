/** The HPET is emulated in user space: reading time from it is an escalation each. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const hpet: Rule = {
  id: 'hpet',
  title: 'The guest uses the HPET',
  fix: 'A clock source that needs no exit: tsc or kvm-clock in Linux (/sys/devices/system/clocksource/clocksource0/current_clocksource), hv-time and hv-stimer for Windows. -machine hpet=off takes the HPET away.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/timekeeping.html',
  applies: (facts) => {
    const found = facts.accesses('mmio', (address) => address >= 0xfed00000 && address < 0xfed00400);
    return matters(found) ? evidence(found) : null;
  },
};
