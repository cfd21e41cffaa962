/**
 * Halts that end almost at once: going to sleep and waking up cost more than they save. A halt that is handed to the L1
 * hypervisor is over for this host when L1 enters: it is none, and as short as any.
 */

import { formatCount, formatNs, formatPct } from '../../../core/units.ts';
import { LEAST_EXITS } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** Default of halt_poll_ns on x86 and of guest_halt_poll_ns: 200 us; the next bucket limit below. */
const SHORT_NS = 131_072;
const LEAST_SHARE = 0.3;

export const shortHalts: Rule = {
  id: 'short-halts',
  title: 'Many halts end almost at once',
  fix: 'Where latency matters more than CPU time of the host: cpuidle-haltpoll in a Linux guest (the vCPU polls before it halts, which saves the exit), or a larger halt_poll_ns of the kvm module on the host. On CPUs given to one vCPU alone, -overcommit cpu-pm=on lets it idle without exits. Polling burns CPU time that other VMs may want.',
  reference: 'https://docs.kernel.org/virt/guest-halt-polling.html',
  applies: ({ model, vcpuSeconds }) => {
    const rows = model.reasons.filter(({ idle }) => idle);
    const reflected = rows.reduce((sum, row) => sum + row.levels['L2-reflected'], 0);
    const paired = rows.reduce((sum, row) => sum + row.paired, 0) - reflected;
    const short =
      rows
        .flatMap(({ histogram }) => histogram)
        .reduce((sum, { hiNs, count }) => (hiNs < SHORT_NS ? sum + count : sum), 0) - reflected;
    if (short < LEAST_EXITS || short < LEAST_SHARE * paired) return null;
    const rate =
      vcpuSeconds === null ? '' : `, ${formatCount(Math.round(short / vcpuSeconds))} per second and vCPU`;
    return {
      words: [
        `${formatCount(short)} of ${formatCount(paired)} idle exits (${formatPct((100 * short) / paired)}${rate}) ended within ${formatNs(SHORT_NS)}.`,
      ],
      ns: null,
    };
  },
};
