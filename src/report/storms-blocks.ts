/** Section `storms` for people. */

import { formatNs, formatNsShort, formatOffset, plural } from '../core/units.ts';
import type { RateOfModel, StormsModel } from './build-storms.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import type { ReportModel } from './model.ts';
import { whyUnknown } from './recorded.ts';
import type { Block } from './sections.ts';

export function stormBlocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { storms, capture } = model;
  if (!storms || !asked) return [];
  if (!storms.known)
    return [{ title: 'Storms', sentences: [whyUnknown(capture.timeIsNs, 'kvm_exit')], table: null }];
  return [
    changesBlock(storms, capture, rows),
    ...(storms.bursts.length > 0 ? [burstsBlock(storms, capture, rows)] : []),
    ...(storms.simultaneous ? [simultaneousBlock(storms, storms.simultaneous, rows)] : []),
    beatsBlock(storms, rows),
  ];
}

const rate = (perSecond: number) => count(Math.round(perSecond));

function ofCell(row: RateOfModel) {
  if (row.of === 'all') return cell('all exits');
  return row.of === 'reason'
    ? foreign(row.name)
    : cell(row.vcpu === null ? `tid ${row.tid}` : `vCPU ${row.vcpu} (tid ${row.tid})`);
}

/** What is said of exits of more threads and reasons than are told apart. */
function leftOut(exits: number): string[] {
  return exits > 0
    ? [`${plural(exits, 'exit')} left out: there are more threads or reasons than are kept.`]
    : [];
}

/** Seconds since the recording's first event. */
const moment = (ns: bigint, { firstNs }: ReportModel['capture']) => cell(formatOffset(ns, firstNs));

function changesBlock(storms: StormsModel, capture: ReportModel['capture'], rows: number): Block {
  const enough = storms.buckets >= 20;
  const lossy = capture.lost.regions > 0;
  return {
    title: `Changes of the exit rate, per ${formatNsShort(storms.bucketNs)}`,
    sentences: [
      ...(enough ? [] : ['The recording is too short to tell (fewer than 20 steps).']),
      ...(enough && storms.changes.length === 0 ? ['None.'] : []),
      ...(storms.changes.length > 0
        ? [`Chance alone would show any with a probability of at most ${100 * storms.falseAlarm}%.`]
        : []),
      ...(lossy ? ['Lost events lower the rate where they are missing.'] : []),
      ...(storms.leftOut.rates > 0
        ? [
            'There are more reasons or threads than have a rate of their own: the others are in that of all exits.',
          ]
        : []),
    ],
    table:
      storms.changes.length === 0
        ? null
        : tableOf(
            [right('at second'), left('of', { shrinkTo: 16 }), right('per second before'), right('after')],
            storms.changes,
            rows,
            (row) => [moment(row.atNs, capture), ofCell(row), rate(row.before), rate(row.after)],
          ),
  };
}

function burstsBlock(storms: StormsModel, capture: ReportModel['capture'], rows: number): Block {
  return {
    title: 'Bursts of exits',
    sentences: [],
    table: tableOf(
      [
        right('from second'),
        right('length'),
        left('of', { shrinkTo: 16 }),
        right('exits'),
        right('per second'),
        right('usually'),
      ],
      storms.bursts,
      rows,
      (row) => [
        moment(row.fromNs, capture),
        time(row.toNs - row.fromNs),
        ofCell(row),
        count(row.exits),
        rate(row.perSecond),
        rate(row.usualPerSecond),
      ],
    ),
  };
}

function simultaneousBlock(
  storms: StormsModel,
  simultaneous: NonNullable<StormsModel['simultaneous']>,
  rows: number,
): Block {
  return {
    title: `Exits of several vCPUs within ${formatNsShort(simultaneous.windowNs)}`,
    sentences: [
      'By chance: if the vCPUs exited independently, each as often as it did. Times of common work and common idling alone raise the number as well.',
      ...leftOut(storms.leftOut.simultaneous),
    ],
    table: tableOf([right('vCPUs'), right('times'), right('by chance')], simultaneous.rows, rows, (row) => [
      cell(row.vcpus === simultaneous.vcpus ? `all ${row.vcpus}` : `${row.vcpus} or more`),
      count(row.observed),
      cell(row.expected < 10 ? row.expected.toFixed(1) : String(Math.round(row.expected))),
    ]),
  };
}

function beatsBlock(storms: StormsModel, rows: number): Block {
  return {
    title: 'Periodic exits, 5 to 2500 Hz',
    sentences: [
      storms.beats.length > 0
        ? 'Strength: share of the intervals between such exits that lie within 3% of the period.'
        : `None in ${plural(storms.judgedForBeats, 'thread and reason', 'threads and reasons')} with enough exits.`,
      ...leftOut(storms.leftOut.beats),
      ...(storms.leftOut.late > 0
        ? [
            `${plural(storms.leftOut.late, 'exit')} of threads that changed CPUs make no interval: they were known only after later ones.`,
          ]
        : []),
    ],
    table:
      storms.beats.length === 0
        ? null
        : tableOf(
            [
              right('Hz'),
              right('strength %'),
              right('vCPU'),
              right('tid', { drop: 1 }),
              left('reason', { shrinkTo: 14 }),
              left('of', { shrinkTo: 14, drop: 2 }),
              right('period'),
              right('exits', { drop: 3 }),
              left('usually', { shrinkTo: 16, drop: 0 }),
            ],
            storms.beats,
            rows,
            (row) => [
              cell(row.hz.toFixed(row.hz < 100 ? 1 : 0)),
              share(row.strength, 1),
              plain(row.vcpu),
              plain(row.tid),
              foreign(row.name),
              foreign(row.what ?? row.address),
              cell(formatNs(row.periodNs)),
              count(row.intervals),
              foreign(row.rateName),
            ],
          ),
  };
}
