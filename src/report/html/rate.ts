/** How many exits per second over the time of the recording, with what stands out. */

import { formatCount, formatNs, formatNsShort, formatOffset } from '../../core/units.ts';
import type { IntervalFigures } from '../build-intervals.ts';
import type { RateOfModel } from '../build-storms.ts';
import type { ReportModel } from '../model.ts';
import { whyUnknown } from '../recorded.ts';
import { linearScale } from '../svg/scale.ts';
import { series } from '../svg/series.ts';
import { type Markup, markup } from './markup.ts';
import type { Part } from './part.ts';
import { sectionBlocks } from './sections.ts';
import { countCell, dataTable, timeCell } from './table.ts';

/** Rows of the table below the chart. */
const MOST_ROWS = 50;
/** Bursts and changes drawn; the tables have all. */
const MOST_MARKS = 100;
/** Values of the chart. */
const MOST_VALUES = 1_000_000;
/** A rate of so short an interval at the end is no rate: one exit would be a storm. */
const LEAST_LENGTH = 0.5;

function ofWords(of: RateOfModel): string {
  if (of.of === 'reason') return of.name ?? 'one reason';
  if (of.of === 'thread') return of.vcpu === null ? `tid ${of.tid}` : `vCPU ${of.vcpu}`;
  return 'all exits';
}

/** Rates by interval from the first on, 0 where there was no exit; so many intervals as one that none is too many. */
function rates(
  totals: readonly IntervalFigures[],
  intervalNs: number,
): { values: number[]; widthNs: number } {
  const first = totals[0].fromNs;
  const indexOf = (row: IntervalFigures) => Number((row.fromNs - first) / BigInt(intervalNs));
  const count = indexOf(totals[totals.length - 1]) + 1;
  const joined = Math.ceil(count / MOST_VALUES);
  const widthNs = joined * intervalNs;
  const values = new Array<number>(Math.ceil(count / joined)).fill(0);
  for (const row of totals)
    if (joined > 1) values[Math.floor(indexOf(row) / joined)] += (row.exits * 1e9) / widthNs;
    else if (row.perSecond !== null && row.lengthNs >= LEAST_LENGTH * widthNs)
      values[indexOf(row)] = row.perSecond;
    else values[indexOf(row)] = Number.NaN;
  return { values: Number.isNaN(values[values.length - 1]) ? values.slice(0, -1) : values, widthNs };
}

function rateChart({ intervals, storms, capture }: ReportModel): Markup | null {
  if (!intervals?.known || intervals.totals.length < 2) return null;
  const { totals } = intervals;
  const { values, widthNs } = rates(totals, intervals.widthNs);
  const origin = capture.firstNs ?? totals[0].fromNs;
  const second = (ns: bigint) => Number(ns - origin) / 1e9;
  const start = second(totals[0].fromNs);
  const end = start + (values.length * widthNs) / 1e9;
  const highest = values.reduce((most, value) => (value > most ? value : most), 0);
  const ofAll = ({ of }: RateOfModel) => of === 'all';
  const bursts = [...(storms?.bursts ?? [])]
    .sort((x, y) => Number(ofAll(y)) - Number(ofAll(x)))
    .slice(0, MOST_MARKS);
  const changes = (storms?.changes ?? []).filter(ofAll).slice(0, MOST_MARKS);
  const marks = [
    ...bursts.map((burst) => ({
      from: second(burst.fromNs),
      to: second(burst.toNs),
      part: !ofAll(burst),
      label: `Burst of ${ofWords(burst)}: ${formatCount(Math.round(burst.perSecond))} per second, usually ${formatCount(Math.round(burst.usualPerSecond))}`,
    })),
    ...changes.map((change) => ({
      from: second(change.atNs),
      to: null,
      part: false,
      label: `Change from ${formatCount(Math.round(change.before))} to ${formatCount(Math.round(change.after))} per second`,
    })),
  ];
  return markup`<figure><figcaption>Exits per second, per ${formatNsShort(widthNs)}${bursts.some(ofAll) && '; shaded: bursts'}${bursts.some((burst) => !ofAll(burst)) && '; short bars on top: bursts of one reason or vCPU'}${changes.length > 0 && '; dashed: the rate changed'}</figcaption>${series(
    {
      id: 'c-rate',
      title: 'Exits per second over time',
      description: `At most ${formatCount(Math.round(highest))} exits per second. ${
        marks.length === 0
          ? 'No burst and no change of the rate stands out.'
          : marks
              .map(({ label, from }) => `${label} at ${from.toFixed(3)} s`)
              .slice(0, 8)
              .join('; ')
      }`,
    },
    values,
    marks,
    {
      x: linearScale(start, end, 8),
      y: linearScale(0, highest, 4),
      formatX: (value) => `${Number(value.toPrecision(6))} s`,
      formatY: (value) => formatCount(value),
      labelX: 'time since the first event',
    },
  )}</figure>`;
}

/** The busiest intervals: what a spike in the chart is made of. */
function busiest({ intervals, capture }: ReportModel): Markup | null {
  if (!intervals?.known || intervals.totals.length === 0) return null;
  const rows = intervals.totals
    .filter(({ exits }) => exits > 0)
    .sort((a, b) => b.exits - a.exits || (a.fromNs < b.fromNs ? -1 : 1));
  return dataTable(
    rows.length > MOST_ROWS
      ? `The ${MOST_ROWS} busiest of ${formatCount(rows.length)} intervals with exits`
      : 'Intervals, the busiest first',
    [
      { title: 'at second', number: true },
      { title: 'length', number: true },
      { title: 'exits', number: true },
      { title: 'per second', number: true },
      { title: 'total', number: true },
      { title: 'p99', number: true },
      { title: 'max', number: true },
    ],
    rows
      .slice(0, MOST_ROWS)
      .map((row) => [
        { content: formatOffset(row.fromNs, capture.firstNs) },
        { content: formatNs(row.lengthNs), value: row.lengthNs },
        countCell(row.exits),
        countCell(row.perSecond === null ? null : Math.round(row.perSecond)),
        timeCell(row.totalNs),
        timeCell(row.p99Ns),
        timeCell(row.maxNs),
      ]),
  );
}

/** What stands out, in a sentence, beside the tables of the section. */
function standsOut({ storms }: ReportModel): string | null {
  if (!storms?.known) return null;
  const names = [...storms.bursts, ...storms.changes].map(ofWords);
  return names.length === 0
    ? null
    : `Bursts or changes of the rate: ${[...new Set(names)].slice(0, 8).join(', ')}.`;
}

export const ratePart: Part = {
  id: 'rate',
  title: 'Rate over time',
  render: (model, options) => {
    const { intervals, storms } = model;
    if (!intervals && !storms) return markup`<p>Not recorded in this report.</p>`;
    if (!intervals?.known && !storms?.known)
      return markup`<p>${whyUnknown(model.capture.timeIsNs, 'kvm_exit')}</p>`;
    const words = standsOut(model);
    return markup`${words !== null && markup`<p>${words}</p>`}${rateChart(model)}${busiest(model)}${storms && markup`<details><summary>Bursts, changes, simultaneous and periodic exits</summary>${sectionBlocks(model, 'storms', options)}</details>`}`;
  },
};
