/** The guest sets its timer again and again: TSC deadline, and the exits by which it fires. */
import { plural } from '../../../core/units.ts';
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const IA32_TSC_DEADLINE = 0x6e0;

export const timerExits: Rule = {
  id: 'timer-exits',
  title: 'Timers of the guest cause a large part of the exits',
  fix: 'Fewer timer interrupts in the guest: a tickless kernel (NO_HZ_IDLE, NO_HZ_FULL on isolated CPUs), a lower CONFIG_HZ, and a look for programs with short sleeps or high-resolution timers. Each setting of the TSC deadline leaves the guest, and so do most timers that fire.',
  reference: 'https://docs.kernel.org/timers/no_hz.html',
  applies: (facts) => {
    const deadline = facts.msrs((msr) => msr === IA32_TSC_DEADLINE, 'write');
    const fired = facts.reasons('vmx:52');
    const found = matters(deadline, 10) ? deadline : matters(fired, 10) ? fired : null;
    if (found === null) return null;
    const other = found === deadline ? fired : null;
    return evidence(
      found,
      other === null ? null : `Timers that fired: ${plural(other.exits, 'exit')} by the preemption timer.`,
    );
  },
};
