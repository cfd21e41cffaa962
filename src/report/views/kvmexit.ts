/** bcc's kvmexit: counts of exits. Layouts of -p, -p -v, -p -a (here --by tid), -t, -T and of all threads. */
import { plainText } from '../../core/plain-text.ts';
import { otherFilters } from '../filters.ts';
import type { GroupKey, ReasonModel, ReportModel } from '../model.ts';
import { columns, lines, type View, type ViewOptions, withoutExits } from './view.ts';

type Layout = 'all' | 'collapsed' | 'threads';

function layoutOf({ pids, tids, vcpus, by }: ViewOptions): Layout {
  if (tids !== null) return tids.length === 1 ? 'collapsed' : 'threads';
  if (pids?.length !== 1) return 'all';
  return by.includes('tid') && vcpus === null ? 'threads' : 'collapsed';
}

function contextOf({ pids, tids, vcpus, by }: ViewOptions): string {
  if (tids !== null)
    return tids.length === 1 ? `TID ${tids[0]}` : `TIDS [${tids.map((tid) => `'${tid}'`).join(', ')}]`;
  if (pids === null) return 'all threads';
  if (pids.length > 1) return `PIDS ${pids.join(', ')}`;
  if (vcpus !== null) return `PID ${pids[0]} VCPU ${vcpus.join(',')}`;
  return `PID ${pids[0]}${by.includes('tid') ? ' and its all threads' : ''}`;
}

/** Filters that the tool does not have: of the recorded time, it may be a part that was counted. */
function onlyOf({ selection }: ReportModel): string {
  const filters = otherFilters(selection, ['pid', 'tid', 'vcpu']);
  return filters.length === 0 ? '' : `; only ${plainText(filters.join('; '))}`;
}

/** In the order of the tool's table: reasons by number in a thread. */
function byThread(a: ReasonModel, b: ReasonModel): number {
  return (a.pid ?? -1) - (b.pid ?? -1) || (a.tid ?? -1) - (b.tid ?? -1) || (a.code ?? -1) - (b.code ?? -1);
}

export const kvmexitView: View = {
  name: 'kvmexit',
  tool: 'bcc kvmexit',
  by: (options): GroupKey[] => (layoutOf(options) === 'collapsed' ? [] : ['vm', 'tid', 'reason']),
  follows: ['vm', 'tid'],
  passes: () => [],
  render: (input, options) => {
    const missing = withoutExits(input);
    if (missing !== null) return missing;
    const { model } = input;
    const layout = layoutOf(options);
    const seconds = model.capture.durationNs === null ? null : Number(model.capture.durationNs) / 1e9;
    const head = `Display kvm exit reasons and statistics for ${contextOf(options)}${seconds === null ? '' : `, recorded over ${seconds.toFixed(3)} secs`}${onlyOf(model)}.`;
    // Counts sorted in one list; with several threads thread by thread, as the tool can do no better.
    const rows = layout === 'collapsed' ? model.reasons : [...model.reasons].sort(byThread);
    const widths = { all: [-8, -8, -35, -8], threads: [-8, -35, -8], collapsed: [-35, -8] }[layout];
    const title = {
      all: ['PID', 'TID', 'KVM_EXIT_REASON', 'COUNT'],
      threads: [options.tids === null ? 'TID' : 'TIDS', 'KVM_EXIT_REASON', 'COUNT'],
      collapsed: ['KVM_EXIT_REASON', 'COUNT'],
    }[layout];
    return lines([
      head,
      columns(widths, title),
      ...rows.map((row) =>
        columns(widths, [
          ...(layout === 'all' ? [row.pid ?? '-'] : []),
          ...(layout === 'collapsed' ? [] : [row.tid ?? '-']),
          row.name,
          row.exits,
        ]),
      ),
    ]);
  },
};
