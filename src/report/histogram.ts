/** Log2 histograms with stars, in the shape that users of bcc and KVM BPF Tools know. */
import { plainText } from '../core/plain-text.ts';
import { formatCount, formatNsCell, plural } from '../core/units.ts';
import type { ReasonModel, ReportModel } from './model.ts';
import type { Style } from './style.ts';
import { displayWidth, truncate } from './table.ts';

const MOST_STARS = 40;

function label(row: ReasonModel): string {
  const keys = ['vm', 'pid', 'vcpu', 'tid', 'cpu', 'level'] as const;
  const group = keys.flatMap((key) => (row[key] === undefined ? [] : [`${key} ${row[key] ?? '-'}`]));
  return plainText([row.name, ...group].join(', '));
}

/** One histogram per row of the report that has one. */
export function histogramLines(model: ReportModel, width: number, style: Style): string[] {
  const lines = [style.bold('Histograms of the time from exit to entry')];
  const rows = model.reasons.filter((row) => row.histogram.some((bucket) => bucket.count > 0));
  if (rows.length === 0) lines.push('  None: no paired exits with durations.');
  for (const row of rows) lines.push('', ...reasonHistogram(row, width));
  return lines;
}

function reasonHistogram(row: ReasonModel, width: number): string[] {
  const ranges = row.histogram.map(
    ({ loNs, hiNs }) => `${formatNsCell(loNs).padStart(8)} .. ${formatNsCell(hiNs)}`,
  );
  const rangeWidth = Math.max(...ranges.map(displayWidth));
  const counts = row.histogram.map((bucket) => formatCount(bucket.count));
  const countWidth = Math.max(5, ...counts.map((count) => count.length));
  const stars = Math.max(10, Math.min(MOST_STARS, width - rangeWidth - countWidth - 8));
  const highest = Math.max(...row.histogram.map((bucket) => bucket.count));
  const title = truncate(`${label(row)}: ${plural(row.paired, 'paired exit')}`, width - 2);
  return [
    `  ${title}`,
    ...row.histogram.map((bucket, i) => {
      // What is not nothing shows at least one star.
      const length = bucket.count === 0 ? 0 : Math.max(1, Math.round((stars * bucket.count) / highest));
      return `  ${ranges[i].padStart(rangeWidth)}  ${counts[i].padStart(countWidth)}  |${'*'.repeat(length).padEnd(stars)}|`;
    }),
  ];
}
