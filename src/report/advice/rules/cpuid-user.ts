/** CPUID always exits; programs that ask again and again pay for it, and firmware while it waits. */

import { formatPct } from '../../../core/units.ts';
import type { ReasonModel } from '../../model.ts';
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const cpuidUser: Rule = {
  id: 'cpuid-user',
  title: 'CPUID is executed often at addresses of the user half',
  fix: 'CPUID always leaves the guest. Section hotspots shows where. Many programs ask once per start of a process (dynamic loader, libraries with several code paths), some execute it in a loop as a barrier, where a fence may do. Firmware, boot loaders and 32-bit kernels have such addresses as well: there it ends with the boot.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/cpuid.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:10', 'svm:114');
    if (!matters(found)) return null;
    const kernelPct = kernelPctOf(facts.rows('vmx:10', 'svm:114'));
    if (kernelPct === null || kernelPct >= 50) return null;
    return evidence(found, `${formatPct(100 - kernelPct)} of their time is of exits at such addresses.`);
  },
};

/** Of the time of all rows (several with --by) whose guest addresses are known. */
function kernelPctOf(rows: readonly ReasonModel[]): number | null {
  let [kernel, whole] = [0, 0];
  for (const { guestKernelTimePct, totalNs } of rows)
    if (guestKernelTimePct !== null) {
      kernel += guestKernelTimePct * Number(totalNs);
      whole += Number(totalNs);
    }
  return whole === 0 ? null : kernel / whole;
}
