/** The ACPI PM timer is emulated in user space. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** PMBASE + 8 as the firmware sets it (isa/port-names.ts): 0x608 under SeaBIOS and, on q35, OVMF; 0xb008 on pc under OVMF. */
const isPmTimer = (port: number) => (port >= 0x608 && port <= 0x60b) || (port >= 0xb008 && port <= 0xb00b);

export const pmTimer: Rule = {
  id: 'pm-timer',
  title: 'The guest reads the ACPI PM timer',
  fix: 'A clock source that needs no exit: tsc or kvm-clock in Linux (/sys/devices/system/clocksource/clocksource0/current_clocksource; dmesg tells why tsc was given up), hv-time for Windows.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/timekeeping.html',
  applies: (facts) => {
    const found = facts.accesses('port', isPmTimer, false);
    return matters(found) ? evidence(found) : null;
  },
};
