/** A guest that speaks Hyper-V's language and still uses emulated clocks. */
import { describe, evidence, LEAST_EXITS, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const isHyperV = (msr: number) => msr >= 0x40000000 && msr <= 0x400001ff;
const isClockPort = (port: number) =>
  port === 0x70 || port === 0x71 || (port >= 0x608 && port <= 0x60b) || (port >= 0xb008 && port <= 0xb00b);

export const hyperV: Rule = {
  id: 'hyper-v',
  title: 'The guest knows Hyper-V interfaces and still uses emulated clocks',
  fix: 'Complete the Hyper-V enlightenments: hv-time (with a stable TSC of the host no exit per reading), hv-stimer and hv-synic (timers without RTC and HPET), hv-vapic, hv-frequencies; hv-passthrough in tests shows what is to be gained.',
  reference: 'https://www.qemu.org/docs/master/system/i386/hyperv.html',
  applies: (facts) => {
    const known = facts.msrs(isHyperV);
    if (known === null || known.exits < LEAST_EXITS) return null;
    const clocks = [
      facts.accesses('port', isClockPort),
      facts.accesses('mmio', (address) => address >= 0xfed00000 && address < 0xfed00400),
    ].find((group) => matters(group));
    return clocks ? evidence(clocks, describe(known, 'Hyper-V MSRs')) : null;
  },
};
