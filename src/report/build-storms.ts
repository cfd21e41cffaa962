/** Section `storms`: changes and bursts of the exit rate, exits of many vCPUs at once, beats of timers. */

import { FALSE_ALARM, type SeriesName, type StormResult } from '../analysis/storms.ts';
import { ISA_ARM64 } from '../core/isa-codes.ts';
import { wordsToBigInt } from '../core/words.ts';
import { timerRateName } from '../isa/timer-rates.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { csvOf } from './csv-data.ts';
import { type DetailKind, detailAddress, detailKind, detailName } from './detail-names.ts';
import type { ReportModel } from './model.ts';
import { reasonIdentity } from './reason-identity.ts';
import { exitsRecorded, whyUnknown } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';
import { identifyThread } from './thread-identity.ts';
import { formatNs, formatNsShort, formatOffset, plural } from './units.ts';

/** What a rate is of: all exits (`all`), one reason, or one thread. */
export interface RateOfModel {
  of: 'all' | 'reason' | 'thread';
  isa: string | null;
  code: number | null;
  name: string | null;
  tid: number | null;
  vcpu: number | null;
  comm: string | null;
}

/** Rates are exits per second; times ns on the capture's clock. */
export interface ChangeModel extends RateOfModel {
  atNs: bigint;
  before: number;
  after: number;
  /** Probability of such a split where there is no change. */
  p: number;
}

export interface BurstModel extends RateOfModel {
  fromNs: bigint;
  toNs: bigint;
  exits: number;
  perSecond: number;
  /** Median rate around it. */
  usualPerSecond: number;
}

export interface BeatModel {
  tid: number;
  vcpu: number | null;
  comm: string | null;
  isa: string;
  code: number | null;
  name: string;
  /** MSR, port or MMIO page, if that was recorded. */
  kind: DetailKind;
  address: string | null;
  what: string | null;
  hz: number;
  periodNs: number;
  /** Share (0–1) of the intervals between such exits that lie within 3 % of the period. */
  strength: number;
  intervals: number;
  /** What usually runs at this rate. */
  rateName: string | null;
}

export interface StormsModel {
  /** False: a clock without unit. */
  known: boolean;
  bucketNs: number;
  /** Rates are judged over so many buckets; from 20 on. */
  buckets: number;
  /** Probability of any change (and of any burst) told where there is none. */
  falseAlarm: number;
  changes: ChangeModel[];
  bursts: BurstModel[];
  /** null: fewer than two vCPU threads. */
  simultaneous: {
    windowNs: number;
    windows: number;
    vcpus: number;
    /** Windows in which at least so many vCPUs exited, and how many chance alone would make. */
    rows: { vcpus: number; observed: number; expected: number }[];
    /** The fullest windows. */
    top: { atNs: bigint; vcpus: number }[];
  } | null;
  beats: BeatModel[];
  /** Thread and reason pairs (with detail) that had enough exits to be judged. */
  judgedForBeats: number;
  /**
   * Exits of more threads and reasons than are told apart. They are in the rate of all exits only (`rates` counts an exit
   * once for its reason and once for its thread), in no window, and not judged for beats.
   */
  leftOut: { rates: number; simultaneous: number; beats: number };
}

function build(input: SectionInput): Partial<ReportModel> | null {
  const { context, analysis } = input;
  const result = analysis.passes.storms as StormResult | undefined;
  if (result === undefined) return null;
  const { simultaneous, periodic } = result;
  const origin = wordsToBigInt(result.origin[0], result.origin[1]);
  const at = (ns: number) => origin + BigInt(Math.round(ns));
  const known = context.timeIsNs && exitsRecorded(input);
  const windowOrigin = wordsToBigInt(simultaneous.origin[0], simultaneous.origin[1]);
  return {
    storms: {
      known,
      bucketNs: result.bucketNs,
      buckets: result.buckets,
      falseAlarm: FALSE_ALARM,
      changes: known
        ? result.changes.map(({ atNs, before, after, p, ...of }) => ({
            ...rateOf(input, of),
            atNs: at(atNs),
            before,
            after,
            p,
          }))
        : [],
      bursts: known
        ? result.bursts.map(({ fromNs, toNs, exits, perSecond, usualPerSecond, ...of }) => ({
            ...rateOf(input, of),
            fromNs: at(fromNs),
            toNs: at(toNs),
            exits,
            perSecond,
            usualPerSecond,
          }))
        : [],
      simultaneous:
        known && simultaneous.vcpus > 1
          ? {
              windowNs: simultaneous.windowNs,
              windows: simultaneous.windows,
              vcpus: simultaneous.vcpus,
              rows: simultaneous.rows.map((row) => ({ ...row })),
              top: simultaneous.top.map(({ atNs, vcpus }) => ({
                atNs: windowOrigin + BigInt(Math.round(atNs)),
                vcpus,
              })),
            }
          : null,
      beats: known ? periodic.beats.map((beat) => buildBeat(input, beat)) : [],
      judgedForBeats: periodic.judged,
      leftOut: { rates: result.ignored, simultaneous: simultaneous.ignored, beats: periodic.ignored },
    },
  };
}

