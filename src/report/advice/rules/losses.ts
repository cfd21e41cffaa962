/** Events were lost while recording. */

import { formatPct, plural } from '../../../core/units.ts';
import { describeLost } from '../../trust.ts';
import type { Rule } from '../rule.ts';

export const losses: Rule = {
  id: 'losses',
  title: 'The recording has gaps',
  fix: 'Larger buffers (kvmtrace record -b, perf record -m, trace-cmd record -b), fewer events, or only one VM (-p); writing to a fast disk or to memory. Counts are too low by what was lost; exits next to a gap have no time.',
  reference: 'https://docs.kernel.org/trace/ftrace.html',
  applies: ({ model }) => {
    const { lost } = model.capture;
    const { invalidatedByLoss } = model.quality;
    if (lost.events === 0 && lost.regions === 0) return null;
    return {
      words: [
        `Lost in ${plural(lost.regions, 'gap')}, ${formatPct(lost.affectedPct)} of the CPUs' time: ${describeLost(lost)}${invalidatedByLoss > 0 ? `; ${plural(invalidatedByLoss, 'exit')} next to them` : ''}.`,
      ],
      ns: null,
    };
  },
};
