/** perf stat -e 'kvm:*': how often each event was recorded. Events that were not switched on have no line. */
import { plainText } from '../../core/plain-text.ts';
import { formatCount } from '../../core/units.ts';
import { kvmEventCounts } from './event-counts.ts';
import { lines, notRecorded, unapplied, type View } from './view.ts';

export const perfStatView: View = {
  name: 'perf-stat',
  tool: "perf stat -e 'kvm:*'",
  by: () => [],
  passes: () => [],
  render: (input) => {
    const counts = kvmEventCounts(input);
    if (counts.length === 0) return notRecorded('events of KVM');
    const { durationNs, sources } = input.model.capture;
    return lines([
      '',
      ` Performance counter stats for '${sources.map(({ path }) => plainText(path)).join("', '")}':`,
      '',
      ...counts.map(([name, count]) => `${formatCount(count).padStart(18)}      kvm:${plainText(name)}`),
      '',
      ...(durationNs === null
        ? []
        : [`${(Number(durationNs) / 1e9).toFixed(9).padStart(18)} seconds time elapsed`, '']),
      ...unapplied(input, [], '. Events are counted over the whole recording.'),
    ]);
  },
};