function thread({ context, model }: SectionInput, tid: number) {
  const row = model.vcpus.find((vcpu) => vcpu.tid === tid);
  const { vcpu, comm } = row ?? identifyThread(context, { tid, pid: -1, vcpu: -1 });
  return { tid, vcpu, comm };
}

function rateOf(input: SectionInput, { reason, tid }: SeriesName): RateOfModel {
  return {
    of: reason !== null ? 'reason' : tid !== null ? 'thread' : 'all',
    ...(reason === null
      ? { isa: null, code: null, name: null }
      : reasonIdentity(input.context, reason.isa, reason.code)),
    ...(tid === null ? { tid, vcpu: null, comm: null } : thread(input, tid)),
  };
}

function buildBeat(input: SectionInput, beat: StormResult['periodic']['beats'][number]): BeatModel {
  const [low, high] = beat.detailAddress;
  const kind = detailKind(beat.detailEvent);
  const hz = 1e9 / beat.periodNs;
  return {
    ...thread(input, beat.tid),
    ...reasonIdentity(input.context, beat.isa, beat.code),
    kind,
    address: kind === 'none' ? null : detailAddress(low, high),
    what: kind === 'none' ? null : detailName(kind, low, high, beat.isa === ISA_ARM64),
    hz,
    periodNs: beat.periodNs,
    strength: beat.strength,
    intervals: beat.intervals,
    rateName: timerRateName(hz),
  };
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

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { storms } = model;
  if (!storms || !asked) return [];
  if (!storms.known)
    return [{ title: 'Storms', sentences: [whyUnknown(model.capture.timeIsNs, 'kvm_exit')], table: null }];
  const at = (ns: bigint) => cell(formatOffset(ns, model.capture.firstNs));
  const enough = storms.buckets >= 20;
  const lossy = model.capture.lost.regions > 0;
  const found: Block[] = [
    {
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
              (row) => [at(row.atNs), ofCell(row), rate(row.before), rate(row.after)],
            ),
    },
  ];
  if (storms.bursts.length > 0)
    found.push({
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
          at(row.fromNs),
          time(row.toNs - row.fromNs),
          ofCell(row),
          count(row.exits),
          rate(row.perSecond),
          rate(row.usualPerSecond),
        ],
      ),
    });
  const { simultaneous } = storms;
  if (simultaneous)
    found.push({
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
    });
  found.push({
    title: 'Periodic exits, 5 to 2500 Hz',
    sentences: [
      storms.beats.length > 0
        ? 'Strength: share of the intervals between such exits that lie within 3% of the period.'
        : `None in ${plural(storms.judgedForBeats, 'thread and reason', 'threads and reasons')} with enough exits.`,
      ...leftOut(storms.leftOut.beats),
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
  });
  return found;
}

const RATE_OF = ['of', 'isa', 'code', 'name', 'tid', 'vcpu', 'comm'] as const;

export const stormsSection: Section = {
  id: 'storms',
  byDefault: false,
  requests: () => [{ name: 'storms', options: {} }],
  build,
  blocks,
  csv: {
    'rate-changes': (model) => csvOf([...RATE_OF, 'atNs', 'before', 'after', 'p'], model.storms?.changes),
    bursts: (model) =>
      csvOf([...RATE_OF, 'fromNs', 'toNs', 'exits', 'perSecond', 'usualPerSecond'], model.storms?.bursts),
    simultaneous: (model) => csvOf(['vcpus', 'observed', 'expected'], model.storms?.simultaneous?.rows),
    beats: (model) =>
      csvOf(
        [
          'tid',
          'vcpu',
          'comm',
          'isa',
          'code',
          'name',
          'kind',
          'address',
          'what',
          'hz',
          'periodNs',
          'strength',
          'intervals',
          'rateName',
        ],
        model.storms?.beats,
      ),
  },
};
