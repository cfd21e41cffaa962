/** How long exits took: one log-scale histogram per reason, all on the same axis. */

import { formatCount, formatNs, formatNsShort, plural } from '../../core/units.ts';
import type { ReasonModel, ReportModel } from '../model.ts';
import { shownReason } from '../reason-identity.ts';
import { whyUnknown } from '../recorded.ts';
import { bottomAxis, chart } from '../svg/figure.ts';
import { fitHeatmap, heatmap } from '../svg/heatmap.ts';
import { histogram } from '../svg/histogram.ts';
import { linearScale, logScale, type Scale } from '../svg/scale.ts';
import { hasSeveralIsas } from '../tables.ts';
import { type Markup, markup } from './markup.ts';
import type { Part } from './part.ts';
import { countCell, dataTable, textCell, timeCell } from './table.ts';

/** Histograms on the page; the JSON and CSV reports have all. */
const MOST = 12;

function label(row: ReasonModel, showIsa: boolean): string {
  const keys = ['vm', 'vcpu', 'tid', 'cpu', 'level'] as const;
  const group = keys.flatMap((key) => (row[key] === undefined ? [] : [`${key} ${row[key] ?? '-'}`]));
  return [shownReason(row, showIsa), ...group].join(', ');
}

function distribution(row: ReasonModel, id: string, scale: Scale, name: string): Markup {
  const marks = [
    ...(row.p50Ns === null ? [] : [{ value: row.p50Ns, kind: 'p50' }]),
    ...(row.p99Ns === null ? [] : [{ value: row.p99Ns, kind: 'p99' }]),
  ];
  return markup`<div class="dist${row.idle && ' idlebars'}"><p><b>${name}</b>${formatCount(row.paired)} × · p50 ${formatNs(row.p50Ns)} · p99 ${formatNs(row.p99Ns)}</p>${histogram(
    {
      id,
      title: `Time from exit to entry: ${name}`,
      description: `${plural(row.paired, 'exit')}, from ${formatNs(row.minNs)} to ${formatNs(row.maxNs)}, half of them up to ${formatNs(row.p50Ns)}, 99% up to ${formatNs(row.p99Ns)}.`,
    },
    row.histogram,
    scale,
    marks,
  )}</div>`;
}

/** From the row starts to a scale that is even in rows, which are powers of two divided evenly. */
function rowScale(starts: readonly number[], first: number, last: number): Scale {
  return {
    ...logScale(Math.max(1, starts[first]), starts[last]),
    at: (value) => {
      let row = first;
      while (row < last - 1 && starts[row + 1] <= value) row++;
      const part = (value - starts[row]) / (starts[row + 1] - starts[row]);
      return (row - first + Math.max(0, Math.min(1, part))) / (last - first);
    },
  };
}

function heatmapFigure({ heatmap: data, capture }: ReportModel): Markup {
  const title = markup`<h3>Latency over time</h3>`;
  if (!data) return markup`${title}<p>Not recorded in this report.</p>`;
  if (!data.known) return markup`${title}<p>${whyUnknown(capture.timeIsNs, 'kvm_exit and kvm_entry')}</p>`;
  if (data.fromNs === null || data.cells.length === 0) return markup`${title}<p>None.</p>`;
  const first = Math.min(...data.cells.map(([, row]) => row));
  const last = Math.max(...data.cells.map(([, row]) => row)) + 1;
  const start = Number(data.fromNs - (capture.firstNs ?? data.fromNs)) / 1e9;
  const { data: shown, joined } = fitHeatmap({
    columns: data.columns,
    rows: last - first,
    cells: data.cells.map(([column, row, count]) => ({ column, row: row - first, count })),
  });
  const columnNs = data.columnNs * joined;
  const seconds = (shown.columns * columnNs) / 1e9;
  const highest = shown.cells.reduce((most, { count }) => Math.max(most, count), 0);
  return markup`${title}<figure><figcaption>Each cell is ${formatNsShort(columnNs)} of the recording; the stronger the colour, the more exits ended up there (log scale, up to ${formatCount(highest)}). Idle exits are among them.</figcaption>${heatmap(
    {
      id: 'c-heat',
      title: 'Time from exit to entry over the time of the recording',
      description: `${plural(data.cells.length, 'cell')} with exits, latencies from ${formatNsShort(data.rowStartsNs[first])} to ${formatNsShort(data.rowStartsNs[last])}. --format csv --table heatmap has the numbers.`,
    },
    shown,
    {
      x: linearScale(start, start + seconds, 8),
      y: rowScale(data.rowStartsNs, first, last),
      formatX: (value) => `${Number(value.toPrecision(6))} s`,
      formatY: formatNsShort,
      labelX: 'time since the first event',
    },
  )}</figure>`;
}

export const latencyPart: Part = {
  id: 'latency',
  title: 'How long exits took',
  render: (model: ReportModel) => {
    const rows = model.reasons
      .filter((row) => row.histogram.some(({ count }) => count > 0))
      .sort((a, b) => Number(b.totalNs) - Number(a.totalNs));
    if (rows.length === 0) return markup`<p>Not recorded: no paired exits with durations.</p>`;
    const shown = rows.slice(0, MOST);
    const buckets = shown.flatMap((row) => row.histogram.filter(({ count }) => count > 0));
    const scale = logScale(
      Math.max(1, Math.min(...buckets.map(({ loNs }) => loNs))),
      Math.max(...buckets.map(({ hiNs }) => hiNs + 1)),
    );
    const showIsa = hasSeveralIsas(model);
    return markup`<p class="note">Log scale; each bar is one power of two, its height relative to the fullest one of its row. Black or white line: median; orange line: 99th percentile. The costliest reasons come first.</p>
<figure>${shown.map((row, i) => distribution(row, `c-lat${i}`, scale, label(row, showIsa)))}<div class="dist"><p></p>${chart(
      {
        id: 'c-lataxis',
        title: 'Axis of the histograms',
        description: 'Time from exit to entry, logarithmic.',
      },
      0,
      36,
      bottomAxis(scale, 0, formatNsShort, 'time from exit to entry'),
      'flat',
    )}</div></figure>${
      rows.length > shown.length &&
      markup`<p class="note">… and ${formatCount(rows.length - shown.length)} more rows in --format json and --table histogram.</p>`
    }${dataTable(
      'The histograms as a table',
      [
        { title: 'reason' },
        { title: 'from', number: true },
        { title: 'to', number: true },
        { title: 'exits', number: true },
      ],
      shown.flatMap((row) =>
        row.histogram
          .filter(({ count }) => count > 0)
          .map(({ loNs, hiNs, count }) => [
            textCell(label(row, showIsa)),
            timeCell(loNs),
            timeCell(hiNs),
            countCell(count),
          ]),
      ),
    )}${heatmapFigure(model)}`;
  },
};
