/**
 * kvmexitaarch64: exits and mean handling time per thread. The tool looks at esr_ec only, so that what is no TRAP
 * (IRQ, SError: the class is 0 there) shows as UNKNOWN_EC, and it divides the time of pairs by all exits; here such
 * exits have their own names and the mean is over pairs. Classes keep the tool's EC_ prefix.
 */
import { plainText } from '../../core/plain-text.ts';
import { columns, lines, type View, withoutExits } from './view.ts';

const WIDTHS = [-8, -8, -16, -16, -8, -12];

export const kvmexitaarch64View: View = {
  name: 'kvmexitaarch64',
  tool: 'kvmexitaarch64',
  by: () => ['vm', 'tid', 'reason'],
  follows: ['vm', 'tid'],
  passes: () => [],
  render: (input) => {
    const missing = withoutExits(input);
    if (missing !== null) return missing;
    const { model, context } = input;
    const rows = [...model.reasons].sort(
      (a, b) =>
        (a.pid ?? -1) - (b.pid ?? -1) || (a.tid ?? -1) - (b.tid ?? -1) || (a.code ?? -1) - (b.code ?? -1),
    );
    return lines([
      columns(WIDTHS, ['TGID', 'TID', 'COMM', 'KVM_EXIT_REASON', 'COUNT', 'AVG_TIME']),
      ...rows.map((row) => {
        const comm = row.tid == null ? null : (context.threads.byTid.get(row.tid)?.comm ?? null);
        const average =
          row.totalNs === null || row.paired === 0 ? '-' : (Number(row.totalNs) / row.paired).toFixed(1);
        const name = row.isa === 'arm64' && row.code !== null ? `EC_${row.name}` : row.name;
        return columns(WIDTHS, [
          row.pid ?? '-',
          row.tid ?? '-',
          plainText(comm ?? '-'),
          name,
          row.exits,
          average,
        ]);
      }),
    ]);
  },
};
