/** Polling for the end of halts that did not come: CPU time of the host for nothing. */
import { formatNs, formatPct, plural } from '../../../core/units.ts';
import { LEAST_EXITS } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** Of the vCPU threads' time, percent. */
const LEAST_COST_PCT = 1;

export const haltPolling: Rule = {
  id: 'halt-polling',
  title: 'KVM polls in vain for the end of halts',
  fix: 'A smaller halt_poll_ns of the kvm module (0 switches polling off), or a window that shrinks faster: it is divided by halt_poll_ns_shrink, 0 lets it start anew; section halt-polling shows what other values would have done. Guests that poll themselves (cpuidle-haltpoll) make KVM polling superfluous.',
  reference: 'https://docs.kernel.org/virt/kvm/halt-polling.html',
  applies: ({ model, vcpuSeconds }) => {
    const total = model.haltPolling?.total ?? null;
    if (total === null || total.failedPolls === null || total.failedPollNs === null) return null;
    const { failedPolls, failedPollNs, halts } = total;
    const pct = vcpuSeconds === null ? null : Number(failedPollNs) / 1e7 / vcpuSeconds;
    if (failedPolls < LEAST_EXITS || pct === null || pct < LEAST_COST_PCT) return null;
    return {
      words: [
        `${plural(failedPolls, 'poll')} of ${plural(halts, 'halt')} ended without a wakeup, after ${formatNs(failedPollNs)} at most: ${formatPct(pct)} of the vCPU threads' time.`,
      ],
      ns: failedPollNs,
    };
  },
};
