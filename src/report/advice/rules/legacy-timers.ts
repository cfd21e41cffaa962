/** RTC and PIT: clocks of old, emulated. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const isLegacyTimer = (port: number) =>
  port === 0x70 || port === 0x71 || (port >= 0x40 && port <= 0x43) || port === 0x61;

export const legacyTimers: Rule = {
  id: 'legacy-timers',
  title: 'The guest uses the RTC or the PIT',
  fix: 'A guest that boots does this for a while to calibrate its clocks. In a guest that is up: another clock source (tsc, kvm-clock), for Windows hv-time and hv-stimer, whose periodic timer then replaces the RTC.',
  reference: 'https://www.qemu.org/docs/master/system/i386/hyperv.html',
  applies: (facts) => {
    const found = facts.accesses('port', isLegacyTimer);
    return matters(found) ? evidence(found) : null;
  },
};
