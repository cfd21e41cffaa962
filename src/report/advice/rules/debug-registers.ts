/** Debug registers: a debugger, or watchpoints that were left on. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const IDS = [
  'vmx:29',
  ...Array.from({ length: 16 }, (_, i) => [`svm:${0x20 + i}`, `svm:${0x30 + i}`]).flat(),
];

export const debugRegisters: Rule = {
  id: 'debug-registers',
  title: 'The guest accesses debug registers',
  fix: 'A debugger, hardware breakpoints or perf in the guest, or a debugger attached to the VM: end it if it is not needed.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#kvm-set-guest-debug',
  applies: (facts) => {
    const found = facts.reasons(...IDS);
    return matters(found) ? evidence(found) : null;
  },
};
